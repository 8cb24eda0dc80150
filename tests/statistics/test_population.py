"""Who is counted: one person once, as the first assessment that still stands describes her or him."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from adapter.statistics.population import Person, population
from tests.statistics.clients import message

FULL: dict[str, Any] = {
    "region": "Uusimaa",
    "age": 48,
    "sex": "female",
    "status": "unemployed",
    "score": 4,
    "route": "self",
    "months": 30,
}


def test_an_assessment_says_who_comes():
    """What the message says of the person, and the region of its sender."""
    found = population([message("1", **FULL)])

    assert found.people == (
        Person(
            region="Uusimaa",
            age=48,
            sex="female",
            status="unemployed",
            score=4,
            months=Fraction(30),
            route="self",
        ),
    )


def test_what_is_not_said_is_missing():
    """An answer that is absent, or given with a reason why not, is None."""
    assert population([message("1")]).people == (Person(),)


def test_one_person_counts_once_by_the_first_assessment():
    """Later assessments change nothing, and fill no gap of the first."""
    later = message("1", score=9, route="self", day="2019-01-01")
    first = message("1", score=2)

    assert [(one.score, one.route) for one in population([later, first]).people] == [(2, None)]


def test_a_correction_takes_the_place_of_what_it_corrects():
    """Of two versions of one assessment the newer counts."""
    sent = ("2018-06-15T12:00:00+03:00", "2018-06-16T12:00:00+03:00")
    versions = [message("1", score=score, panel="A", sent=at) for score, at in zip((3, 5), sent, strict=True)]

    assert [one.score for one in population(reversed(versions)).people] == [5]


def test_what_was_withdrawn_does_not_count():
    """An assessment whose newest version is entered in error is none."""
    given = message("1", score=3, panel="A")
    withdrawn = message("1", panel="A", sent="2018-07-01T12:00:00+03:00", panel_status="entered-in-error")

    assert population([given, withdrawn]).people == ()


def test_messages_are_found_in_bundles_of_bundles():
    """An export of many people is one collection of messages."""
    inner = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": message("1")}]}
    outer = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": inner}]}

    assert len(population([outer, message("2")]).people) == 2


def test_resources_on_their_own_belong_together_by_person_and_day():
    """A bulk export has each resource on a line; those of one person and day are one assessment."""
    lines: list[dict[str, Any]] = []
    for number in ("1", "2"):
        content = [entry["resource"] for entry in message(number, **FULL)["entry"]]
        for at, one in enumerate(content):
            if one["resourceType"] == "Observation":
                one |= {"subject": {"reference": f"Patient/p{number}"}, "id": f"o{number}-{at}"}
                one["performer"] = [{"reference": f"Organization/o{number}"}]
            elif one["resourceType"] == "Patient":
                one["id"] = f"p{number}"
            elif one["resourceType"] == "Organization":
                one["id"] = f"o{number}"
        lines += [one for one in content if one["resourceType"] != "MessageHeader"]

    found = population(lines).people

    assert [(one.region, one.score, one.months, one.age) for one in found] == [
        ("Uusimaa", 4, Fraction(30), 48)
    ] * 2


@pytest.mark.parametrize(
    ("regions", "expected"),
    [({}, "Uusimaa"), ({"Toimintakykykeskus Uusimaa": "Etelä"}, "Etelä"), ({"other": "Etelä"}, "Uusimaa")],
    ids=["the sender's own", "the table's", "not in the table"],
)
def test_the_region_is_declared(regions: dict[str, str], expected: str):
    """A table says where an organisation belongs; without it the organisation's address does."""
    assert population([message("1", **FULL)], regions).people[0].region == expected


@pytest.mark.parametrize(
    ("quantity", "months"),
    [
        ({"value": 2, "code": "a"}, 24),
        ({"value": "1.5", "code": "a"}, 18),
        ({"value": 3, "code": "wk"}, None),
        ({"value": 3, "code": "mo", "comparator": ">"}, None),
    ],
    ids=["years", "part of a year", "weeks", "more than"],
)
def test_time_away_is_in_months_or_not_known(quantity: dict[str, Any], months: int | None):
    """Years become months exactly; another unit or a bound is no number of months."""
    given = message("1", **FULL)
    for entry in given["entry"]:
        if "valueQuantity" in entry["resource"]:
            entry["resource"]["valueQuantity"] = quantity

    assert population([given]).people[0].months == months


def test_the_identity_code_tells_the_birth_date_that_is_not_stated():
    """Age is known of a person whose identity code is there and birth date is not."""
    given = message("1")
    patient = given["entry"][2]["resource"]
    patient["identifier"] = [{"system": "urn:oid:1.2.246.21", "value": "120574-902Y"}]

    assert population([given]).people[0].age == 44


def test_an_assessment_without_an_identifier_is_a_person_of_its_own():
    """Two assessments of nobody known are two people, and that is said."""
    given = [message("1"), message("2", day="2019-01-01")]
    for one in given:
        del one["entry"][2]["resource"]["identifier"]

    found = population(given)

    assert (len(found.people), found.without_identifier, found.years) == (2, 2, (2018, 2019))


def test_a_message_about_something_else_is_passed_over():
    """A notification is no assessment."""
    given = message("1")
    given["entry"] = given["entry"][:3]

    assert population([given]).people == ()
