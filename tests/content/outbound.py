"""Copies as they leave: text, CDA and HL7 v2 of some notifications in the languages of their recipients.

    python -m tests.content.outbound      # writes the golden files anew; read what differs

Golden files stand in `fixtures/outbound/`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from adapter.relay import disclosure, narrative
from adapter.relay.message import Level, Meaning, Mode
from adapter.shipped import folder
from tests.content.cases import CASES
from tests.content.conftest import read

if TYPE_CHECKING:
    from adapter.mapping import MapSet
    from adapter.outcome import Language

FOLDER = folder("fixtures") / "outbound"
PARTIES = {
    "kaskela": ("urn:uuid:31305fa5-3e3f-54d1-ac68-1bb016d20087", "Työterveys Kaskela"),
    "asund": ("urn:uuid:2c711605-3ab5-561e-9785-e23ebb5fc16f", "Företagshälsan Åsund"),
}
HOSPITAL = ("urn:uuid:2dee15f3-a33c-5c90-8b63-536933ec04db", "Tuulilahden keskussairaala")
MEDIA_TYPES = {"cda": "application/xml", "v2": "application/hl7-v2"}
SUFFIXES = {"cda": ".xml", "v2": ".hl7"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One notification as one recipient gets it."""

    fixture: str
    level: Level
    language: Language
    recipient: str
    basis: str | None = "luovutuslupa"

    @property
    def name(self) -> str:
        """Name of its golden files."""
        return f"{self.fixture}.{self.language}"


COPIES = [
    Copy(fixture="back-surgery", level=Level.CLINICAL, language="fi", recipient="kaskela"),
    Copy(fixture="back-surgery", level=Level.CLINICAL, language="sv", recipient="kaskela"),
    Copy(fixture="back-surgery", level=Level.CLINICAL, language="en", recipient="kaskela"),
    Copy(fixture="back-surgery-cancelled", level=Level.CLINICAL, language="fi", recipient="kaskela",
         basis=None),
    Copy(fixture="back-surgery-cancelled", level=Level.CLINICAL, language="sv", recipient="kaskela",
         basis=None),
    Copy(fixture="knee-arthroscopy-utf8", level=Level.MINIMAL, language="fi", recipient="asund"),
    Copy(fixture="knee-arthroscopy-utf8", level=Level.MINIMAL, language="sv", recipient="asund",
         basis="explicit-consent"),
    Copy(fixture="hernia-cda-corrected", level=Level.CLINICAL, language="fi", recipient="kaskela"),
    Copy(fixture="hernia-cda-corrected", level=Level.CLINICAL, language="sv", recipient="kaskela"),
    Copy(fixture="protected-address", level=Level.CLINICAL, language="fi", recipient="kaskela"),
    Copy(fixture="protected-address", level=Level.CLINICAL, language="sv", recipient="kaskela"),
    Copy(fixture="carpal-tunnel", level=Level.CLINICAL, language="fi", recipient="kaskela",
         basis="referral-consent"),
    Copy(fixture="carpal-tunnel", level=Level.CLINICAL, language="sv", recipient="kaskela",
         basis="referral-consent"),
    Copy(fixture="hernia-cda-planned", level=Level.CLINICAL, language="fi", recipient="kaskela"),
    Copy(fixture="hernia-cda-planned", level=Level.MINIMAL, language="sv", recipient="kaskela"),
]  # fmt: skip
DOCUMENTS = [("cda", COPIES[0]), ("cda", COPIES[6]), ("v2", COPIES[0]), ("v2", COPIES[6]), ("v2", COPIES[3])]
"""Copies with a golden document, and its form."""


def notification(fixture: str, maps: MapSet) -> dict[str, Any]:
    """Return the message of a fixture as it came in."""
    case = next(each for each in CASES if each.name == fixture)
    return case.run(maps).resources[0] if case.map else read(case.source)


def copied(copy: Copy, maps: MapSet) -> dict[str, Any]:
    """Build the copy, with fixed ids and times."""
    bundle = notification(copy.fixture, maps)
    header = bundle["entry"][0]["resource"]
    key, name = PARTIES[copy.recipient]
    return disclosure.copy_for(
        bundle,
        copy.level,
        disclosure.Envelope(
            bundle_id="11111111-1111-4111-8111-111111111111",
            header_id="22222222-2222-4222-8222-222222222222",
            notification_id="33333333-3333-4333-8333-333333333333",
            message_id="44444444-4444-4444-8444-444444444444",
            event=header["eventCoding"]["code"],
            meaning=Meaning(header["reason"]["coding"][0]["code"]),
            sender=disclosure.House(key=HOSPITAL[0], name=HOSPITAL[1], phone="014 000 0000"),
            recipient=disclosure.House(key=key, name=name),
            endpoint=f"https://{copy.recipient}.invalid/fhir",
            address="https://silta.invalid/fhir",
            name="Silta",
            basis=copy.basis,
            purpose="TREAT",
            mode=Mode.TEST,
            language=copy.language,
            at=datetime(2026, 4, 1, 6, 0, tzinfo=UTC),
        ),
    )


def text(bundle: dict[str, Any]) -> str:
    """Return the narrative of a copy as lines of text."""
    communication = bundle["entry"][1]["resource"]
    return narrative.as_text(communication["text"]["div"])


def document(bundle: dict[str, Any], form: str, maps: MapSet) -> bytes:
    """Write a message in another form."""
    outcome = maps[f"notification-to-{form}"].run(
        json.dumps(bundle, default=str).encode(), media_type="application/fhir+json"
    )
    assert [issue.code for issue in outcome.issues] == []
    [written] = outcome.documents
    return written or b""


def write() -> None:
    """Write all golden files anew."""
    from adapter.mapping import MapSet

    maps = MapSet.load([folder("mappings")])
    FOLDER.mkdir(exist_ok=True)
    for copy in COPIES:
        (FOLDER / f"{copy.name}.txt").write_text(text(copied(copy, maps)), "utf-8")
    for form, copy in DOCUMENTS:
        (FOLDER / f"{copy.name}{SUFFIXES[form]}").write_bytes(document(copied(copy, maps), form, maps))


if __name__ == "__main__":
    write()
