"""When a procedure counts as done, in each source format: its time against the message's own time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.content.conftest import NOTIFICATIONS, ZONE

if TYPE_CHECKING:
    from adapter.mapping import MapSet

V2 = (NOTIFICATIONS / "back-surgery.hl7").read_bytes()
JSON = json.loads((NOTIFICATIONS / "carpal-tunnel.json").read_text("utf-8"))
CDA = (NOTIFICATIONS / "hernia-cda.xml").read_text("utf-8")

MOOD = '<procedure classCode="PROC" moodCode="EVN">'
DONE = '<statusCode code="completed"/>\n              <effectiveTime value'

V2_TIMES = [
    ("202603021030", "completed"),
    ("20260302", "completed"),
    ("20260304", "completed"),
    ("202603041405", "completed"),
    ("20260304140500", "completed"),
    ("202603041406", "preparation"),
    ("20260305", "preparation"),
    ("20270101", "preparation"),
    ("", "unknown"),
    ('""', "unknown"),
]
"""PR1-5 in a message whose EVN-2 is 20260304140500."""

JSON_TIMES = [
    ("2026-03-05T13:40:00+02:00", "completed"),
    ("2026-03-05T15:20:00+02:00", "completed"),
    ("2026-03-05T13:20:00Z", "completed"),
    ("2026-03-05T13:30:00Z", "preparation"),
    ("2026-03-05", "completed"),
    ("2026-03-04", "completed"),
    ("2026-03-06", "preparation"),
    ("2026-03-05T15:20:01+02:00", "preparation"),
    (None, "unknown"),
]
"""performedAt in an event whose sentAt is 2026-03-05T15:20:00+02:00."""

CDA_TIMES = [
    ('value="20260306101500"', "completed"),
    ('value="20260306"', "completed"),
    ('value="20260306141600"', "preparation"),
    ('value="20260401"', "preparation"),
    ('nullFlavor="UNK"', "unknown"),
]
"""effectiveTime in a document of 20260306141500."""

CDA_STATES = [
    (MOOD, MOOD.replace("EVN", "RQO"), "preparation"),
    (MOOD, MOOD.replace("EVN", "INT"), "preparation"),
    (MOOD, MOOD.replace(">", ' negationInd="true">'), "not-done"),
    (DONE, DONE.replace("completed", "aborted"), "stopped"),
    (DONE, DONE.replace("completed", "active"), "in-progress"),
]
"""Mood and state of the procedure in the same document."""


def statuses(maps: MapSet, name: str, body: bytes, media_type: str) -> list[str]:
    """Return the status of each procedure in the message."""
    bundle = maps[name].run(body, media_type=media_type, zone=ZONE).resources[0]
    return [e["resource"]["status"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Procedure"]


def _v2_body(time: str) -> bytes:
    return V2.replace(b"||202603021030|", f"||{time}|".encode())


def _json_body(time: str | None) -> bytes:
    event = json.loads(json.dumps(JSON))
    event["procedure"][0]["performedAt"] = time
    if time is None:
        del event["procedure"][0]["performedAt"]
    return json.dumps(event).encode()


def _cda_body(time: str) -> bytes:
    return CDA.replace('<effectiveTime value="20260306101500"/>', f"<effectiveTime {time}/>").encode()


def bodies() -> list[tuple[str, str, list[tuple[bytes, str]]]]:
    """Every case of this page: map, media type, bodies with the status they give."""
    cda = [(_cda_body(time), status) for time, status in CDA_TIMES]
    cda += [(CDA.replace(old, new).encode(), status) for old, new, status in CDA_STATES]
    return [
        (
            "notification-from-v2",
            "application/hl7-v2",
            [(_v2_body(time), status) for time, status in V2_TIMES],
        ),
        ("notification-from-cda", "application/xml", cda),
        (
            "notification-from-json",
            "application/json",
            [(_json_body(time), status) for time, status in JSON_TIMES],
        ),
    ]


@pytest.mark.parametrize(("time", "status"), V2_TIMES)
def test_a_v2_procedure_is_done_by_its_time(time: str, status: str, maps: MapSet) -> None:
    """PR1-5 not after the message is done; without it nobody knows; later it is to come."""
    assert statuses(maps, "notification-from-v2", _v2_body(time), "application/hl7-v2") == [status]


@pytest.mark.parametrize(("time", "status"), JSON_TIMES)
def test_a_json_procedure_is_done_by_its_time(time: str | None, status: str, maps: MapSet) -> None:
    """A time is compared with its zone regarded, and a day with a day."""
    assert statuses(maps, "notification-from-json", _json_body(time), "application/json") == [status]


@pytest.mark.parametrize(("time", "status"), CDA_TIMES)
def test_a_cda_procedure_is_done_by_its_time(time: str, status: str, maps: MapSet) -> None:
    """A time not after the document is done; without it nobody knows; later it is to come."""
    assert statuses(maps, "notification-from-cda", _cda_body(time), "application/xml") == [status]


@pytest.mark.parametrize(("old", "new", "status"), CDA_STATES)
def test_a_cda_procedure_is_done_by_mood_and_status(old: str, new: str, status: str, maps: MapSet) -> None:
    """Only an event that is completed and not negated is done."""
    assert old in CDA

    assert statuses(maps, "notification-from-cda", CDA.replace(old, new).encode(), "application/xml") == [
        status
    ]
