"""A deployment made of the shipped fixtures: real maps, validator and store, a clock moved by hand.

Everybody in here is invented.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from adapter.fhir import json as fhir_json
from adapter.relay import consent_filing, disclosure_rules, event
from adapter.relay.clock import CountedIds, SetClock
from adapter.relay.deployment import Organisation, Partner, Relay
from adapter.relay.message import Level, Mode, Submission
from adapter.relay.retry import RetrySchedule
from adapter.relay.source import Source
from adapter.shipped import folder
from tests.relay.world import FILE, is_empty_file, open_store
from tests.shipped import maps, validator

if TYPE_CHECKING:
    from adapter.relay.store import Store

MARCH = datetime(2026, 3, 20, 9, 0, tzinfo=UTC)
TUULILAHTI = "urn:uuid:2dee15f3-a33c-5c90-8b63-536933ec04db"
HAVUNIEMI = "urn:uuid:3c872824-7140-51cd-a529-cf3e556cf9ab"
KASKELA = "urn:uuid:31305fa5-3e3f-54d1-ac68-1bb016d20087"
ASUND = "urn:uuid:2c711605-3ab5-561e-9785-e23ebb5fc16f"
PIHLAJA = "urn:uuid:7852e67f-434e-5f6d-89e3-ba1556bba5de"
METSOLA = "urn:uuid:dfc02c6c-facb-55b7-a9e9-b74aa72b08d2"
ADDRESS = "https://silta.invalid/fhir"

FORMATS = {
    "application/hl7-v2": "hl7v2",
    "application/xml": "cda",
    "application/json": "json",
    "application/fhir+json": "fhir",
    "application/fhir+xml": "fhir",
}
HOSPITALS = {TUULILAHTI: "tuulilahti", HAVUNIEMI: "havuniemi"}


class NoWire:
    """A transport that nobody is to use."""

    async def send(self, request: Any) -> Any:
        raise AssertionError(request)


def demo_files(name: str) -> list[dict[str, Any]]:
    """The resources of a folder of the demo deployment."""
    return [
        json.loads(path.read_text("utf-8"))
        for path in sorted((folder("fixtures") / "demo" / name).glob("*.json"))
    ]


def demo_agreements() -> dict[str, dict[str, Any]]:
    """The agreements of the demo deployment, as the store keeps them."""
    found = {
        path.stem: tomllib.loads(path.read_text("utf-8"))
        for path in sorted((folder("fixtures") / "demo" / "agreements").glob("*.toml"))
    }
    return json.loads(json.dumps(found, default=str))  # type: ignore[no-any-return]


def partner(organisation: str, level: Level = Level.CLINICAL, **more: Any) -> Partner:
    """A partner in test mode at an address that leads nowhere."""
    return Partner(
        organisation=organisation,
        endpoint="https://partner.invalid/fhir",
        mode=Mode.TEST,
        level=level,
        **more,
    )


def _filled(place: Path, clock: SetClock) -> Store:
    """Open the store of `place` with the demo deployment's directory, agreements and consents imported."""
    store = open_store(place, clock)
    store.import_directory(demo_files("partners"), MARCH)
    store.import_agreements(demo_agreements(), MARCH)
    store.import_consents([consent_filing.new_consent(each, store) for each in demo_files("consents")], MARCH)
    return store


@cache
def _filled_file() -> bytes:
    """Return the store's file as it is once all is imported: every test that needs one gets a copy."""
    with TemporaryDirectory() as name:
        _filled(Path(name), SetClock(MARCH)).close()
        return (Path(name) / FILE).read_bytes()


def relay_in(place: Path, **more: Any) -> Relay:
    """Build the demo deployment with the store of `place`; `more` replaces parts of it."""
    clock = SetClock(MARCH)
    if is_empty_file(place):
        (place / FILE).write_bytes(_filled_file())
        store = open_store(place, clock)
    else:
        store = _filled(place, clock)
    sources = {
        f"{name}-{kind}": Source(name=f"{name}-{kind}", organisation=key, format=kind)  # type: ignore[arg-type]
        for key, name in HOSPITALS.items()
        for kind in ("hl7v2", "cda", "json")
    }
    parts: dict[str, Any] = {
        "mode": Mode.TEST,
        "address": ADDRESS,
        "store": store,
        "maps": maps(),
        "validator": validator(),
        "events": event.shipped_table(),
        "rules": disclosure_rules.shipped(),
        "organisations": {key: Organisation(key=key, name=name) for key, name in HOSPITALS.items()},
        "sources": sources,
        "partners": {key: partner(key) for key in (KASKELA, ASUND, PIHLAJA, TUULILAHTI, HAVUNIEMI)},
        "clock": clock,
        "ids": CountedIds(),
        "transport": NoWire(),
        "schedule": RetrySchedule(),
        "time_to_live": timedelta(days=5),
    }
    return Relay(**(parts | more))


@dataclass(frozen=True)
class Case:
    """One file of `fixtures/notification` with what is expected of it."""

    name: str
    expected: dict[str, Any]

    @property
    def body(self) -> bytes:
        """The submission."""
        return self.file.read_bytes()

    @property
    def file(self) -> Path:
        place = folder("fixtures") / "notification"
        [found] = [each for each in place.glob(f"{self.name}.*") if each.suffix != ".toml"]
        return found

    @property
    def submission(self) -> Submission:
        """The submission as the hospital it names sends it."""
        return submission_of(self.body, self.expected["media_type"])


def submission_of(body: bytes, media_type: str, sender: str | None = None) -> Submission:
    """A submission by the hospital whose key stands in the body."""
    text = body.decode("latin-1").lower()
    key = sender or (HAVUNIEMI if HAVUNIEMI.rpartition(":")[2] in text else TUULILAHTI)
    kind = FORMATS[media_type]
    source = "fhir" if kind == "fhir" else f"{HOSPITALS[key]}-{kind}"
    return Submission(
        sender=key, source=source, body=body, media_type=media_type, charset=None, received_at=MARCH
    )


def case(name: str) -> Case:
    """Read one case."""
    text = (folder("fixtures") / "notification" / f"{name}.toml").read_text("utf-8")
    return Case(name=name, expected=tomllib.loads(text))


def cases() -> list[Case]:
    """Every case of the folder."""
    return [case(path.stem) for path in sorted((folder("fixtures") / "notification").glob("*.toml"))]


def told(body: bytes) -> dict[str, Any]:
    """The OperationOutcome of an answer, bare or within a response message."""
    resource = fhir_json.read(body)
    assert isinstance(resource, dict)
    if resource["resourceType"] == "OperationOutcome":
        return resource
    return next(
        each["resource"]
        for each in resource["entry"]
        if each["resource"]["resourceType"] == "OperationOutcome"
    )


def codes(body: bytes) -> list[str]:
    """The finding codes an answer carries, in order."""
    return [
        coding["code"]
        for issue in told(body)["issue"]
        for coding in issue["details"].get("coding", ())
        if coding["system"].endswith("/finding")
    ]
