"""Where the concrete parts meet: folders read, store opened and filled, the relay made."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from adapter.config.settings import position
from adapter.errors import AdapterError, ConfigurationError
from adapter.outcome import Issue, has_errors
from adapter.relay.clock import RandomIds, SystemClock
from adapter.relay.deployment import Relay
from adapter.server.access import Access
from adapter.server.user import Users

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from adapter.config.settings import Settings
    from adapter.mapping import MapSet
    from adapter.mapping.reload import Reloader
    from adapter.relay.clock import Clock, Ids
    from adapter.relay.disclosure_rules import Rules
    from adapter.relay.event import EventTable
    from adapter.relay.intake.reader import Reading
    from adapter.relay.store import Store
    from adapter.relay.transport import Transport
    from adapter.server.clients import Clients
    from adapter.server.readers import Readers
    from adapter.validation import Validator

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The parts of one running adapter."""

    settings: Settings
    relay: Relay
    access: Access
    clients: Clients | None = None
    """Clients of SMART Backend Services; None where none is registered."""

    users: Users | None = None
    """People who read and answer on the reply form; None where there are none."""

    @property
    def store(self) -> Store:
        """The store, to be closed by whoever built the deployment."""
        return self.relay.store


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    transport: Transport | None = None,
    address: str | None = None,
    shadow: bool = False,
    content: Content | None = None,
    readers: Reading | None = None,
) -> Deployment:
    """Make the parts: read the folders, open the store, import what decisions are made from.

    `address` stands above the settings' own, for a port that was not known before. `shadow`: nothing is sent,
    in a store of its own; a store that was filled so is never opened without. `content`: the folders, if they
    are read already. `readers`: read originals, if not this process is to. Raises ConfigurationError
    with every fault of maps, tables, directory, agreements and consents at once; StoreError if the store
    cannot be opened.
    """
    from adapter.relay.store import Store as OpenStore
    from adapter.relay.ways import Ways

    clock, ids = clock or SystemClock(), ids or RandomIds()
    content = content or read_content(settings)
    store = OpenStore.open(settings.store_url, key=settings.key, clock=clock, node=settings.node, ids=ids)
    try:
        if shadow:
            store.begin_shadow()
        elif store.is_shadow():
            raise ConfigurationError("ST126")
        _import(content, settings, store, clock)
        relay = Relay(
            mode=settings.mode,
            address=address or settings.address,
            name=settings.name,
            store=store,
            maps=content.maps,
            validator=content.validator,
            readers=readers,
            events=content.events,
            rules=content.rules,
            organisations={one.key: one for one in settings.organisations},
            sources={one.name: one for one in settings.sources},
            partners={one.organisation: one for one in settings.partners},
            clock=clock,
            ids=ids,
            transport=transport or Ways(),
            schedule=settings.schedule,
            time_to_live=settings.time_to_live,
            remembers=settings.remembers,
            oldest=settings.oldest,
            zone=settings.zone,
            patience=settings.patience,
            bounds=settings.bounds,
            is_polling=settings.directory_feed is not None,
            is_shadow=shadow,
        )
    except BaseException:
        store.close()
        raise
    clients = clients_of(settings, relay)
    access = Access(
        credentials=settings.credentials,
        certificates=settings.certificates,
        tokens=clients.tokens if clients is not None else None,
    )
    users = Users.of(settings.users) if settings.users else None
    return Deployment(settings=settings, relay=relay, access=access, clients=clients, users=users)


def opened(settings: Settings) -> Deployment:
    """Make the parts over a store as it is, filled in shadow or not. Raises as `build` does."""
    try:
        return build(settings)
    except ConfigurationError as error:
        if error.issues[0].code != "ST126":
            raise
        return build(settings, shadow=True)


