"""The TOIKE table says what was published in 2018 of 604 and 164 clients, from as many invented ones."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.fhir import json
from adapter.shipped import folder
from adapter.statistics.measure_report import measure_report
from adapter.statistics.population import Population, population
from adapter.statistics.table import State, Table
from adapter.statistics.toike import toike
from adapter.validation import Validator
from tests.statistics.clients import ETELA_POHJANMAA, PIRKANMAA, clients

NOW = "2026-11-22T10:00:00+02:00"

PUBLISHED = {
    "persons": (604, 164),
    "age-mean": (48, 48),
    "men": (35, 43),
    "women": (65, 57),
    "employed": (30, 23),
    "entrepreneur": (6, 3),
    "unemployed": (64, 74),
    "was-median": (4, 4),
    "was-lowest": (0, 0),
    "was-highest": (9, 9),
    "away-over-two-years": (50, 63),
    "employment-services": (33, 34),
    "self": (24, 4),
    "specialised-care": (18, 26),
    "primary-care": (13, 19),
}
"""By line: the two columns of the final report of the project that began the centres, 12/2018."""


@pytest.fixture(scope="module")
def table() -> Table:
    """The table of the two regions."""
    return toike(population([*clients(PIRKANMAA), *clients(ETELA_POHJANMAA)]))


@pytest.fixture(scope="module")
def report(table: Table) -> dict[str, Any]:
    """The same as MeasureReport."""
    return measure_report(table, NOW)


def figures(table: Table, code: str) -> dict[str, int | None]:
    return {
        name: one.value
        for name, one in next(line for line in table.lines if line.code == code).figures.items()
    }


@pytest.mark.parametrize("code", PUBLISHED)
def test_the_published_figures_come_out(table: Table, code: str):
    """Each line gives the two numbers of the published table."""
    found = figures(table, code)

    assert (found["Pirkanmaa"], found["Etelä-Pohjanmaa"]) == PUBLISHED[code]


def test_everybody_is_a_column_too(table: Table):
    """The last column is of all 768."""
    assert figures(table, "persons")["*"] == 768


def test_a_region_on_its_own_is_all_there_is():
    """With one region there is no other column to compare it with."""
    assert toike(population(list(clients(ETELA_POHJANMAA))[:40])).columns == ("Etelä-Pohjanmaa",)


def test_too_few_people_are_not_told():
    """Of four people not even the number is shown."""
    found = toike(population(list(clients(ETELA_POHJANMAA))[:4]))

    assert {one.state for line in found.lines for one in line.figures.values()} == {State.HIDDEN}


def test_nobody_makes_an_empty_table():
    """Without assessments there are no columns."""
    assert toike(Population(people=(), years=None)).columns == ()


def test_the_report_is_valid_and_follows_its_measure(report: dict[str, Any]):
    """The MeasureReport keeps R4, and has a group for each group of the Measure, in order."""
    measure = json.read((folder("profiles") / "measures" / "toike.json").read_bytes())

    assert not [one for one in Validator().validate(report) if one.is_error]
    assert [one["code"]["coding"] for one in report["group"]] == [
        one["code"]["coding"] for one in measure["group"]
    ]


def test_the_period_is_whole_years(report: dict[str, Any]):
    """No report tells a day."""
    assert report["period"] == {"start": "2018-01-01", "end": "2018-12-31"}


def test_a_hidden_figure_says_so():
    """It has no value, and the reason why not."""
    few = toike(population([*clients(PIRKANMAA)][:30]))
    line = next(line for line in few.lines if any(one.state is State.HIDDEN for one in line.figures.values()))
    group = next(
        one for one in measure_report(few, NOW)["group"] if one["code"]["coding"][0]["code"] == line.code
    )

    assert group["measureScore"] == {
        "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}
        ]
    }
