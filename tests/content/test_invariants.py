"""Each invariant of the profiles that `fixtures/examples` shows, broken by one change: it alone is found."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapter.fhir.canonical import BASE, code_system, profile
from adapter.shipped import folder
from tests.content.conftest import read

if TYPE_CHECKING:
    from adapter.validation.validator import Validator

    Finding = tuple[str, str]

EXAMPLES = folder("fixtures") / "examples"
GONE = object()
"""In place of a value: the element is taken away."""


def coded(system: str, code: str) -> dict[str, Any]:
    """Return a concept of one code of ours."""
    return {"coding": [{"system": code_system(system), "code": code}]}


ANOTHER = "00000000-0000-4000-8000-00000000abcd"
OTHER_PERSON = {"reference": "https://another.example/fhir/Patient/1"}


def same(path: str) -> Path:
    """Return in place of a value: what stands at another path."""
    return Path(path)


def another(entry: str) -> dict[str, Any]:
    """Put an entry into the referral message once more, and let the referral point at it."""
    return {
        "entry.11": same(entry),
        "entry.11.fullUrl": f"urn:uuid:{ANOTHER}",
        "entry.11.resource.id": ANOTHER,
        "entry.6.resource.supportingInfo.2": {"reference": f"urn:uuid:{ANOTHER}"},
    }


BROKEN: list[tuple[str, str, str, dict[str, Any]]] = [
    ("explicit-consent", "explicit-consent", "ec-1", {"provision.period": {"end": "2026-02-01"}}),
    ("explicit-consent", "explicit-consent", "ec-2", {"performer.1": {"display": "Toinen"}}),
    ("referral-consent", "referral-consent", "rc-1", {"extension.0.valueCode": "written"}),
    ("disclosure-permit", "disclosure-permit", "dp-1", {"verification.0.verificationDate": "2023-12-31"}),
    ("disclosure-permit", "disclosure-permit", "dp-2", {"verification.1": {"verified": True}}),
    (
        "disclosure-consent-record",
        "disclosure-consent-record",
        "dc-1",
        {"policyRule.coding.0.system": "urn:x:y"},
    ),
    (
        "disclosure-consent-record",
        "disclosure-consent-record",
        "dc-2",
        {"policyRule.coding.0.code": "explicit-consent"},
    ),
    (
        "disclosure-denial",
        "disclosure-denial",
        "dd-1",
        {"provision.extension": [{"url": profile("content-level"), "valueCode": "minimal"}]},
    ),
    *(
        (f"custodian-{kind}", f"custodian-{kind}", "cu-1", {"agent.0.who.identifier.value": GONE})
        for kind in ("public", "private", "individual")
    ),
    *(
        (f"custodian-{kind}", f"custodian-{kind}", "cu-2", {"agent.1": same("agent.0")})
        for kind in ("public", "private", "individual")
    ),
    ("referral-message", "referral-message", "rm-1", another("entry.6")),
    ("referral-message", "referral-message", "rm-2", {"entry.5.resource.basedOn": GONE}),
    ("referral-message", "referral-message", "rm-3", {"entry.8.resource.subject": OTHER_PERSON}),
    ("referral-message", "referral-message", "rm-4", {"entry.0.resource.eventCoding.code": "correction"}),
    ("referral-message", "notification-message", "nm-1", another("entry.4")),
    ("referral-message", "notification-message", "nm-2", another("entry.5")),
    ("referral-message", "notification-message", "nm-3", another("entry.0")),
    ("referral-message", "procedure-notification", "pn-1", {"entry.5.resource.priority": "stat"}),
    ("referral-message", "procedure-notification", "pn-2", {"entry.5.resource.about": GONE}),
    ("referral-message", "notified-procedure", "pr-1", {"entry.7.resource.performedDateTime": GONE}),
    ("referral-message", "notified-procedure", "pr-2", {"entry.7.resource.code": {"id": "nothing"}}),
    (
        "referral-message",
        "notified-diagnosis",
        "dg-1",
        {"entry.8.resource.code.coding.0.code": "M51.1+G55.1"},
    ),
    ("notified-patient", "notified-patient", "pt-2", {"identifier.0.value": "nothing"}),
    ("oh-referral", "oh-referral", "rf-1", {"priority": "stat"}),
    (
        "oh-referral",
        "oh-referral",
        "rf-2",
        {"extension.0.valueCodeableConcept.coding.0.code": "referral-consent"},
    ),
    (
        "oh-referral",
        "oh-referral",
        "rf-3",
        {"performer.0": same("requester")},
    ),
    ("oh-referral", "oh-referral", "rf-4", {"orderDetail.1": same("code")}),
    ("referral-task-rejected", "referral-task", "rt-1", {"statusReason": {"text": "Ei sovi"}}),
    ("referral-task", "referral-task", "rt-2", {"extension": GONE}),
    ("referral-task", "referral-task", "rt-3", {"output": GONE}),
    (
        "referral-task-completed",
        "referral-task",
        "rt-4",
        {"businessStatus": coded("referral-stage", "contacted")},
    ),
    ("referral-task", "referral-task", "rt-5", {"focus.reference": "ServiceRequest/another"}),
    (
        "work-restriction",
        "work-restriction",
        "wr-1",
        {"valueCodeableConcept.coding.1": {"system": "urn:oid:1.2.246.537.6.1", "code": "M51.1"}},
    ),
    ("work-restriction", "work-restriction", "wr-2", {"effectivePeriod.end": "2026-05"}),
    ("work-restriction", "work-restriction", "wr-2", {"effectivePeriod.start": "2026-03-24T08:00:00+02:00"}),
    ("work-restriction-other", "work-restriction", "wr-3", {"valueCodeableConcept.text": GONE}),
    ("work-suitability", "work-suitability", "ws-1", {"hasMember": GONE}),
    ("work-suitability-fit", "work-suitability", "ws-2", {"hasMember": [{"reference": "Observation/x"}]}),
    ("work-suitability", "work-suitability", "ws-3", {"effectivePeriod.end": "2026-05"}),
    ("practice-agreement", "practice-agreement", "pa-1", {"component": GONE}),
    ("practice-agreement", "practice-agreement", "pa-2", {"extension": GONE}),
    ("practice-agreement", "practice-agreement", "pa-3", {"performer.1": GONE}),
    ("practice-agreement", "practice-agreement", "pa-4", {"component.0.valueDateTime": "2026-03-09"}),
    ("client-segment", "client-segment", "sg-1", {"performer.1": GONE}),
    ("sick-leave-period", "sick-leave-period", "sl-1", {"effectivePeriod.end": "2026-06"}),
    ("sick-leave-period", "sick-leave-period", "sl-2", {"effectivePeriod.end": "2026-01-11"}),
    (
        "sick-leave-period",
        "sick-leave-period",
        "sl-3",
        {"component.1.valueCodeableConcept": coded("sick-leave-practice", "review-at-date")},
    ),
    ("sick-leave-period", "sick-leave-period", "sl-4", {"component.2.valueDateTime": "2026-02"}),
    ("sick-leave-period", "sick-leave-period", "sl-5", {"component.3.valueDateTime": "2026-05-12"}),
    ("sick-leave-period", "sick-leave-period", "sl-5", {"component.6.valueDateTime": "2026-07-19"}),
    ("work-ability-visit", "work-ability-visit", "wv-5", {"basedOn": [{"reference": "ServiceRequest/x"}]}),
    ("work-ability-visit", "work-ability-visit", "wv-4", {"period.end": GONE}),
    ("work-ability-visit-network", "work-ability-visit", "wv-3", {"participant.1": GONE}),
    ("work-ability-visit-case-manager", "work-ability-visit", "wv-2", {"participant": GONE}),
    ("work-ability-visit-case-manager", "work-ability-visit", "wv-1", {"identifier.0.value": "41"}),
    ("work-ability-episode", "work-ability-episode", "we-1", {"careManager": GONE}),
    ("work-ability-episode-finished", "work-ability-episode", "we-2", {"period.end": GONE}),
]
"""Example, profile of the rule, rule, and what is put where."""

ALONGSIDE: dict[str, set[str]] = {"pt-2": {"VA951"}, "sl-2": {"per-1"}, "rm-4": {"VA208"}}
"""Rules and findings that say the same in another place, so that both come."""


def at(value: Any, steps: list[str]) -> Any:
    """Return what stands at the end of steps."""
    for step in steps:
        value = value[int(step) if isinstance(value, list) else step]
    return value


def changed(resource: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a copy in which each change is made."""
    result = copy.deepcopy(resource)
    for path, value in changes.items():
        *way, last = path.split(".")
        holder = at(result, way)
        if isinstance(value, Path):
            value = copy.deepcopy(at(result, str(value).split(".")))
        if value is GONE:
            del holder[int(last) if isinstance(holder, list) else last]
        elif isinstance(holder, list) and int(last) == len(holder):
            holder.append(value)
        else:
            holder[int(last) if isinstance(holder, list) else last] = value
    return result


