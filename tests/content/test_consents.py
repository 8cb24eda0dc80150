"""What messages say of consents, in each format: the Consents they become, and what the fixtures notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter.mapping.cases import Case, cases, judge
from adapter.mapping.coverage import coverage
from adapter.mapping.mutants import mutate, percent
from adapter.shipped import folder

if TYPE_CHECKING:
    from adapter.mapping import MapSet

CASES = list(cases(folder("fixtures") / "consent"))
MAPS = ("consents-from-v2", "consents-from-json")
NOTICED = 90
"""Share of mutants, of a hundred, that some case notices."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_consents_become_what_is_expected(case: Case, maps: MapSet) -> None:
    """The whole result, findings and facts are the expected ones, and no leaf is lost."""
    assert case.golden.is_file()
    assert judge(case, maps).failures == ()


@pytest.mark.parametrize("name", MAPS)
def test_the_fixtures_run_every_rule_of_the_maps_of_consents(name: str, maps: MapSet) -> None:
    """What no fixture reaches stands in other files: data types of other fields."""
    outcomes = [judge(case, maps).outcome for case in CASES if case.map == name]
    ran = {mark for outcome in outcomes if outcome is not None for mark in outcome.rules}

    report = coverage([maps[name]], ran)
    missed = [f"{each.file}:{each.line}" for each in report.missed if each.file.startswith("consents-")]
    assert missed == []


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_fault_in_a_map_of_consents_is_noticed(maps: MapSet) -> None:
    """Of rules left out and conditions turned, nine of ten make a fixture fail."""
    fates = [fate for fate in mutate(maps, CASES) if fate.mutant.file.startswith("consents-")]
    survivors = [
        f"{fate.mutant.file}:{fate.mutant.line} {fate.mutant.what}" for fate in fates if not fate.is_noticed
    ]

    assert percent(fates) >= NOTICED, survivors
