"""How much of the maps of assessments the fixtures run, and what of a fault in them they would not notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter.mapping.coverage import coverage
from adapter.mapping.mutants import mutate, percent
from tests.content.assessments import EVERY

if TYPE_CHECKING:
    from adapter.mapping import MapSet

COVERED, NOTICED = 95, 90
MAPS = (
    "assessment-from-cda",
    "assessment-from-fhir",
    "assessment-from-fhir-observation",
    "assessment-from-json",
    "assessment-from-kykyviisari",
    "assessment-from-questionnaire",
)


def test_the_fixtures_run_nearly_every_rule(maps: MapSet) -> None:
    """Each map of assessments, with all that it can reach."""
    for name in MAPS:
        outcomes = [
            maps[name].run(
                one.case.source.read_bytes(),
                media_type=one.case.media_type,
                charset=one.case.charset,
                zone=one.case.zone,
                constants=one.case.constants,
                lineage=True,
            )
            for one in EVERY
            if one.case.map == name
        ]
        ran = {mark for outcome in outcomes for mark in outcome.rules}

        assert coverage([maps[name]], ran).percent >= COVERED, name


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_fault_in_a_map_of_assessments_is_noticed(maps: MapSet) -> None:
    """Of rules left out, conditions turned and rows shifted, nine of ten make a fixture fail."""
    fates = [
        fate
        for fate in mutate(maps, [one.case for one in EVERY])
        if "assessment" in fate.mutant.file
        or "fhir-parts" in fate.mutant.file
        or fate.mutant.file.startswith("tables/")
    ]
    survivors = [
        f"{fate.mutant.file}:{fate.mutant.line} {fate.mutant.what}" for fate in fates if not fate.is_noticed
    ]

    assert percent(fates) >= NOTICED, survivors