def findings(resource: dict[str, Any], validator: Validator) -> set[Finding]:
    """Return rule (or code) and place of all that is more than information."""
    return {
        (str(issue.params.get("key", issue.code)), str(issue.at))
        for issue in validator.validate(resource)
        if issue.severity != "information"
    }


@pytest.mark.parametrize(
    ("example", "stands_in", "key", "changes"), BROKEN, ids=[f"{one[2]}-{one[0]}" for one in BROKEN]
)
def test_a_broken_invariant_is_found_and_nothing_else(
    example: str, stands_in: str, key: str, changes: dict[str, Any], validator: Validator
) -> None:
    """The one change breaks the one rule."""
    resource = read(EXAMPLES / f"{example}.json")

    found = findings(changed(resource, changes), validator) - findings(resource, validator)

    assert {one[0] for one in found} == {key} | ALONGSIDE.get(key, set()), stands_in


def _claimed(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_claimed, value))
    if not isinstance(value, dict):
        return set()
    own = set(value["meta"].get("profile", ())) if "resourceType" in value and "meta" in value else set()
    return own.union(*map(_claimed, value.values()))


def _rules() -> set[tuple[str, str]]:
    """Return profile and key of every invariant of the profiles that an example claims."""
    found: set[tuple[str, str]] = set()
    for path in EXAMPLES.glob("*.json"):
        for url in _claimed(read(path)):
            definition = read(folder("profiles") / "structuredefinitions" / f"{url.rpartition('/')[2]}.json")
            for element in definition["differential"]["element"]:
                found.update((definition["id"], each["key"]) for each in element.get("constraint", ()))
    return found