def reloader_of(deployment: Deployment, readers: Readers | None = None) -> Reloader:
    """Return what takes over new versions of the deployment's maps while it runs, its readers' too."""
    from adapter.mapping.reload import Reloader

    settings = deployment.settings
    reloader = Reloader(
        maps=deployment.relay.maps,
        folders=map_folders(settings),
        needed=[*maps_named(settings)],
    )
    if readers is not None:
        reloader.swapped = readers.renew
    return reloader


def readers_of(settings: Settings, content: Content) -> Readers:
    """Start what reads originals in processes of their own; before this process has a second thread."""
    from adapter.relay.intake.reader import Reader
    from adapter.server.readers import Readers

    def renew() -> None:
        content.maps.become(content.maps.again(map_folders(settings)))

    return Readers.begin(Reader(content.maps, content.validator, content.events), renew, settings.reading)


def maps_named(settings: Settings) -> Iterator[str]:
    """Yield the maps that the sources name."""
    for one in settings.sources:
        if one.format != "fhir":
            yield from (name for name in (one.map, one.consents) if name and name != "auto")


def map_folders(settings: Settings) -> list[Path]:
    """Return where maps come from: the shipped ones, and above them the deployment's own."""
    from adapter import shipped

    return [shipped.folder("mappings"), settings.maps]


