"""Every assessment becomes what its TOML and the folder `expected` say, and no leaf of it is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapter.mapping.cases import judge
from adapter.shipped import folder
from tests.content.assessments import EVERY, SOUND, Assessment
from tests.content.conftest import read

if TYPE_CHECKING:
    from adapter.mapping import MapSet
    from adapter.validation.validator import Validator

QUESTIONNAIRES = sorted((folder("profiles") / "questionnaires").glob("*.json"))


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