def test_no_invariant_is_left_out() -> None:
    """The table breaks every invariant of every profile that an example claims."""
    assert _rules() - {(one[1], one[2]) for one in BROKEN} == set()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_an_example_has_nothing_wrong(path: Path, validator: Validator) -> None:
    """Each example holds to its profile without an error or warning."""
    assert findings(read(path), validator) == set()


def test_every_example_claims_a_profile_of_ours() -> None:
    """An example shows a profile, and says which."""
    claims = [_claimed(read(path)) for path in EXAMPLES.glob("*.json")]

    assert all(each and all(url.startswith(BASE) for url in each) for each in claims)


WRONG = tomllib.loads((EXAMPLES / "wrong" / "expected.toml").read_text("utf-8"))


@pytest.mark.parametrize("name", sorted(WRONG))
def test_what_is_wrong_is_found_and_nothing_else(name: str, validator: Validator) -> None:
    """Each wrong example has the findings it names, at the places it names, and no other."""
    found = findings(read(EXAMPLES / "wrong" / f"{name}.json"), validator)

    assert found == {(each["rule"], each["at"]) for each in WRONG[name]["found"]}


def test_every_wrong_example_says_what_is_wrong() -> None:
    """No file of `wrong/` is without its expectation."""
    assert {path.stem for path in (EXAMPLES / "wrong").glob("*.json")} == set(WRONG)