def clients_of(settings: Settings, relay: Relay) -> Clients | None:
    """Return the clients of SMART Backend Services and what serves them; None where none is registered."""
    if not settings.clients:
        return None
    from adapter.server.clients import Clients

    return Clients.of(
        settings.clients,
        master=settings.key,
        address=relay.address,
        clock=relay.clock,
        transport=relay.transport,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What the folders of a deployment hold, read and checked."""

    maps: MapSet
    validator: Validator
    events: EventTable
    rules: Rules
    directory: tuple[dict[str, Any], ...]
    agreements: Mapping[str, dict[str, Any]]
    consents: tuple[dict[str, Any], ...]
    warnings: tuple[Issue, ...]


def read_content(settings: Settings) -> Content:
    """Read every folder and table of a deployment.

    Raises ConfigurationError (CF100) with the faults of all of them.
    """
    from adapter.config.validator import door_validator
    from adapter.fhir import packages
    from adapter.mapping import MapSet
    from adapter.relay import directory

    faults: list[Issue] = []

    def tried(make: Callable[[], T]) -> T | None:
        try:
            return make()
        except AdapterError as error:
            faults.extend(error.issues)
            return None

    loaded = tried(lambda: [packages.load(path) for path in settings.packages]) or []
    maps = tried(lambda: MapSet.load(map_folders(settings), loaded, trusted=map_folders(settings)[:1]))
    if maps is not None:
        for name in maps_named(settings):
            tried(partial(maps.__getitem__, name))
    validator = tried(lambda: door_validator(loaded))
    events = tried(lambda: _events(settings.tables))
    rules = tried(lambda: _rules(settings.tables))
    parties = tuple(_resources(settings.directory, faults))
    found = directory.faults(parties)
    faults.extend(issue for issue in found if issue.is_error)
    agreements = _agreements(settings.agreements, faults)
    consents = tuple(_consents(settings.consents, faults))
    if maps is None or validator is None or events is None or rules is None or has_errors(faults):
        raise ConfigurationError("CF100", at=str(settings.file), issues=faults)
    said = (*found, *faults, *_purposes(agreements, parties, rules))
    return Content(
        maps=maps,
        validator=validator,
        events=events,
        rules=rules,
        directory=parties,
        agreements=agreements,
        consents=consents,
        warnings=tuple(issue for issue in said if not issue.is_error),
    )


def _purposes(
    agreements: Mapping[str, dict[str, Any]], parties: tuple[dict[str, Any], ...], rules: Rules
) -> Iterator[Issue]:
    """Yield the agreements whose purpose of use is not one of their recipient's role: all of it is denied."""
    from adapter.relay import directory, eligibility

    known = directory.read(parties)
    for name, values in agreements.items():
        agreed = eligibility.read_agreement(values, name)
        party = known.party(agreed.provider)
        if party is not None and not rules.receives_for(party.recipient_class, agreed.purpose):
            params = {"name": name, "purpose": agreed.purpose, "recipient": party.recipient_class.value}
            yield Issue("CF147", f"{name}: purpose", params)


def _events(tables: Path) -> EventTable:
    """Read the shipped table of triggers, and the deployment's own rows above it."""
    from adapter.relay.event import V2_TABLE, read_table
    from adapter.shipped import folder

    texts = [(folder("mappings") / V2_TABLE).read_text("utf-8")]
    own = tables / V2_TABLE
    if own.is_file():
        texts.append(own.read_text("utf-8"))
    return read_table(texts)


def _rules(tables: Path) -> Rules:
    """Read the deployment's own disclosure rules, else the shipped ones."""
    from adapter.relay import disclosure_rules

    own = tables / "disclosure-rules.csv"
    return disclosure_rules.read(own.read_text("utf-8")) if own.is_file() else disclosure_rules.shipped()


def _resources(folder: Path, faults: list[Issue]) -> Iterator[dict[str, Any]]:
    """Yield every resource of a folder's JSON files, those in Bundles too."""
    from adapter.fhir import json as fhir_json

    for path in sorted(folder.rglob("*.json")):
        try:
            resource = fhir_json.read(path.read_bytes())
        except AdapterError as error:
            faults.append(Issue("CF130", str(path), {"code": error.code}, line=error.issue.line))
            continue
        if not isinstance(resource, dict) or "resourceType" not in resource:
            faults.append(Issue("CF131", str(path)))
        elif resource["resourceType"] == "Bundle":
            yield from (entry["resource"] for entry in resource.get("entry", ()) if "resource" in entry)
        else:
            yield resource


def _agreements(folder: Path, faults: list[Issue]) -> dict[str, dict[str, Any]]:
    """Read the agreement files of a folder, by the stem of their names, as plain JSON values."""
    from adapter.relay.eligibility import read_agreement

    agreements = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            table = tomllib.loads(path.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            line, column = position(str(error))
            faults.append(Issue("CF102", str(path), line=line, column=column))
            continue
        plain = _plain(table)
        try:
            read_agreement(plain, path.name)
        except ConfigurationError as error:
            faults.extend(error.issues)
        agreements[path.stem] = plain
    return agreements


def _plain(value: Any) -> Any:  # noqa: ANN401  (any TOML value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(held) for key, held in value.items()}
    return [_plain(held) for held in value] if isinstance(value, list) else value


def _consents(folder: Path, faults: list[Issue]) -> Iterator[dict[str, Any]]:
    """Yield the Consents of a folder; one that names no patient is a fault."""
    for resource in _resources(folder, faults):
        if resource["resourceType"] != "Consent" or not resource.get("id"):
            faults.append(Issue("CF132", str(folder)))
        elif patient_of(resource) is None:
            faults.append(Issue("CF133", f"{folder}: Consent/{resource['id']}"))
        else:
            yield resource


def patient_of(consent: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return system and value of the identifier a Consent names its patient by, None without one."""
    identifier = (consent.get("patient") or {}).get("identifier") or {}
    system, value = identifier.get("system"), identifier.get("value")
    return (system, value) if isinstance(system, str) and isinstance(value, str) else None


def _import(content: Content, settings: Settings, store: Store, clock: Clock) -> None:
    """Bring what the folders hold into the store's versioned tables."""
    from adapter.relay.store.values import NewConsent

    now = clock.now()
    store.import_directory(content.directory, now)
    feed = settings.directory_feed
    store.keep_directory_feed(feed.address if feed is not None else None, now)
    store.import_agreements(content.agreements, now)
    store.import_consents(
        [
            NewConsent(id=resource["id"], subject=store.subject_key(*named), resource=resource)
            for resource in content.consents
            if (named := patient_of(resource)) is not None
        ],
        now,
    )
