"""Mutants of maps: what is left out, turned or shifted, and whether cases notice."""

# ruff: noqa: E501 (a map reads best as it stands)

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from adapter.cli import main
from adapter.mapping.cases import cases
from adapter.mapping.mapset import MapSet
from adapter.mapping.mutants import mutate, percent
from tests.mapping.conftest import JSON, to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapter.mapping.mutants import Fate

MAP = (
    "/// url = 'urn:p'\n/// name = 'p'\n//! accepts sex.exists()\n"
    + JSON
    + to("Patient")
    + "group G(source src : Json, target tgt : Patient) {\n"
    "  src.sex as s -> tgt.gender = translate(s, 'https://silta.example/fhir/ConceptMap/sex', 'code') \"sex\";\n"
    '  src.tel as t where (t.use = \'home\') -> tgt.telecom as x then { t.no as n -> x.value = n "no"; } "tel";\n}\n'
)
TABLE = "source-code,target-code\nf,female\nm,male\n"
SOURCE = '{"sex": "f", "tel": [{"use": "home", "no": "1"}, {"use": "work", "no": "2"}]}'
ALL = {("rule", 7), ("rule", 8), ("condition", 8), ("row", 2), ("row", 3)}
"""Every kind and line of the map's and the table's mutants."""


@pytest.fixture
def tried(folder: Callable[..., Path]) -> Callable[..., list[Fate]]:
    """Try all mutants of the map with one case that says this."""

    def run(said: str, text: str = MAP) -> list[Fate]:
        maps = MapSet.load(folder({"p.map": text, "sex.csv": TABLE}))
        return list(mutate(maps, list(cases(folder({"one.json": SOURCE, "one.toml": said}, "cases")))))

    return run


def _survivors(fates: list[Fate]) -> set[tuple[str, int]]:
    return {(fate.mutant.kind, fate.mutant.line) for fate in fates if not fate.is_noticed}


def test_every_fault_is_tried(tried: Callable[..., list[Fate]]) -> None:
    """Rules and the rules inside of them, conditions, rows."""
    fates = tried("")

    assert {(fate.mutant.kind, fate.mutant.line) for fate in fates} == ALL


SAID = {
    "nothing": ("", ALL),
    "the sex": ('[facts]\ngender = ["female"]', ALL - {("rule", 7), ("row", 2)}),
    "the number": ('[facts]\n"telecom.value" = ["1"]', ALL - {("rule", 8), ("condition", 8)}),
    "both": ('[facts]\ngender = ["female"]\n"telecom.value" = ["1"]', {("row", 3)}),
    "open leaves": ('unaccounted = ["/tel/1/no"]', {("row", 2), ("row", 3)}),
}


@pytest.mark.parametrize(("said", "survivors"), SAID.values(), ids=SAID)
def test_what_no_case_notices_survives(
    tried: Callable[..., list[Fate]], said: str, survivors: set[tuple[str, int]]
) -> None:
    """A case kills what changes what it says, and nothing else."""
    assert _survivors(tried(said)) == survivors


def test_a_row_no_case_asks_for_is_said_to_be_out_of_reach(tried: Callable[..., list[Fate]]) -> None:
    """Nobody sends `m`, so its row survives without a run."""
    fates = tried('[facts]\ngender = ["female"]')

    assert [fate.mutant.line for fate in fates if not fate.counts] == [3]
    assert percent(fates) == 40


def test_rows_inside_of_a_map_are_shifted_too(tried: Callable[..., list[Fate]]) -> None:
    """A `conceptmap` block is a table like any other."""
    block = 'conceptmap "#s" {\n  prefix a = "urn:a"\n  prefix b = "urn:b"\n  a:f == b:female\n  a:m == b:male\n}\n'
    text = MAP.replace("'https://silta.example/fhir/ConceptMap/sex'", "'#s'").replace(
        "uses", block + "uses", 1
    )

    fates = tried('[facts]\ngender = ["female"]', text)

    assert {
        (fate.mutant.line, fate.is_noticed, fate.counts) for fate in fates if fate.mutant.kind == "row"
    } == {
        (7, True, True),
        (8, False, False),
    }


def test_the_command_names_survivors_and_scores(
    folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The score can be a floor; survivors are said with their place."""
    maps = folder({"p.map": MAP, "sex.csv": TABLE})
    place = folder({"one.json": SOURCE, "one.toml": '[facts]\ngender = ["female"]'}, "cases")
    arguments = ["map", "test", str(place), "--maps", str(maps), "--mutate"]

    assert main([*arguments, "--mutate-floor", "50"]) == 1

    said = capsys.readouterr().out.splitlines()
    assert "survived  p.map:8  G/no: left out" in said
    assert said[-2] == (
        "uncovered sex.csv:3  https://silta.example/fhir/ConceptMap/sex: no case asks for its row"
    )
    assert said[-1] == "40 % of the mutants noticed: 1 of 3 rules, 0 of 1 conditions, 1 of 1 rows"


def test_the_command_tells_mutants_as_json(
    folder: Callable[..., Path], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Counts by kind, and each survivor."""
    maps = folder({"p.map": MAP, "sex.csv": TABLE})
    place = folder(
        {"one.json": SOURCE, "one.toml": '[facts]\ngender = ["female"]\n"telecom.value" = ["1"]'}, "cases"
    )

    assert main(["map", "test", str(place), "--maps", str(maps), "--mutate", "--json"]) == 0

    said = json.loads(capfdbinary.readouterr().out)["mutants"]
    assert said["kinds"]["rule"] == {"mutants": 3, "noticed": 3}
    assert said["survivors"] == []
    assert [(one["file"], one["line"]) for one in said["uncovered_rows"]] == [("sex.csv", 3)]
