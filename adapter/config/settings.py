"""The settings of a deployment, read from one TOML file with every fault found at once."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from adapter.config.keys import LISTS, REPLY_FORM, SECTIONS, TOP, Wrong, is_loopback
from adapter.config.secrets import Secrets
from adapter.errors import AdapterError, ConfigurationError
from adapter.outcome import Issue
from adapter.relay.alarm import Limits
from adapter.relay.case import Patience
from adapter.relay.deployment import Organisation, Partner, Source
from adapter.relay.directory_feed import DirectoryFeed
from adapter.relay.message import Level, Mode
from adapter.relay.replay import Bounds
from adapter.relay.retry import RetrySchedule
from adapter.server.alarm import AlarmSettings, Mailbox, Webhook
from adapter.server.budgets import DoorBudget
from adapter.server.inbox_folder import Inbox
from adapter.server.mllp_listener import Listener
from adapter.server.reply_notice import NoticeTo
from adapter.server.user import User

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from zoneinfo import ZoneInfo

    from joserfc.jwk import Key as PublicKey

    from adapter.config.keys import Key
    from adapter.relay.store.values import Retention
    from adapter.server.access import Credential
    from adapter.server.certificate import Proxies
    from adapter.server.client import Client

FILE = "silta.toml"
"""What `silta init` calls it."""

PEM_FILES = ("certificate", "key", "client_authority")


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
    reading = Reading(path, text)
    settings = reading.settings(table)
    if settings is None:
        raise ConfigurationError("CF100", at=str(path), issues=reading.faults)
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


class Reading:
    """One reading of a file: collects faults instead of stopping at the first."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.folder = path.resolve().parent
        self.lines = text.splitlines()
        self.faults: list[Issue] = []
        self.warnings: list[Issue] = []

    def fault(self, code: str, at: str, **params: str | int) -> None:
        """Note a fault at a key such as `partner[2].level`."""
        self.faults.append(Issue(code, at, params, line=self._line(at)))

    def settings(self, table: dict[str, Any]) -> Settings | None:
        """Return the settings, None if a fault was noted."""
        from adapter.relay.store.values import Retention

        top = self._section(
            {key: value for key, value in table.items() if key not in (*SECTIONS, *LISTS)}, TOP, ""
        )
        parts = {name: self._section(self._table(table, name), keys, name) for name, keys in SECTIONS.items()}
        lists = {name: self._list(table, name, keys) for name, keys in LISTS.items()}
        mode = top.get("mode")
        secrets = Secrets(self, is_production=mode == Mode.PRODUCTION)
        credentials = tuple(secrets.credentials(lists))
        key = secrets.store_key(parts["store"])
        address = parts["server"]["address"] or "http://{}:{}/fhir".format(*parts["server"]["listen"])
        partners = tuple(self._partners(lists["partner"], mode, secrets, address))
        users = tuple(self._users(lists["user"], partners, secrets))
        sources = tuple(self._sources(lists["source"], top, lists["organisation"]))
        mllp = tuple(self._mllp(lists["mllp"], sources, mode))
        inboxes = tuple(self._inboxes(lists["inbox"], sources))
        clients = tuple(self._clients(lists["client"], mode, lists["organisation"]))
        certificates = self._certificates(lists["organisation"])
        alarm = self._alarm(parts["alarm"], mode, secrets)
        feed = self._directory_feed(parts["directory"], mode, secrets)
        notices = dict(self._notices(lists["partner"], mode, secrets, alarm.mailbox))
        self._meaning(parts, lists)
        if self.faults or mode is None or key is None:
            return None
        server, folders, retry = parts["server"], parts["folders"], parts["retry"]
        return Settings(
            file=self.path,
            mode=Mode(mode),
            name=top["name"],
            zone=top["zone"],
            packages=tuple(self.resolve(name) for name in top["packages"]),
            listen=server["listen"],
            address=address,
            budget=DoorBudget(bytes=server["body_limit"]),
            store_url=self._store_url(parts["store"]["url"]),
            key=key,
            node=parts["store"]["node"],
            backups=self.resolve(parts["store"]["backups"]),
            **{name: self.resolve(value) for name, value in folders.items()},
            organisations=tuple(
                Organisation(key=one["id"], name=one["name"]) for one in lists["organisation"]
            ),
            directory_feed=feed,
            sources=sources,
            partners=partners,
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
            patience=Patience(**parts["case"]),
            bounds=Bounds(**parts["replay"]),
            alarm=alarm,
            retention=Retention(**parts["retention"]),
            warnings=tuple(self.warnings),
        )

    def resolve(self, name: str) -> Path:
        """Return a path of the file, relative to the file."""
        return self.folder / Path(name).expanduser()

    def _table(self, table: dict[str, Any], name: str) -> dict[str, Any]:
        value = table.get(name, {})
        if isinstance(value, dict):
            return value
        self.fault("CF106", name, key=name, takes=f"a section [{name}]")
        return {}

    def _list(self, table: dict[str, Any], name: str, keys: Mapping[str, Key]) -> list[dict[str, Any]]:
        value = table.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.fault("CF106", name, key=name, takes=f"sections [[{name}]]")
            return []
        return [self._section(one, keys, f"{name}[{number}]") for number, one in enumerate(value, 1)]

    def _section(self, table: dict[str, Any], keys: Mapping[str, Key], at: str) -> dict[str, Any]:
        """Read the keys of one section; absent ones get their default, wrong ones None."""
        dot = f"{at}." if at else ""
        for key in table:
            if key not in keys:
                self._unknown(key, (*keys, *SECTIONS, *LISTS) if not at else tuple(keys), f"{dot}{key}")
        read: dict[str, Any] = {}
        for key, spec in keys.items():
            read[key] = spec.default
            if key not in table:
                if spec.is_required:
                    self.fault("CF105", f"{dot}{key}", key=key)
                continue
            try:
                read[key] = spec.read(table[key])
            except Wrong as error:
                read[key] = None if spec.is_required else spec.default
                self.fault("CF106", f"{dot}{key}", key=key, takes=str(error))
        return read

    def _unknown(self, key: str, known: tuple[str, ...], at: str) -> None:
        near = get_close_matches(key, known, n=1, cutoff=0.5)
        if near:
            self.fault("CF103", at, key=key, near=near[0])
        else:
            self.fault("CF104", at, key=key, known=", ".join(known))

    def _partners(
        self, tables: list[dict[str, Any]], mode: str | None, secrets: Secrets, address: str
    ) -> Iterator[Partner]:
        self._once(tables, "partner", "organisation")
        for number, one in enumerate(tables, 1):
            at = f"partner[{number}]"
            if one["mode"] is not None and mode is not None and one["mode"] != mode:
                self.fault("CF118", f"{at}.mode", mode=mode)
            endpoint = one["endpoint"] or ""
            if mode == Mode.PRODUCTION and endpoint.startswith(("http:", "mllp:")):
                self.fault("CF117", f"{at}.endpoint")
            reads_here = endpoint == REPLY_FORM
            if reads_here:
                self._reads_here(one, at, mode, address)
                endpoint = reply_address(address)
            if endpoint.startswith("mllp") and one["form"] != "hl7v2":
                self.fault("CF135", f"{at}.form")
            if endpoint.startswith("file:") and one["acknowledgement"] != "none":
                self.fault("CF136", f"{at}.acknowledgement")
            is_message = one["form"] == "fhir" and endpoint.startswith("http")
            if one["profile"] != "r4" and not is_message:
                self.fault("CF155", f"{at}.profile", profile=one["profile"])
            if one["async"] and (one["profile"] == "webhook" or not is_message):
                self.fault("CF157", f"{at}.async")
            token = secrets.plain(one, at)
            keys = secrets.signing_keys(one, at) if one["profile"] == "webhook" else ()
            if None in (one["organisation"], one["endpoint"], mode):
                continue
            yield Partner(
                organisation=one["organisation"],
                endpoint=endpoint,
                mode=Mode(str(mode)),
                profile=one["profile"],
                form=one["form"],
                level=Level(one["level"]),
                acknowledgement=one["acknowledgement"],
                token=token,
                language=one["language"],
                acknowledge_within=one["acknowledge_within"],
                resend=one["resend"],
                is_asynchronous=one["async"],
                signing_keys=keys,
                reads_here=reads_here,
            )

    def _reads_here(self, one: dict[str, Any], at: str, mode: str | None, address: str) -> None:
        """Note what makes no sense for a partner to which nothing is sent."""
        sent = {
            "profile": one["profile"] != "r4",
            "async": one["async"],
            "resend": one["resend"] != "automatic",
            "form": one["form"] != "fhir",
            "acknowledgement": one["acknowledgement"] != "reply",
            "token_file": one["token_file"] is not None,
            "token_env": one["token_env"] is not None,
        }
        for key in (key for key, is_there in sent.items() if is_there):
            self.fault("CF160", f"{at}.{key}", key=key)
        if mode == Mode.PRODUCTION and not address.startswith("https:"):
            self.fault("CF161", f"{at}.endpoint")

    def _users(
        self, tables: list[dict[str, Any]], partners: tuple[Partner, ...], secrets: Secrets
    ) -> Iterator[User]:
        """Yield the people of the partners that read here; such a partner without any is a fault."""
        self._once(tables, "user", "sign_in")
        here = {one.organisation: one for one in partners if one.reads_here}
        for number, one in enumerate(tables, 1):
            at = f"user[{number}]"
            partner = here.get(one["organisation"])
            if one["organisation"] is not None and partner is None:
                self.fault("CF162", f"{at}.organisation")
            line = secrets.password(one, at)
            if partner is None or line is None or None in (one["sign_in"], one["name"]):
                continue
            yield User(
                sign_in=one["sign_in"],
                name=one["name"],
                organisation=partner.organisation,
                language=one["language"] or partner.language,
                password=line,
            )
        wanted = {one["organisation"] for one in tables}
        for number, each in enumerate(partners, 1):
            if each.reads_here and each.organisation not in wanted:
                self.fault("CF163", f"partner[{number}].endpoint")

    def _notices(
        self, tables: list[dict[str, Any]], mode: str | None, secrets: Secrets, mailbox: Mailbox | None
    ) -> Iterator[tuple[str, NoticeTo]]:
        """Yield who is told when something waits on the reply form."""
        for number, one in enumerate(tables, 1):
            at = f"partner[{number}]"
            token = secrets.plain(one, at, "notice_token")
            webhook = one["notice_webhook"]
            if webhook is not None and mode == Mode.PRODUCTION and webhook.startswith("http:"):
                self.fault("CF117", f"{at}.notice_webhook")
            if one["notice_to"] and mailbox is None:
                self.fault("CF165", f"{at}.notice_to")
            if one["organisation"] is None or not (webhook or one["notice_to"]):
                continue
            yield (
                one["organisation"],
                NoticeTo(
                    webhook=Webhook(url=webhook, token=token) if webhook is not None else None,
                    mailbox=replace(mailbox, to=one["notice_to"]) if mailbox and one["notice_to"] else None,
                ),
            )

    def _sources(
        self, tables: list[dict[str, Any]], top: dict[str, Any], organisations: list[dict[str, Any]]
    ) -> Iterator[Source]:
        self._once(tables, "source", "name")
        known = {one["id"] for one in organisations}
        for number, one in enumerate(tables, 1):
            at = f"source[{number}]"
            if one["organisation"] is not None and one["organisation"] not in known:
                self.fault("CF114", f"{at}.organisation")
            if one["name"] is not None and not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", one["name"]):
                self.fault("CF106", f"{at}.name", key="name", takes="letters, digits, dot, hyphen")
            if None in (one["name"], one["organisation"], one["format"]):
                continue
            yield Source(
                name=one["name"],
                organisation=one["organisation"],
                format=one["format"],
                map=one["map"],
                zone=one["zone"] or top["zone"],
                charset=one["charset"],
                inclusive_end=one["inclusive_end"],
                consents=one["consents"],
            )

    def _clients(
        self, tables: list[dict[str, Any]], mode: str | None, organisations: list[dict[str, Any]]
    ) -> Iterator[Client]:
        """Yield the registered clients, the keys of files read."""
        if not tables:
            return
        from adapter.server.client import Client

        self._once(tables, "client", "id")
        known = {one["id"] for one in organisations}
        for number, one in enumerate(tables, 1):
            at = f"client[{number}]"
            if one["organisation"] is not None and one["organisation"] not in known:
                self.fault("CF114", f"{at}.organisation")
            if (one["jwks_file"] is None) is (one["jwks_url"] is None):
                self.fault("CF129", f"{at}.jwks_file")
            if mode == Mode.PRODUCTION and (one["jwks_url"] or "").startswith("http:"):
                self.fault("CF117", f"{at}.jwks_url")
            keys = self._keys(one["jwks_file"], at) if one["jwks_file"] is not None else ()
            if None in (one["id"], one["organisation"], one["scopes"]):
                continue
            yield Client(
                id=one["id"],
                organisation=one["organisation"],
                scopes=one["scopes"],
                keys=keys,
                key_address=one["jwks_url"],
            )

    def _keys(self, name: str, at: str) -> tuple[PublicKey, ...]:
        from adapter.fhir import json as fhir_json
        from adapter.server.client import read_keys

        try:
            return read_keys(fhir_json.read(self.resolve(name).read_bytes()))
        except OSError:
            self.fault("CF110", f"{at}.jwks_file", path=name)
        except AdapterError:
            self.fault("CF149", f"{at}.jwks_file", path=name)
        return ()

    def _certificates(self, organisations: list[dict[str, Any]]) -> dict[str, str]:
        """Return whose each certificate is; one of two organisations is a fault."""
        found: dict[str, str] = {}
        for number, one in enumerate(organisations, 1):
            for thumbprint in one["certificates"] or ():
                if found.setdefault(thumbprint, one["id"]) != one["id"]:
                    self.fault(
                        "CF113",
                        f"organisation[{number}].certificates",
                        key="certificates",
                        section="organisation",
                    )
        return found

    def _mllp(
        self, tables: list[dict[str, Any]], sources: tuple[Source, ...], mode: str | None
    ) -> Iterator[Listener]:
        self._once(tables, "mllp", "listen")
        known = {one.name for one in sources if one.format == "hl7v2"}
        for number, one in enumerate(tables, 1):
            at = f"mllp[{number}]"
            if one["source"] is not None and one["source"] not in known:
                self.fault("CF123", f"{at}.source")
            if one["listen"] is None or one["source"] is None:
                continue
            host, port = one["listen"]
            files = {name: self._pem(one, f"{name}_file", at) for name in PEM_FILES}
            if mode == Mode.PRODUCTION and files["certificate"] is None and not is_loopback(host):
                self.fault("CF124", f"{at}.certificate_file")
            yield Listener(host=host, port=port, source=one["source"], allow=one["allow"], **files)

    def _inboxes(self, tables: list[dict[str, Any]], sources: tuple[Source, ...]) -> Iterator[Inbox]:
        self._once(tables, "inbox", "path")
        known = {one.name for one in sources}
        for number, one in enumerate(tables, 1):
            if one["source"] is not None and one["source"] not in known:
                self.fault("CF134", f"inbox[{number}].source")
            if one["path"] is None or one["source"] is None:
                continue
            path = self.resolve(one["path"])
            if not path.is_dir():
                self.fault("CF120", f"inbox[{number}].path", path=one["path"])
            yield Inbox(path=path, source=one["source"])

    def _pem(self, table: dict[str, Any], key: str, at: str) -> Path | None:
        """Return the path of a file that TLS needs; None if none is named."""
        if table[key] is None:
            return None
        path = self.resolve(table[key])
        if not path.is_file():
            self.fault("CF125", f"{at}.{key}", path=table[key])
        return path

    def _once(self, tables: list[dict[str, Any]], name: str, key: str) -> None:
        """Note what stands twice where it may stand once."""
        seen: set[str] = set()
        for number, one in enumerate(tables, 1):
            if one[key] is not None and one[key] in seen:
                self.fault("CF113", f"{name}[{number}].{key}", key=key, section=name)
            seen.add(one[key])

    def _directory_feed(
        self, one: dict[str, Any], mode: str | None, secrets: Secrets
    ) -> DirectoryFeed | None:
        """Return the server whose directory is kept beside the files; None where none is named."""
        address, token = one["address"], secrets.plain(one, "directory")
        if address is None:
            return None
        if mode == Mode.PRODUCTION and address.startswith("http:"):
            self.fault("CF117", "directory.address")
        return DirectoryFeed(
            address=address.rstrip("/"),
            every=one["every"],
            whole_every=one["whole_every"],
            stale_after=one["stale_after"],
            token=token,
        )

    def _alarm(self, one: dict[str, Any], mode: str | None, secrets: Secrets) -> AlarmSettings:
        """Return who hears of alarms; a mail server needs a sender and somebody to write to."""
        token = secrets.plain(one, "alarm")
        password = secrets.plain(one, "alarm", "mail_password")
        webhook = one["webhook"]
        if webhook is not None and mode == Mode.PRODUCTION and webhook.startswith("http:"):
            self.fault("CF117", "alarm.webhook")
        mailbox = None
        if one["mail_server"] is not None:
            for key in ("mail_from", "mail_to"):
                if not one[key]:
                    self.fault("CF105", f"alarm.{key}", key=key)
            host, port = one["mail_server"]
            mailbox = Mailbox(
                host=host,
                port=port,
                sender=one["mail_from"] or "",
                to=one["mail_to"],
                user=one["mail_user"],
                password=password,
                is_local=is_loopback(host),
            )
        limits = {name: one[name] for name in ("queue_age", "routing_age", "remind", "audit_every")}
        return AlarmSettings(
            limits=Limits(**limits),
            language=one["language"],
            webhook=Webhook(url=webhook, token=token) if webhook is not None else None,
            mailbox=mailbox,
        )

    def _meaning(self, parts: dict[str, dict[str, Any]], lists: dict[str, list[dict[str, Any]]]) -> None:
        """Note what is well-formed but makes no sense together."""
        self._once(lists["organisation"], "organisation", "id")
        self._once(lists["operator"], "operator", "name")
        retry = parts["retry"]
        if retry["first"] > retry["longest"]:
            self.fault("CF115", "retry.first", key="first", other="longest")
        if retry["longest"] > retry["give_up"]:
            self.fault("CF115", "retry.longest", key="longest", other="give_up")
        if retry["give_up"] > retry["expire"]:
            self.fault("CF115", "retry.give_up", key="give_up", other="expire")
        for name, value in parts["folders"].items():
            if not self.resolve(value).is_dir():
                self.fault("CF120", f"folders.{name}", path=value)

    def _store_url(self, url: str) -> str:
        prefix = "sqlite:///"
        return prefix + str(self.resolve(url.removeprefix(prefix))) if url.startswith(prefix) else url

    def _line(self, at: str) -> int | None:
        """Find the line of a key such as `partner[2].level`; of its section where the key is absent."""
        section, _, key = at.rpartition(".")
        name, _, number = section.partition("[")
        wanted = int(number.rstrip("]")) if number else 1
        here, found, best = "", 0, None
        for count, line in enumerate(self.lines, 1):
            header = re.match(r"\s*\[{1,2}\s*([\w-]+)\s*\]{1,2}", line)
            if header:
                here = header[1]
                found += here == name
                best = count if here == name and found == wanted else best
                rest = line[header.end() :]
            else:
                rest = line
            is_here = here == name and (found == wanted or not name)
            if is_here and re.search(rf"(?:^|\s)[\"']?{re.escape(key)}[\"']?\s*=", rest):
                return count
        return best


def reply_address(address: str) -> str:
    """Return where the reply form stands; `address`: base of the FHIR doors, on the same host."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/reply"


def _proxies(server: Mapping[str, Any]) -> Proxies | None:
    """Return whose word on client certificates is taken; None without a proxy of ours."""
    if not server["proxies"]:
        return None
    from adapter.server.certificate import Proxies

    return Proxies(server["proxies"], server["certificate_header"])
