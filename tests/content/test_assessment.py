"""Every assessment becomes what its TOML and the folder `expected` say, and no leaf of it is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from adapter.mapping.cases import judge
from adapter.shipped import folder
from tests.content.assessments import ASSESSMENTS, EVERY, SOUND, Assessment
from tests.content.conftest import read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.mapping import MapSet
    from adapter.validation.validator import Validator

MODEL = read(folder("profiles") / "logical" / "assessment-event.json")
TABLE = read(folder("profiles") / "logical" / "kykyviisari-export.json")
QUESTIONNAIRES = sorted((folder("profiles") / "questionnaires").glob("*.json"))


def _names(model: dict[str, Any]) -> set[str]:
    elements = model["differential"]["element"]
    return {each["path"].removeprefix(f"{elements[0]['path']}.") for each in elements[1:]}


def _paths(value: Any, at: str = "") -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _paths(one, at)
    elif isinstance(value, dict):
        for key, one in value.items():
            path = f"{at}.{key}" if at else key
            yield path
            yield from _paths(one, path)


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.case.source.name)
def test_an_assessment_is_mapped_as_expected(one: Assessment, maps: MapSet) -> None:
    """Findings of the map, facts, open leaves and the whole expected result."""
    assert judge(one.case, maps).failures == ()


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.case.source.name)
def test_an_assessment_gives_its_findings_and_no_other(
    one: Assessment, maps: MapSet, validator: Validator
) -> None:
    """What mapping says and what validation holds against it are what the TOML names, down to the rule."""
    outcome = one.run(maps)
    wrong = [issue for issue in validator.validate(outcome.resources[0]) if issue.is_error]
    found = {issue.code for issue in [*outcome.issues, *wrong]}
    rules = {str(issue.params["key"]) for issue in wrong if "key" in issue.params}

    assert (sorted(found), sorted(rules)) == (sorted(one.findings), sorted(one.rules))


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.case.source.name)
def test_the_map_of_an_assessment_is_found(one: Assessment, maps: MapSet) -> None:
    """`--map auto` takes the map that the fixture names."""
    case = one.case

    chosen = maps.choose_for(case.source.read_bytes(), media_type=case.media_type, charset=case.charset)

    assert chosen.name == case.map


@pytest.mark.parametrize("one", SOUND, ids=lambda one: one.case.source.name)
def test_a_sound_assessment_has_an_expected_result(one: Assessment) -> None:
    """Nobody has to guess what a fixture becomes, but for those that only say who sends."""
    assert one.case.golden.is_file() or one.case.constants


@pytest.mark.parametrize(
    "path",
    [one.case.source for one in EVERY if one.case.map == "assessment-from-json"],
    ids=lambda path: path.stem,
)
def test_an_event_holds_to_its_model(path: Any) -> None:
    """No fixture uses a name that the model does not know."""
    assert sorted(set(_paths(json.loads(path.read_text("utf-8")))) - _names(MODEL)) == []


@pytest.mark.parametrize("path", sorted(ASSESSMENTS.glob("*.csv")), ids=lambda path: path.stem)
def test_a_table_holds_to_its_model(path: Any) -> None:
    """No fixture has a column that the model does not know."""
    header = path.read_bytes().decode("latin-1").removeprefix("ï»¿").splitlines()[0]

    assert sorted(set(header.replace(";", ",").split(",")) - _names(TABLE)) == []


@pytest.mark.parametrize(
    ("model", "map_name"), [(MODEL, "assessment-from-json"), (TABLE, "assessment-from-kykyviisari")]
)
def test_the_map_reads_every_name_of_the_model(model: dict[str, Any], map_name: str) -> None:
    """A name of the model that no rule reads would be lost in silence."""
    text = (folder("mappings") / f"{map_name}.map").read_text("utf-8")

    assert sorted(path for path in _names(model) if path.rpartition(".")[2] not in text) == []


@pytest.mark.parametrize("path", QUESTIONNAIRES, ids=lambda path: path.stem)
def test_a_questionnaire_names_its_items_in_three_languages(path: Any) -> None:
    """Items have labels of our own in English, Finnish and Swedish, and no wording of a question."""
    for item in read(path)["item"]:
        translated = [
            part["valueCode"] for each in item["_text"]["extension"] for part in each["extension"][:1]
        ]

        assert translated == ["fi", "sv"], item["linkId"]
        assert len(item["text"]) < 40, item["linkId"]
        assert "?" not in item["text"], item["linkId"]


def test_answers_of_a_table_have_the_questionnaire_s_items() -> None:
    """Each answer column goes to an item of the Questionnaire."""
    items = {
        item["linkId"] for item in read(folder("profiles") / "questionnaires" / "kykyviisari.json")["item"]
    }
    text = (folder("mappings") / "assessment-from-kykyviisari.map").read_text("utf-8")

    assert sorted(link for link in items - {"was"} if f"'{link}'" not in text) == []
