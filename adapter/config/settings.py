"""The settings of a deployment, read from one TOML file with every fault found at once."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.config import partners, senders, servers
from adapter.config.document import Document
from adapter.config.keys import LISTS, SECTIONS, TOP
from adapter.config.secrets import Secrets
from adapter.errors import ConfigurationError
from adapter.relay.case import Patience
from adapter.relay.deployment import Organisation, Partner
from adapter.relay.message import Mode
from adapter.relay.replay import Bounds
from adapter.relay.retry import RetrySchedule
from adapter.server.budgets import DoorBudget, ReadingBudget

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from adapter.outcome import Issue
    from adapter.relay.directory_feed import DirectoryFeed
    from adapter.relay.source import Source
    from adapter.relay.store.values import Retention
    from adapter.server.access import Credential
    from adapter.server.alarm import AlarmSettings
    from adapter.server.certificate import Proxies
    from adapter.server.client import Client
    from adapter.server.inbox_folder import Inbox
    from adapter.server.mllp_listener import Listener
    from adapter.server.reply_notice import NoticeTo
    from adapter.server.user import User

FILE = "silta.toml"
"""What `silta init` calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A deployment as its file describes it, checked; nothing is opened yet."""

    file: Path
    mode: Mode
    name: str
    zone: ZoneInfo
    packages: tuple[Path, ...]
    listen: tuple[str, int]
    address: str
    """Base address of the FHIR doors, as partners reach them."""
    budget: DoorBudget
    reading: ReadingBudget
    """What reading one message may take."""
    store_url: str
    key: bytes = field(repr=False)
    node: str
    backups: Path
    """Folder that `silta backup` writes to."""
    directory: Path
    consents: Path
    agreements: Path
    maps: Path
    tables: Path
    organisations: tuple[Organisation, ...]
    directory_feed: DirectoryFeed | None
    """Another server whose directory is kept beside the files; None if there is none."""
    sources: tuple[Source, ...]
    partners: tuple[Partner, ...]
    mllp: tuple[Listener, ...]
    inboxes: tuple[Inbox, ...]
    credentials: tuple[Credential, ...] = field(repr=False)
    certificates: Mapping[str, str]
    """Organisation by the SHA-256 of its client certificate, hex."""
    proxies: Proxies | None
    clients: tuple[Client, ...]
    users: tuple[User, ...]
    """People who read and answer on the reply form."""
    notices: Mapping[str, NoticeTo]
    """Who is told when something waits there, by the partner's key."""
    schedule: RetrySchedule
    time_to_live: timedelta
    oldest: timedelta | None
    """A message that was sent longer ago is not taken; None in test, where old ones are sent on purpose."""
    patience: Patience
    """How long occupational health may take to answer."""
    bounds: Bounds
    """How much may be sent again together."""
    alarm: AlarmSettings
    """From when on something is an alarm, and who hears of it."""
    retention: Retention
    """How long content is kept; ids and audit stay."""
    warnings: tuple[Issue, ...] = ()

    @property
    def remembers(self) -> timedelta:
        """For how long a repeat surely gets its first answer: as long as content of any kind is kept."""
        kept = self.retention
        return max(kept.not_applicable, kept.delivered, kept.parked, timedelta(hours=24))

    @property
    def store_file(self) -> Path | None:
        """Return the file of an SQLite store, None for another kind."""
        prefix = "sqlite:///"
        return Path(self.store_url.removeprefix(prefix)) if self.store_url.startswith(prefix) else None


