"""Each rule of the plan's profiles, broken once: that rule is named, and no other."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from adapter.shipped import folder
from tests.content.conftest import read
from tests.content.plans import PLAN_CASES

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.validation.validator import Validator

    Break = Callable[[dict[str, Any]], object]

BASE = "https://silta.example/fhir"
EXT = f"{BASE}/StructureDefinition"
PROFILES = (
    "client-plan", "client-plan-header", "client-plan-message", "plan-goal", "plan-team",
    "plan-observation", "client-approval",
)  # fmt: skip


def _all(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


def _of(bundle: dict[str, Any], kind: str) -> dict[str, Any]:
    return _all(bundle, kind)[0]


def _extension(owner: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in owner["extension"] if one["url"] == f"{EXT}/{name}")


def _without(kind: str, keep: Callable[[dict[str, Any]], bool] = lambda _: False) -> Break:
    def drop(bundle: dict[str, Any]) -> None:
        bundle["entry"] = [
            e for e in bundle["entry"] if e["resource"]["resourceType"] != kind or keep(e["resource"])
        ]

    return drop


def _again(kind: str, **changes: Any) -> Break:
    """Put a second resource of a kind into the message, under an address of its own."""

    def add(bundle: dict[str, Any]) -> None:
        resource = copy.deepcopy(_of(bundle, kind)) | changes
        bundle["entry"].append(
            {"fullUrl": "urn:uuid:00000000-0000-4000-8000-00000000abcd", "resource": resource}
        )

    return add


def _second_coordinator(start: str) -> Break:
    def add(bundle: dict[str, Any]) -> None:
        team = _of(bundle, "CareTeam")
        team["participant"].append(copy.deepcopy(team["participant"][0]) | {"period": {"start": start}})

    return add


def _agents(*codes: str) -> Break:
    """Take the Provenances with these kinds of agent out of the message."""
    return _without("Provenance", lambda one: one["agent"][0]["type"]["coding"][0]["code"] not in codes)


def _silent(bundle: dict[str, Any]) -> None:
    del _all(bundle, "Observation")[0]["valueString"]


BROKEN: list[tuple[str, Break]] = [
    ("clp-1", lambda b: _of(b, "CarePlan")["period"].pop("start")),
    ("clp-2", lambda b: _extension(_of(b, "CarePlan"), "plan-review-date").update(valueDate="2026-01-01")),
    ("clp-3", lambda b: (
        _extension(_of(b, "CarePlan"), "views-differ").update(valueBoolean=True),
        _of(b, "CarePlan")["note"].pop(),
    )),
    ("clp-4", lambda b: _of(b, "CarePlan")["note"][0].update(authorReference={"type": "Practitioner"})),
    ("clp-5", lambda b: _of(b, "CarePlan")["meta"].pop("versionId")),
    ("clp-6", lambda b: _of(b, "CarePlan").update(replaces=[{
        "extension": [{"url": f"{EXT}/replaced-version", "valueString": "1"}],
        "identifier": {"system": "urn:x", "value": "1"},
    }])),
    ("clp-7", lambda b: _of(b, "CarePlan")["addresses"].append(
        copy.deepcopy(_of(b, "CarePlan")["addresses"][0])
    )),
    ("clp-8", lambda b: _of(b, "CarePlan").pop("careTeam")),
    ("cpl-3", lambda b: _of(b, "CarePlan")["activity"][0].update(reference={"display": "Työkokeilu"})),
    ("pg-1", lambda b: _of(b, "Goal")["target"][0].update(detailInteger=3)),
    ("pg-2", lambda b: _of(b, "Goal").pop("statusDate")),
    ("pg-3", lambda b: _of(b, "Goal")["target"][0].update(dueDate="2026-01-01")),
    ("pct-1", _second_coordinator("2026-03-05")),
    ("pct-2", lambda b: _of(b, "CareTeam")["participant"][0].pop("onBehalfOf")),
    ("po-1", _silent),
    ("ca-1", lambda b: _of(b, "Provenance")["agent"][0]["type"]["coding"][0].update(code="author")),
    ("cpm-1", _again("Patient")),
    ("cpm-2", _without("CarePlan")),
    ("cpm-3", _again("MessageHeader")),
    ("cpm-4", lambda b: _of(b, "CareTeam")["participant"].pop(0)),
    ("cpm-5", _again("CareTeam")),
    ("cpm-6", lambda b: _of(b, "Goal")["subject"].update(reference="https://x.example/fhir/Patient/2")),
    ("cpm-7", _agents("CST")),
    ("cpm-8", _agents("attester")),
]  # fmt: skip
ALSO = {"ca-1": {"cpm-8"}}
"""What cannot be broken without another rule: an approval that nobody gave is none."""


@pytest.fixture(scope="module")
def plan() -> Callable[[], dict[str, Any]]:
    """A copy of the expected message of the shared plan, to be broken."""
    expected = next(case for case in PLAN_CASES if case.name == "shared-plan").expected
    return lambda: copy.deepcopy(expected)


def _keys(bundle: dict[str, Any], validator: Validator) -> set[str]:
    return {
        str(issue.params["key"])
        for issue in validator.validate(bundle)
        if issue.code.startswith("VA70") and "key" in issue.params
    }


@pytest.mark.parametrize(("rule", "break_it"), BROKEN, ids=[rule for rule, _ in BROKEN])
def test_breaking_a_rule_names_it_and_no_other(
    rule: str, break_it: Break, plan: Callable[[], dict[str, Any]], validator: Validator
) -> None:
    """Beside what the unbroken message says already, the rule's own key is the only new one."""
    broken = plan()
    break_it(broken)

    new = _keys(broken, validator) - _keys(plan(), validator)

    assert new - ALSO.get(rule, set()) == {rule}


