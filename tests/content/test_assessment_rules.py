"""Each invariant of the assessment profiles, broken by one change: it alone is found."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from adapter.fhir.canonical import BASE, code_system
from adapter.shipped import folder
from tests.content.assessments import ASSESSMENTS
from tests.content.conftest import read
from tests.content.test_invariants import GONE, changed, coded, findings

if TYPE_CHECKING:
    from adapter.validation.validator import Validator

INDEX, CHECK, TEAM, THIRTY = "back-surgery-before", "health-check", "team", "index-thirty"
ITEM = code_system("assessment-item")
ELSEWHERE = "urn:uuid:00000000-0000-4000-8000-00000000abcd"


def _twice(entry: str, **also: Any) -> dict[str, Any]:
    """Put a copy of an entry at the end, under another id."""
    count = len(_expected(INDEX)["entry"])
    return {
        f"entry.{count}": _at(INDEX, entry),
        f"entry.{count}.fullUrl": ELSEWHERE,
        f"entry.{count}.resource.id": ELSEWHERE.removeprefix("urn:uuid:"),
        **also,
    }


def _expected(name: str) -> dict[str, Any]:
    return read(ASSESSMENTS / "expected" / f"{name}.json")


def _at(name: str, path: str) -> Any:
    value: Any = _expected(name)
    for step in path.split("."):
        value = value[int(step) if isinstance(value, list) else step]
    return copy.deepcopy(value)


def _with_code(code: str) -> dict[str, Any]:
    return {"system": ITEM, "code": code}


BROKEN: list[tuple[str, str, dict[str, Any]]] = [
    (INDEX, "as-1", _twice("entry.2")),
    (INDEX, "as-2", {"entry.0.resource.focus.0.reference": _at(INDEX, "entry.4.fullUrl")}),
    (INDEX, "as-3", _twice("entry.0")),
    (INDEX, "as-4", {"entry.4.resource.valueInteger": 25}),
    (INDEX, "as-5", {"entry.4.resource.hasMember.1": GONE, **_twice("entry.5"),
                     "entry.4.resource.hasMember.6": {"reference": ELSEWHERE}}),
    (INDEX, "as-6", {"entry.12.resource.subject": {"reference": "https://another.example/fhir/Patient/1"}}),
    (INDEX, "as-7", {"entry.3.resource.hasMember.0.reference": "https://another.example/fhir/Observation/1"}),
    (INDEX, "pt-2", {"entry.2.resource.identifier.0.value": "120574 902Y"}),
    (INDEX, "ap-1", {"entry.3.resource.category.2": coded("assessment-kind", "team")}),
    (INDEX, "ap-2", {"entry.3.resource.category.0.coding.0.code": "exam"}),
    ("withdrawn", "ap-3", {"entry.3.resource.dataAbsentReason": GONE}),
    (CHECK, "ar-1", {"entry.9.resource.dataAbsentReason": GONE}),
    (INDEX, "ar-2", {"entry.4.resource.referenceRange": GONE}),
    (INDEX, "ar-4", {"entry.4.resource.interpretation.0.coding.0.code": "good"}),
    (TEAM, "was-1", {"entry.8.resource.valueInteger": 11, "entry.8.resource.referenceRange": GONE,
                     "entry.8.resource.interpretation": GONE}),
    (TEAM, "was-2", {"entry.8.resource.referenceRange.0.high.value": 6}),
    (INDEX, "wai-2", {"entry.4.resource.referenceRange.0.high.value": 28}),
    (THIRTY, "wai-3", {"entry.4.resource.referenceRange.0.high.value": 37}),
    (INDEX, "wii-0", {"entry.7.resource.code.coding.0.code": "service-need"}),
    (CHECK, "kv-1", {"entry.7.resource.code.coding.0.code": "was"}),
    (CHECK, "kv-2", {"entry.7.resource.valueQuantity.value": -1}),
    (CHECK, "uc-1", {"entry.5.resource.identifier": [{"use": "official", "value": "4711"}]}),
    (CHECK, "es-1", {"entry.11.resource.category.0.coding.0.code": "survey"}),
    (CHECK, "oc-1", {"entry.12.resource.code.coding.0.code": "74165-2"}),
    (CHECK, "oc-2", {"entry.12.resource.category.0.coding.0.code": "survey"}),
    (CHECK, "ta-1", {"entry.13.resource.code.coding.0.code": "unemployment-start"}),
    (CHECK, "ta-2", {"entry.13.resource.valueQuantity.code": "d"}),
    (CHECK, "ta-2", {"entry.13.resource.valueQuantity.value": -1}),
    (CHECK, "fu-1", {"entry.17.resource.code.coding.0.system": "http://loinc.org"}),
    (CHECK, "fu-2", {"entry.17.resource.code.coding.0.code": "d85x"}),
    (CHECK, "me-1", {"entry.23.resource.code": {"coding": [{"system": code_system("service-need")}]}}),
]  # fmt: skip
"""Expected result, rule, and what is put where."""
ALONGSIDE = {"pt-2": {"VA951"}, "fu-1": {"VA410"}}
"""Findings of every message that say the same, so that both come."""

ITEMS = [("1", 11), ("2", 1), ("2", 11), ("3", 0), ("3", 8), ("4", 7), ("4", 0), ("5", 6), ("6", 5), ("7", 5)]
"""Item of the Work Ability Index and points that it cannot have."""


@pytest.mark.parametrize(("name", "key", "changes"), BROKEN, ids=[f"{one[1]}-{one[0]}" for one in BROKEN])
def test_a_broken_rule_of_an_assessment_is_found_and_nothing_else(
    name: str, key: str, changes: dict[str, Any], validator: Validator
) -> None:
    """The one change breaks the one rule."""
    resource = _expected(name)

    found = findings(changed(resource, changes), validator) - findings(resource, validator)

    assert {one[0] for one in found} == {key} | ALONGSIDE.get(key, set())


@pytest.mark.parametrize(("item", "points"), ITEMS)
def test_points_that_an_item_cannot_have_are_found(item: str, points: int, validator: Validator) -> None:
    """Each item of the index keeps its own range; the sum is another rule, so the total is left out."""
    resource = changed(
        _expected(INDEX),
        {
            "entry.4.resource.valueInteger": GONE,
            "entry.4.resource.interpretation": GONE,
            "entry.4.resource.referenceRange": GONE,
            f"entry.{4 + int(item)}.resource.valueInteger": points,
            "entry.5.resource.interpretation": GONE,
            "entry.5.resource.referenceRange": GONE,
        },
    )

    rules = {issue.params.get("key", issue.code) for issue in validator.validate(resource) if issue.is_error}

    assert rules == {f"wii-{item}"}


@pytest.mark.parametrize("points", [6, 50])
def test_a_total_that_no_index_has_is_found(points: int, validator: Validator) -> None:
    """7 to 49; what the items add up to is asked only where all of them are there."""
    resource = changed(_expected("index-incomplete"), {"entry.4.resource.valueInteger": points})

    rules = {issue.params.get("key", issue.code) for issue in validator.validate(resource) if issue.is_error}

    assert rules == {"wai-1"}


def test_limits_around_another_value_are_found(validator: Validator) -> None:
    """A band whose limits do not hold the value is wrong, whatever set it is of."""
    resource = changed(_expected(TEAM), {"entry.8.resource.valueInteger": 8})

    rules = {issue.params.get("key", issue.code) for issue in validator.validate(resource) if issue.is_error}

    assert rules == {"ar-3"}


@pytest.mark.parametrize(
    ("part", "value", "rule"),
    [("wai-2-physical", 6, "wii-8"), ("wai-2-mental", 0, "wii-8"), ("wai-2-mental", 5, None)],
)
def test_an_answer_about_demands_keeps_its_range(
    part: str, value: int, rule: str | None, validator: Validator
) -> None:
    """The two answers behind item 2 are 1 to 5."""
    component = {"code": {"coding": [_with_code(part)]}, "valueInteger": value}
    resource = changed(_expected(INDEX), {"entry.6.resource.component": [component]})

    rules = {issue.params.get("key", issue.code) for issue in validator.validate(resource) if issue.is_error}

    assert rules == ({rule} if rule else set())


def test_the_wording_of_a_question_is_refused(validator: Validator) -> None:
    """Answers to Kykyviisari or the Work Ability Index carry no text of an item."""
    response = {
        "resourceType": "QuestionnaireResponse",
        "meta": {"profile": [f"{BASE}/StructureDefinition/assessment-answers"]},
        "questionnaire": f"{BASE}/Questionnaire/kykyviisari",
        "status": "completed",
        "subject": {"reference": "Patient/1"},
        "item": [{"linkId": "was", "text": "sanamuoto", "answer": [{"valueInteger": 4}]}],
    }

    rules = {issue.params.get("key", issue.code) for issue in validator.validate(response) if issue.is_error}

    assert rules == {"aa-1"}


def test_every_rule_of_an_assessment_is_broken_here() -> None:
    """No invariant stands in a profile of assessments that no test has ever broken."""
    names = (
        "assess",
        "work-ability",
        "kyky",
        "employ",
        "occup",
        "time-away",
        "function",
        "unemployed",
        "entry",
    )
    keys = {
        rule["key"]
        for path in (folder("profiles") / "structuredefinitions").glob("*.json")
        if path.name.startswith(names) and path.stem not in OTHERS
        for element in read(path)["differential"]["element"]
        for rule in element.get("constraint", ())
    }
    elsewhere = {f"wii-{item}" for item, _ in ITEMS} | {"wai-1", "ar-3", "wii-8", "aa-1"}

    assert keys - {key for _, key, _ in BROKEN} - elsewhere == set()


OTHERS = ("work-ability-visit", "work-ability-episode")
"""Profiles of like name that belong to the client plan."""
