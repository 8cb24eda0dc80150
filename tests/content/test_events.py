"""The table of HL7 v2 events: one meaning for each trigger, and only `done` makes a procedure done."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from adapter.relay.event import shipped_table
from adapter.shipped import folder
from tests.content.conftest import NOTIFICATIONS, ZONE, read

if TYPE_CHECKING:
    from typing import Any

    from adapter.mapping import MapSet

ROWS = list(csv.DictReader((folder("mappings") / "v2-events.csv").read_text("utf-8").splitlines()))
MEANINGS = {
    concept["code"] for concept in read(folder("profiles") / "codesystems" / "event-meaning.json")["concept"]
}
DONE = (NOTIFICATIONS / "back-surgery.hl7").read_bytes()


def _bundle(maps: MapSet, trigger: str) -> dict[str, Any]:
    """Map the message of a done procedure as if it had come with another trigger."""
    body = DONE.replace(b"ADT^A03", b"ADT^" + trigger.encode())
    return maps["notification-from-v2"].run(body, media_type="application/hl7-v2", zone=ZONE).resources[0]


def _statuses(bundle: dict[str, Any]) -> set[str]:
    return {
        entry["resource"]["status"]
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "Procedure"
    }


def test_each_trigger_stands_once() -> None:
    """No trigger has two meanings."""
    assert len({row["trigger"] for row in ROWS}) == len(ROWS)


def test_the_table_knows_no_other_meanings_than_ours() -> None:
    """Every meaning is a code of event-meaning, and every one is used."""
    assert {row["meaning"] for row in ROWS} == MEANINGS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["trigger"])
def test_a_trigger_means_what_its_row_says(row: dict[str, str], maps: MapSet) -> None:
    """The map gives the meaning of the table, in MessageHeader.reason."""
    header = _bundle(maps, row["trigger"])["entry"][0]["resource"]

    assert header["reason"]["coding"][0]["code"] == row["meaning"]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row["meaning"] != "done"], ids=lambda row: row["trigger"]
)
def test_only_done_makes_a_completed_procedure(row: dict[str, str], maps: MapSet) -> None:
    """A procedure that was done does not come out completed of any other event."""
    assert "completed" not in _statuses(_bundle(maps, row["trigger"]))


def test_a_discharge_makes_a_completed_procedure(maps: MapSet) -> None:
    """The same message as a discharge is the one that does."""
    assert _statuses(_bundle(maps, "A03")) == {"completed"}


def test_map_and_relay_read_the_same_table(maps: MapSet) -> None:
    """The relay's own reading of the table agrees row by row."""
    table = shipped_table()

    assert {row["trigger"]: row["meaning"] for row in ROWS} == {
        row["trigger"]: table.meaning_of_trigger(f"ADT^{row['trigger']}").value for row in ROWS
    }


@pytest.mark.parametrize("trigger", ["Z99", "A99"])
def test_an_unknown_trigger_is_a_finding(trigger: str, maps: MapSet) -> None:
    """A trigger that stands in no row is said to be unknown, never guessed."""
    body = DONE.replace(b"ADT^A03", b"ADT^" + trigger.encode())

    issues = maps["notification-from-v2"].run(body, media_type="application/hl7-v2", zone=ZONE).issues

    assert "CM301" in {issue.code for issue in issues}


@pytest.mark.parametrize("trigger", ["A12", "A26"])
def test_taking_a_movement_back_does_not_take_the_visit_back(trigger: str, maps: MapSet) -> None:
    """A12 and A26 cancel a transfer: their notification is another than the visit's."""
    bundle = _bundle(maps, trigger)
    communication = next(
        e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Communication"
    )

    assert communication["identifier"][0]["value"] != "V2603-118"