def test_every_rule_of_the_plan_s_profiles_is_broken() -> None:
    """No invariant stands in a profile that no test breaks."""
    keys = {
        constraint["key"]
        for name in PROFILES
        for element in read(folder("profiles") / "structuredefinitions" / f"{name}.json")["differential"][
            "element"
        ]
        for constraint in element.get("constraint", ())
    }

    assert sorted(keys - {rule for rule, _ in BROKEN}) == []


def test_the_unbroken_plan_is_valid(plan: Callable[[], dict[str, Any]], validator: Validator) -> None:
    """The message that the tests break has no error of its own."""
    assert [(i.code, i.at) for i in validator.validate(plan()) if i.is_error] == []


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        ("CarePlan", "identifier"), ("CarePlan", "category"), ("CarePlan", "period"), ("CarePlan", "author"),
        ("CarePlan", "created"), ("CarePlan", "goal"), ("CareTeam", "subject"), ("CareTeam", "participant"),
        ("MessageHeader", "sender"), ("MessageHeader", "reason"), ("MessageHeader", "focus"),
    ],
)  # fmt: skip
def test_what_a_plan_must_say_is_missed(
    kind: str, element: str, plan: Callable[[], dict[str, Any]], validator: Validator
) -> None:
    """An element that the profile asks for is missed at its place."""
    broken = plan()
    del _of(broken, kind)[element]

    assert any((issue.at or "").endswith(f"resource.{element}") for issue in validator.validate(broken))


def test_a_plan_needs_no_diagnosis(plan: Callable[[], dict[str, Any]], validator: Validator) -> None:
    """Without conditions, and without a reason that names one, the plan is as valid as before."""
    without = plan()
    _without("Condition")(without)
    for one in _all(without, "CarePlan"):
        one.pop("addresses", None)
        for activity in one["activity"]:
            activity.get("detail", {}).pop("reasonReference", None)

    assert [(i.code, i.at) for i in validator.validate(without) if i.is_error] == []


def test_one_coordinator_after_another_is_no_fault(
    plan: Callable[[], dict[str, Any]], validator: Validator
) -> None:
    """A coordinator whose time has ended may be followed by the next."""
    changed = plan()
    _of(changed, "CareTeam")["participant"][0]["period"]["end"] = "2026-03-04"
    _second_coordinator("2026-03-05")(changed)

    assert _keys(changed, validator) == _keys(plan(), validator)
