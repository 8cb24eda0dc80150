"""Documents and messages of others: none of them breaks a map, and none is taken for more than it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import ContentError
from adapter.relay.event import shipped_table
from tests.content.conftest import ZONE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.mapping import MapSet, Outcome

pytestmark = pytest.mark.corpus

CDA_FOLDERS = ("finnish-kanta-cda", "ccda-documents", "cda-core", "ccda-examples", "cda-fhir-swiss")


def _outcome(maps: MapSet, name: str, body: bytes, media_type: str) -> Outcome | None:
    """Run a map; None if the bytes are refused as what they are."""
    try:
        return maps[name].run(body, media_type=media_type, zone=ZONE)
    except ContentError:
        return None


def _resources(bundle: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    return (
        entry["resource"] for entry in bundle.get("entry", ()) if entry["resource"]["resourceType"] == kind
    )


def _v2(corpus: Path) -> list[Path]:
    return sorted([*(corpus / "hl7v2-messages").glob("*.hl7"), *(corpus / "hl7v2-edge").glob("*")])


def test_every_v2_message_goes_through(corpus: Path, maps: MapSet) -> None:
    """A map answers each message of the corpus with a Bundle, or the reader refuses it; nothing breaks."""
    outcomes = [
        _outcome(maps, "notification-from-v2", path.read_bytes(), "application/hl7-v2")
        for path in _v2(corpus)
    ]

    assert sum(outcome is not None for outcome in outcomes) > 80


def test_every_v2_message_means_what_the_table_says(corpus: Path, maps: MapSet) -> None:
    """The header of each Bundle carries the meaning of the message's trigger."""
    table = shipped_table()
    for path in sorted((corpus / "hl7v2-messages").glob("*.hl7")):
        first = path.read_bytes().decode("latin-1").lstrip("ï»¿").split("\r")[0].split("\n")[0]
        trigger = "^".join(first.split("|")[8].split("^")[:2])
        outcome = _outcome(maps, "notification-from-v2", path.read_bytes(), "application/hl7-v2")
        assert outcome is not None, path.name

        header = outcome.resources[0]["entry"][0]["resource"]

        assert header["reason"]["coding"][0]["code"] == table.meaning_of_trigger(trigger).value, path.name


def test_no_v2_message_makes_a_done_procedure_of_anything_but_a_discharge(corpus: Path, maps: MapSet) -> None:
    """Completed procedures come from A03 alone."""
    for path in sorted((corpus / "hl7v2-messages").glob("*.hl7")):
        outcome = _outcome(maps, "notification-from-v2", path.read_bytes(), "application/hl7-v2")
        if outcome is None or "A03" in path.name:
            continue

        statuses = {procedure["status"] for procedure in _resources(outcome.resources[0], "Procedure")}

        assert "completed" not in statuses, path.name


@pytest.mark.parametrize("name", CDA_FOLDERS)
def test_every_cda_document_goes_through(name: str, corpus: Path, maps: MapSet) -> None:
    """A map answers each document of the corpus with a Bundle, or the reader refuses it; nothing breaks."""
    for path in sorted((corpus / name).rglob("*.xml")):
        outcome = _outcome(maps, "notification-from-cda", path.read_bytes(), "application/xml")
        if outcome is not None:
            assert outcome.resources[0]["type"] == "message", path.name


def test_a_prescription_is_not_ours(corpus: Path, maps: MapSet) -> None:
    """Documents of the prescription service are no notifications, however Finnish they are."""
    for path in sorted((corpus / "finnish-kanta-cda").glob("LM*.xml")):
        outcome = _outcome(maps, "notification-from-cda", path.read_bytes(), "application/xml")
        assert outcome is not None

        assert outcome.resources[0]["entry"][0]["resource"]["eventCoding"]["code"] == "not-relayed", path.name


NOTES = {
    "Procedure_Note": ["completed", "preparation", "preparation"],
    "Discharge_Summary": ["completed"],
    "Referral_Note": ["completed", "completed"],
}
"""C-CDA documents that tell of procedures, and what became of each."""


@pytest.mark.parametrize("name", NOTES)
def test_a_note_of_others_is_a_notification(name: str, corpus: Path, maps: MapSet) -> None:
    """Procedure, discharge and referral notes say what was done; what is not carried has its reason."""
    [path] = (corpus / "ccda-documents").glob(f"{name}*.xml")

    outcome = maps["notification-from-cda"].run(
        path.read_bytes(), media_type="application/xml", zone=ZONE, lineage=True
    )

    accounting = outcome.accounting
    assert accounting is not None
    statuses = [procedure["status"] for procedure in _resources(outcome.resources[0], "Procedure")]
    assert (statuses, accounting.unaccounted) == (NOTES[name], [])
    assert any(entry.reason for entry in accounting.entries)