def load(path: Path) -> Settings:
    """Read and check a settings file. Relative paths in it are relative to it.

    Raises ConfigurationError with every fault at once.
    """
    text = _read(path)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, column = position(str(error))
        raise ConfigurationError("CF102", at=str(path), line=line, column=column) from error
    document = Document(path, text)
    settings = _settings(document, table)
    if settings is None:
        raise ConfigurationError("CF100", at=str(path), issues=document.faults)
    return settings


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError("CF101", at=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("CF102", at=str(path)) from error


def position(words: str) -> tuple[int | None, int | None]:
    """Take line and column out of the words of tomllib, which has them nowhere else."""
    match = re.search(r"line (\d+), column (\d+)", words)
    return (int(match[1]), int(match[2])) if match else (None, None)


def _settings(document: Document, table: dict[str, Any]) -> Settings | None:
    """Return the settings, None if a fault was noted."""
    from adapter.relay.store.values import Retention

    top = document.section(
        {key: value for key, value in table.items() if key not in (*SECTIONS, *LISTS)}, TOP, ""
    )
    parts = {name: document.part(table, name, keys) for name, keys in SECTIONS.items()}
    lists = {name: document.sections(table, name, keys) for name, keys in LISTS.items()}
    mode = top.get("mode")
    secrets = Secrets(document, is_production=mode == Mode.PRODUCTION)
    credentials = tuple(secrets.credentials(lists))
    key = secrets.store_key(parts["store"])
    address = parts["server"]["address"] or "http://{}:{}/fhir".format(*parts["server"]["listen"])
    named = tuple(partners.partners(document, lists["partner"], mode, secrets, address))
    users = tuple(partners.users(document, lists["user"], named, secrets))
    sources = tuple(senders.sources(document, lists["source"], top, lists["organisation"]))
    mllp = tuple(senders.listeners(document, lists["mllp"], sources, mode))
    inboxes = tuple(senders.inboxes(document, lists["inbox"], sources))
    clients = tuple(senders.clients(document, lists["client"], mode, lists["organisation"]))
    certificates = senders.certificates(document, lists["organisation"])
    alarm = servers.alarm(document, parts["alarm"], mode, secrets)
    feed = servers.directory_feed(document, parts["directory"], mode, secrets)
    notices = dict(partners.notices(document, lists["partner"], mode, secrets, alarm.mailbox))
    _check(document, parts, lists)
    if document.faults or mode is None or key is None:
        return None
    server, folders, retry = parts["server"], parts["folders"], parts["retry"]
    return Settings(
        file=document.path,
        mode=Mode(mode),
        name=top["name"],
        zone=top["zone"],
        packages=tuple(document.resolve(name) for name in top["packages"]),
        listen=server["listen"],
        address=address,
        budget=DoorBudget(bytes=server["body_limit"]),
        reading=ReadingBudget(seconds=server["read_within"].total_seconds()),
        store_url=_store_url(document, parts["store"]["url"]),
        key=key,
        node=parts["store"]["node"],
        backups=document.resolve(parts["store"]["backups"]),
        **{name: document.resolve(value) for name, value in folders.items()},
        organisations=tuple(Organisation(key=one["id"], name=one["name"]) for one in lists["organisation"]),
        directory_feed=feed,
        sources=sources,
        partners=named,
        mllp=mllp,
        inboxes=inboxes,
        credentials=credentials,
        certificates=certificates,
        proxies=_proxies(server),
        clients=clients,
        users=users,
        notices=notices,
        schedule=RetrySchedule(first=retry["first"], longest=retry["longest"], give_up=retry["give_up"]),
        time_to_live=retry["expire"],
        oldest=server["oldest"] if mode == Mode.PRODUCTION else None,
        patience=Patience(**parts["case"]),
        bounds=Bounds(**parts["replay"]),
        alarm=alarm,
        retention=Retention(**parts["retention"]),
        warnings=tuple(document.warnings),
    )


def _check(
    document: Document, parts: dict[str, dict[str, Any]], lists: dict[str, list[dict[str, Any]]]
) -> None:
    """Note what is well-formed but makes no sense together."""
    document.once(lists["organisation"], "organisation", "id")
    document.once(lists["operator"], "operator", "name")
    retry = parts["retry"]
    if retry["first"] > retry["longest"]:
        document.fault("CF115", "retry.first", key="first", other="longest")
    if retry["longest"] > retry["give_up"]:
        document.fault("CF115", "retry.longest", key="longest", other="give_up")
    if retry["give_up"] > retry["expire"]:
        document.fault("CF115", "retry.give_up", key="give_up", other="expire")
    for name, value in parts["folders"].items():
        if not document.resolve(value).is_dir():
            document.fault("CF120", f"folders.{name}", path=value)


def _store_url(document: Document, url: str) -> str:
    prefix = "sqlite:///"
    return prefix + str(document.resolve(url.removeprefix(prefix))) if url.startswith(prefix) else url


def _proxies(server: Mapping[str, Any]) -> Proxies | None:
    """Return whose word on client certificates is taken; None without a proxy of ours."""
    if not server["proxies"]:
        return None
    from adapter.server.certificate import Proxies

    return Proxies(server["proxies"], server["certificate_header"])
