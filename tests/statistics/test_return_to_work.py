"""Days from a procedure to the return to work, from notifications and the feedback to them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from adapter.fhir import json
from adapter.fhir.canonical import code_system, profile
from adapter.shipped import folder
from adapter.statistics.measure_report import measure_report
from adapter.statistics.return_to_work import Episode, episodes, return_to_work
from adapter.validation import Validator

EVENT = code_system("message-event")
SYSTEM = "https://silta.example/fhir/sid/notification"
DAY = "2026-03-02"


def bundle(event: str, sent: str, communication: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    header = {"resourceType": "MessageHeader", "eventCoding": {"system": EVENT, "code": event}}
    content = [header, {"resourceType": "Communication", "sent": sent, **communication}, *others]
    return {
        "resourceType": "Bundle",
        "type": "message",
        "timestamp": sent,
        "entry": [{"resource": one} for one in content],
    }


def notification(
    number: str,
    code: str = "NGD11",
    day: str = DAY,
    *,
    sent: str = "2026-03-03T08:00:00+02:00",
    status: str = "completed",
) -> dict[str, Any]:
    """Return the notification of an invented procedure."""
    procedure = {
        "resourceType": "Procedure",
        "status": status,
        "code": {"coding": [{"system": "urn:oid:1.2.246.537.6.2", "code": code}]},
        "performedDateTime": day,
    }
    communication = {"identifier": [{"system": SYSTEM, "value": number}], "status": "completed"}
    return bundle("procedure-notification", sent, communication, procedure)


def feedback(number: str, day: str | None, sent: str = "2026-04-10T08:00:00+03:00") -> dict[str, Any]:
    """Return an answer to the notification; without a day it says nothing of the return."""
    said: dict[str, Any] = {"inResponseTo": [{"identifier": {"system": SYSTEM, "value": number}}]}
    if day is not None:
        said["extension"] = [{"url": profile("return-date"), "valueDate": day}]
    return bundle("feedback", sent, said)


def cancellation(number: str) -> dict[str, Any]:
    communication = {"identifier": [{"system": SYSTEM, "value": number}], "status": "entered-in-error"}
    return bundle("cancel", "2026-03-04T08:00:00+02:00", communication)


def outcomes(
    *messages: dict[str, Any], groups: dict[str, str] | None = None
) -> list[tuple[str | None, int | None]]:
    return [(one.group, one.days) for one in episodes(messages, groups)]


def test_days_are_counted_from_the_procedure_to_the_return():
    """The feedback answers the notification by its identifier."""
    assert outcomes(feedback("1", "2026-03-16"), notification("1")) == [("NG", 14)]


@pytest.mark.parametrize(
    "messages",
    [
        (),
        (feedback("1", None),),
        (feedback("2", "2026-03-16"),),
        (feedback("1", "2026-03-01"),),
    ],
    ids=["no answer", "an answer without a day", "an answer to another", "before the procedure"],
)
def test_an_unknown_return_is_counted_as_missing(messages: tuple[dict[str, Any], ...]):
    """The procedure stays in the table whatever is known of its return."""
    assert outcomes(notification("1"), *messages) == [("NG", None)]


def test_the_newest_feedback_counts():
    """A return that was put off is the later one, in whatever order the messages come."""
    late = feedback("1", "2026-05-04", "2026-04-20T08:00:00+03:00")

    assert outcomes(late, notification("1"), feedback("1", "2026-03-16")) == [("NG", 63)]


def test_moments_of_any_zone_are_put_in_order():
    """A feedback sent an hour later is newer, though its clock shows an earlier time."""
    first = feedback("1", "2026-03-16", "2026-04-10T08:00:00+03:00")
    second = feedback("1", "2026-03-20", "2026-04-10T06:00:00Z")

    assert outcomes(second, notification("1"), first) == [("NG", 18)]


def test_the_newest_version_of_a_notification_counts():
    """A corrected day takes the place of the first."""
    corrected = notification("1", day="2026-03-05", sent="2026-03-06T08:00:00+02:00")

    assert outcomes(corrected, notification("1"), feedback("1", "2026-03-16")) == [("NG", 11)]


@pytest.mark.parametrize(
    "messages",
    [
        (notification("1"), cancellation("1")),
        (notification("1", status="preparation"),),
        (notification("1", day="2026"),),
    ],
    ids=["cancelled", "planned", "without a day"],
)
def test_what_was_not_done_on_a_day_is_no_procedure(messages: tuple[dict[str, Any], ...]):
    """Cancelled, planned and undated procedures are not counted."""
    assert outcomes(*messages) == []


def test_a_table_says_which_group_a_code_is_of():
    """The longest prefix counts; a code that no prefix fits has no group."""
    codes = {"1": "NGD11", "2": "NGB40", "3": "ABC60"}
    groups = {"NG": "knee", "NGB": "knee replacement"}

    found = outcomes(*(notification(number, code) for number, code in codes.items()), groups=groups)

    assert [group for group, _ in found] == ["knee", "knee replacement", None]


def rows(group: str, days: list[int | None]) -> list[Episode]:
    day = date(2026, 3, 2)
    return [
        Episode(
            group=group, day=day, returned=None if one is None else date.fromordinal(day.toordinal() + one)
        )
        for one in days
    ]


def test_the_table_has_quartiles_and_the_missing_share():
    """Of twenty, four of whom are not known: a fifth is missing, the rest has quartiles."""
    table = return_to_work(rows("NG", [*range(10, 26), None, None, None, None, None, None, None, None]))

    found = {line.code: line.figures["NG"].value for line in table.lines}
    assert found == {
        "procedures": 24,
        "return-first-quartile": 14,
        "return-median": 18,
        "return-third-quartile": 22,
        "return-missing": 33,
        "return-contradictory": 0,
    }


def test_small_groups_are_put_together():
    """A group of three procedures does not stand alone."""
    table = return_to_work([*rows("NG", [10] * 20), *rows("NF", [20] * 9), *rows("AB", [1, 2, 3])])

    assert table.columns == ("NG", "+", "*")


def test_the_report_is_valid_and_follows_its_measure():
    """The MeasureReport keeps R4 and has the groups of the Measure."""
    measure = json.read((folder("profiles") / "measures" / "return-to-work.json").read_bytes())
    report = measure_report(return_to_work(rows("NG", [10] * 20)), "2026-11-22T10:00:00+02:00")

    assert not [one for one in Validator().validate(report) if one.is_error]
    assert [one["code"]["coding"] for one in report["group"]] == [
        one["code"]["coding"] for one in measure["group"]
    ]
