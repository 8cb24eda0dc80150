"""Every plan of the fixtures becomes what its TOML says; and no leaf of it is lost."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from adapter.fhir.packages import load
from adapter.mapping.cases import cases, judge
from adapter.mapping.coverage import coverage
from adapter.mapping.readers import read as read_source
from adapter.validation.validator import Validator
from tests.content.plans import MAPS, PLAN_CASES, PLANS, PlanCase

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.mapping import MapSet, Outcome

FLOOR = 95
"""Share of rules, of a hundred, that the fixtures run of each map."""
BASE = "https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition"
FINNISH = {
    "Patient": f"{BASE}/fi-base-patient",
    "Organization": f"{BASE}/fi-base-organization",
    "Practitioner": f"{BASE}/fi-base-practitioner",
    "Observation": f"{BASE}/fi-base-observation",
    "Condition": f"{BASE}/fi-base-condition",
}
KEPT = [case for case in PLAN_CASES if not any(code.startswith("VA") for code in case.findings)]
"""Cases whose message is valid."""


@pytest.fixture(scope="module")
def outcome(maps: MapSet) -> Any:
    """The outcome of a case, mapped once."""

    @cache
    def of(name: str) -> Outcome:
        return next(case for case in PLAN_CASES if case.name == name).run(maps)

    return of


@pytest.mark.parametrize("case", list(cases(PLANS)), ids=lambda case: case.name)
def test_a_plan_gives_what_its_case_says(case: Any, maps: MapSet) -> None:
    """Findings of the map, leaves left open, facts, and the whole expected message."""
    assert judge(case, maps).failures == ()


@pytest.mark.parametrize("case", PLAN_CASES, ids=lambda case: case.name)
def test_a_plan_has_its_findings_and_no_other(case: PlanCase, outcome: Any, validator: Validator) -> None:
    """Mapping (all that it says) and validation (errors) find what the TOML names, and nothing else."""
    made = outcome(case.name)
    found = {issue.code for issue in made.issues}
    found |= {issue.code for issue in validator.validate(made.resources[0]) if issue.is_error}

    assert sorted(found) == case.findings


@pytest.mark.parametrize("case", PLAN_CASES, ids=lambda case: case.name)
def test_the_header_says_what_the_plan_means(case: PlanCase) -> None:
    """New, revised or taken back; always the event of a plan."""
    header = case.expected["entry"][0]["resource"]

    assert (header["reason"]["coding"][0]["code"], header["eventCoding"]["code"]) == (
        case.meaning,
        case.event,
    )


@pytest.mark.parametrize("case", PLAN_CASES, ids=lambda case: case.name)
def test_a_plan_finds_its_map_by_itself(case: PlanCase, maps: MapSet) -> None:
    """Exactly one of all shipped maps accepts the source."""
    tree = read_source(case.source.read_bytes(), case.media_type)

    assert maps.choose(tree).name == case.map


@pytest.mark.parametrize("name", MAPS)
def test_nearly_every_rule_of_a_plan_map_is_run(name: str, maps: MapSet, outcome: Any) -> None:
    """The fixtures run at least the floor of the rules of each map."""
    ran = {mark for case in PLAN_CASES if case.map == name for mark in outcome(case.name).rules}
    found = coverage([maps[name]], ran)

    assert found.percent >= FLOOR, [f"{mark.file}:{mark.line} {mark.rule}" for mark in found.missed]


@pytest.mark.corpus
@pytest.mark.parametrize("release", ["1.0.0", "2.0.0-rc2"])
def test_a_plan_keeps_the_finnish_base_rules(release: str, corpus: Path) -> None:
    """Each resource of a valid message that has a Finnish base profile holds to it, in both releases."""
    finnish = Validator.shipped([load(corpus / "finnish-profiles" / f"hl7.fhir.fi.base-{release}.tgz")])

    found = [
        (case.name, resource["resourceType"], issue.code, issue.at)
        for case in KEPT
        for resource in (entry["resource"] for entry in case.expected["entry"])
        if (profile := FINNISH.get(resource["resourceType"]))
        for issue in finnish.validate(resource, profile)
        if issue.is_error
    ]

    assert found == []


def test_two_revisions_of_one_version_are_seen() -> None:
    """Both revisions of the shared plan say that they replace its version 1, and are of one plan."""
    seen = {
        (plan["identifier"][0]["value"], plan["replaces"][0]["extension"][0]["valueString"])
        for name in ("shared-plan-revised-occupational-health", "shared-plan-revised-employment")
        for entry in next(case for case in PLAN_CASES if case.name == name).expected["entry"]
        if (plan := entry["resource"])["resourceType"] == "CarePlan" and "replaces" in plan
    }

    assert len(seen) == 1


def test_nothing_of_another_person_goes_along(outcome: Any) -> None:
    """Of a Bundle with two people the message holds one, and no text names the other."""
    text = str(outcome("fhir-two-people").resources[0])

    assert ("Ensimmäinen" in text, "Toinen" in text, "Patient/2" in text) == (True, False, False)
