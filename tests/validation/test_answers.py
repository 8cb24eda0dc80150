"""Answers are held against their Questionnaire."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from adapter.validation import Loose, Validator

URL = "https://silta.example/fhir/Questionnaire/work-ability"
EXTENSION = "http://hl7.org/fhir/StructureDefinition/"


def form(**question: Any) -> dict[str, Any]:
    """Return a Questionnaire of one question, `q`, and the group `g` with `inner`."""
    return {
        "resourceType": "Questionnaire",
        "url": URL,
        "status": "active",
        "item": [
            {"linkId": "q", **question},
            {"linkId": "g", "type": "group", "item": [{"linkId": "inner", "type": "string"}]},
        ],
    }


def response(*items: dict[str, Any], status: str = "completed") -> dict[str, Any]:
    """Return a QuestionnaireResponse to it."""
    given = {"item": list(items)} if items else {}
    return {"resourceType": "QuestionnaireResponse", "questionnaire": URL, "status": status, **given}


def q(*answers: dict[str, Any]) -> dict[str, Any]:
    """Return the item that answers the question."""
    return {"linkId": "q", **({"answer": list(answers)} if answers else {})}


def limited(name: str, **value: Any) -> dict[str, Any]:
    """Return a question property with one extension of R4."""
    return {"extension": [{"url": EXTENSION + name, **value}]}


OPTIONS = {
    "answerOption": [
        {"valueCoding": {"system": "urn:x:y", "code": "a"}},
        {
            "valueCoding": {"system": "urn:x:y", "code": "b"},
            **limited("questionnaire-optionExclusive", valueBoolean=True),
        },
    ]
}
A, B, C = ({"valueCoding": {"system": "urn:x:y", "code": code}} for code in "abc")
TEXT, NUMBER = {"valueString": "abc"}, {"valueInteger": 5}
INNER = {"linkId": "inner", "answer": [TEXT]}

CASES: list[tuple[str, dict[str, Any], dict[str, Any], str | None]] = [
    ("right", {"type": "string"}, response(q(TEXT)), None),
    ("unknown link", {"type": "string"}, response({"linkId": "z"}), "VA852"),
    ("misplaced", {"type": "string"}, response(INNER), "VA853"),
    ("order", {"type": "string"}, response({"linkId": "g", "item": [INNER]}, q(TEXT)), "VA854"),
    ("required", {"type": "string", "required": True}, response(), "VA855"),
    ("required, no answer", {"type": "string", "required": True}, response(q()), "VA855"),
    ("in progress", {"type": "string", "required": True}, response(status="in-progress"), None),
    ("twice", {"type": "string"}, response(q(TEXT), q(TEXT)), "VA857"),
    ("two answers", {"type": "string"}, response(q(TEXT, TEXT)), "VA857"),
    ("repeats", {"type": "string", "repeats": True}, response(q(TEXT, TEXT)), None),
    (
        "too many",
        {"type": "string", "repeats": True, **limited("questionnaire-maxOccurs", valueInteger=1)},
        response(q(TEXT, TEXT)),
        "VA859",
    ),
    (
        "too few",
        {"type": "string", "repeats": True, **limited("questionnaire-minOccurs", valueInteger=2)},
        response(q(TEXT)),
        "VA858",
    ),
    ("display answered", {"type": "display"}, response(q(TEXT)), "VA860"),
    ("items beside answers", {"type": "string"}, response({**q(TEXT), "item": [INNER]}), "VA861"),
    ("wrong type", {"type": "integer"}, response(q(TEXT)), "VA862"),
    ("option", {"type": "choice", **OPTIONS}, response(q(A)), None),
    ("no option", {"type": "choice", **OPTIONS}, response(q(C)), "VA863"),
    ("free text", {"type": "open-choice", **OPTIONS}, response(q(TEXT)), None),
    ("exclusive", {"type": "choice", "repeats": True, **OPTIONS}, response(q(A, B)), "VA864"),
    (
        "value set",
        {"type": "choice", "answerValueSet": "http://hl7.org/fhir/ValueSet/event-status"},
        response(q({"valueCoding": {"system": "http://hl7.org/fhir/event-status", "code": "completed"}})),
        None,
    ),
    (
        "outside the value set",
        {"type": "choice", "answerValueSet": "http://hl7.org/fhir/ValueSet/event-status"},
        response(q(A)),
        "VA863",
    ),
    ("unknown value set", {"type": "choice", "answerValueSet": "urn:x:set"}, response(q(A)), "VA865"),
    ("below", {"type": "integer", **limited("minValue", valueInteger=6)}, response(q(NUMBER)), "VA866"),
    ("above", {"type": "integer", **limited("maxValue", valueInteger=4)}, response(q(NUMBER)), "VA866"),
    ("within", {"type": "integer", **limited("maxValue", valueInteger=5)}, response(q(NUMBER)), None),
    (
        "decimals",
        {"type": "decimal", **limited("maxDecimalPlaces", valueInteger=0)},
        response(q({"valueDecimal": Decimal("1.5")})),
        "VA869",
    ),
    ("long", {"type": "string", "maxLength": 2}, response(q(TEXT)), "VA215"),
    ("short", {"type": "string", **limited("minLength", valueInteger=4)}, response(q(TEXT)), "VA216"),
    ("form", {"type": "string", **limited("regex", valueString="[0-9]+")}, response(q(TEXT)), "VA870"),
    (
        "E1 a form that would never come to an end",
        {"type": "string", **limited("regex", valueString="(([a-z])+.)+[A-Z]([a-z])+$")},
        response(q({"valueString": "a" * 10_000})),
        "VA870",
    ),
    (
        "E1 a form that cannot be read in time",
        {"type": "string", **limited("regex", valueString="(a)\\1")},
        response(q(TEXT)),
        None,
    ),
    (
        "unit",
        {
            "type": "quantity",
            **limited("questionnaire-unitOption", valueCoding={"system": "urn:u", "code": "kg"}),
        },
        response(q({"valueQuantity": {"value": 1, "system": "urn:u", "code": "g"}})),
        "VA867",
    ),
    (
        "target",
        {"type": "reference", **limited("questionnaire-referenceResource", valueCode="Patient")},
        response(q({"valueReference": {"reference": "Group/1"}})),
        "VA501",
    ),
]


def found(question: dict[str, Any], answered: dict[str, Any]) -> set[str]:
    """Return the codes of the findings about answers."""
    issues = Validator([Loose([form(**question)])]).validate(answered)
    return {issue.code for issue in issues if issue.code not in ("VA404", "VA701")}  # qrs-1 says VA861 too


@pytest.mark.parametrize(
    ("question", "answered", "code"), [one[1:] for one in CASES], ids=[one[0] for one in CASES]
)
def test_each_rule_of_a_question_is_held(
    question: dict[str, Any], answered: dict[str, Any], code: str | None
) -> None:
    """An answer that breaks one rule has its finding; one that breaks none has no finding."""
    assert found(question, answered) == ({code} if code else set())


ASKED_IF = [
    ("exists", {"answerBoolean": True}, q(TEXT), True),
    ("exists", {"answerBoolean": True}, None, False),
    ("=", {"answerString": "abc"}, q(TEXT), True),
    ("=", {"answerString": "other"}, q(TEXT), False),
    ("!=", {"answerString": "other"}, q(TEXT), True),
    (">", {"answerInteger": 4}, q(NUMBER), True),
    (">=", {"answerInteger": 6}, q(NUMBER), False),
]


@pytest.mark.parametrize(("operator", "wanted", "given", "is_asked"), ASKED_IF)
def test_a_question_that_is_not_asked_is_not_answered(
    operator: str, wanted: dict[str, Any], given: dict[str, Any] | None, is_asked: bool
) -> None:
    """An answer is refused (VA856) just where the condition of its question is not met."""
    kind = "integer" if "answerInteger" in wanted else "string"
    condition = {"question": "q", "operator": operator, **wanted}
    asked = form(type=kind)
    asked["item"].append({"linkId": "later", "type": "string", "enableWhen": [condition]})
    answered = response(*([given] if given else []), {"linkId": "later", "answer": [TEXT]})

    codes = {issue.code for issue in Validator([Loose([asked])]).validate(answered) if issue.is_error}

    assert codes == (set() if is_asked else {"VA856"})


def test_a_questionnaire_that_is_not_at_hand_is_said() -> None:
    """Without the Questionnaire the answers are not judged, and the report says so."""
    assert [issue.code for issue in Validator().validate(response(q(TEXT)))] == ["VA851"]
