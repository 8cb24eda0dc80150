"""Every rule that our profiles state, at whatever depth, is broken in a real message and caught.

The rules are read from the differentials themselves, and the invariants judged by the FHIRPath engine, so
that nothing here rests on how the validator reads a profile. Bases are the messages of `fixtures/` and what
they hold, and the smallest instance of each profile.
"""

from __future__ import annotations

import json
import re
from copy import copy, deepcopy
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import AdapterError
from adapter.fhir.canonical import BASE
from adapter.fhir.packages import load
from adapter.fhir.types import r4
from adapter.fhirpath import compile_expression
from adapter.shipped import folder
from tests import shipped
from tests.validation.instances import PLAIN, Maker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIXTURES = Path(__file__).parents[2] / "fixtures"
MESSAGES = (*sorted(FIXTURES.glob("*/expected")), FIXTURES / "messages", FIXTURES / "examples")
LITERAL = re.compile(r"'([^']+)'")
OTHER = {"coding": [{"system": "urn:x:y", "code": "other"}], "text": "other"}

OF_OURS = BASE + "/StructureDefinition/"
SELDOM: dict[str, dict[str, Any]] = {
    "care-episode-notification": {"priority": "routine"},
    "procedure-notification": {"priority": "routine"},
    "notification-header": {
        "destination": [{"endpoint": "urn:x:y", "receiver": {"reference": "Organization/x"}}]
    },
    "assessment-header": {
        "destination": [{"endpoint": "urn:x:y", "receiver": {"reference": "Organization/x"}}]
    },
    "oh-referral": {
        "encounter": {"reference": "Encounter/x"},
        "replaces": [{"reference": "ServiceRequest/x"}],
    },
    "practice-agreement": {"derivedFrom": [{"reference": "Observation/x"}]},
    "sick-leave-period": {
        "extension": [{"url": OF_OURS + "continues-by", "valueReference": {"reference": "Organization/x"}}]
    },
    "disclosure-consent-record": {
        "policyRule": {
            "coding": [{"system": BASE + "/CodeSystem/disclosure-basis", "code": "explicit-consent"}]
        },
        "provision": {
            "type": "permit",
            "actor": [{"role": {"text": "x"}, "reference": {"reference": "Organization/x"}}],
            "extension": [{"url": OF_OURS + "content-level", "valueCode": "minimal"}],
        },
    },
}
"""What no message holds, though a profile has a rule on it: added to a base."""

BEYOND_ONE_CHANGE = frozenset(
    {
        "assessment-message-as-4",
        "assessment-message-as-5",
        "assessment-result-ar-2",
        "assessment-result-ar-3",
        "assessment-result-ar-4",
        "unemployed-health-check-uc-1",
        "work-ability-index-item-wii-1",
        "work-ability-index-item-wii-2",
        "work-ability-index-item-wii-8",
        "work-ability-score-was-1",
        "client-plan-clp-2",
        "client-plan-clp-3",
        "client-plan-clp-4",
        "client-plan-clp-6",
        "client-plan-clp-7",
        "client-plan-message-cpm-6",
        "plan-goal-pg-1",
        "plan-goal-pg-3",
        "feedback-fb-4",
        "disclosure-denial-dd-1",
        "oh-referral-rf-3",
        "referral-task-rt-5",
        "sick-leave-period-sl-4",
        "sick-leave-period-sl-5",
    }
)
"""Invariants that no single change of `altered` breaks: test_invariants.py, test_messages.py,
test_assessment_rules.py and test_plan_profiles.py in tests/content break them."""

UNASKED = frozenset({"reference", "fullUrl", "div", "display", "id", "family", "name", "title"})
"""Keys no invariant of ours looks at, left out of the changes to keep the test short."""

Steps = tuple[str | int, ...]

DEFINITIONS = {
    one["url"]: one
    for one in load(folder("profiles")).resources("StructureDefinition")
    if one["kind"] == "resource" and one["type"] != "Extension"
}
INVARIANTS = [
    (url, constraint)
    for url, one in sorted(DEFINITIONS.items())
    for element in one["differential"]["element"]
    for constraint in element.get("constraint", ())
    if "." not in element["path"] and constraint["severity"] == "error"
]


def within(value: Any) -> Iterator[dict[str, Any]]:
    """Yield a resource and all resources it holds."""
    if isinstance(value, dict):
        if "resourceType" in value:
            yield value
        for inner in value.values():
            yield from within(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from within(inner)


def tokens(value: Any) -> Iterator[str]:
    """Yield the names of all elements in a resource, and the codes it uses."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key in ("code", "system", "url", "valueCode", "status") and isinstance(inner, str):
                yield inner
            yield from tokens(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from tokens(inner)


def varied(found: list[dict[str, Any]], profile: str) -> list[dict[str, Any]]:
    """Return some resources that are right, first those that show something no smaller one does."""
    seen: set[str] = set()
    new: list[dict[str, Any]] = []
    old: list[dict[str, Any]] = []
    for one in found:
        says = set(tokens(one))
        (old if says <= seen else new).append(one)
        seen |= says
    right = (one for one in [*new, *old] if not errors(one, profile))
    return list(islice(right, BASES))


@cache
def bases(profile: str) -> tuple[dict[str, Any], ...]:
    """Return the instances of a profile that its mutants are made of."""
    validator = shipped.validator()
    found = [
        one
        for place in MESSAGES
        for path in sorted(place.glob("*.json"))
        for one in within(json.loads(path.read_text("utf-8")))
        if profile in one.get("meta", {}).get("profile", ())
    ]
    some = varied(sorted(found, key=lambda one: len(str(one))), profile)
    seldom = SELDOM.get(profile.rpartition("/")[2])
    some.append(Maker(validator).resource(profile))
    return (*some, *([{**some[-1], **seldom}] if seldom else []))


def errors(resource: dict[str, Any], profile: str) -> frozenset[tuple[str, str | None, str]]:
    """Return code, place and key of each error."""
    return frozenset(
        (issue.code, issue.at, str(issue.params.get("key", "")))
        for issue in shipped.validator().validate(resource, profile)
        if issue.is_error
    )


def at(resource: Any, steps: Steps) -> Any:
    """Return what stands at the end of concrete steps."""
    for step in steps:
        resource = resource[step]
    return resource


def changed(resource: dict[str, Any], steps: Steps, change: Callable[[Any, Any], None]) -> dict[str, Any]:
    """Return a copy in which `change(container, last step)` was done; what lies beside the way is shared."""
    result = holder = copy(resource)
    for step in steps[:-1]:
        holder[step] = copy(holder[step])
        holder = holder[step]
    change(holder, steps[-1])
    return result


def drop(container: Any, step: Any) -> None:
    """Take an element away."""
    del container[step]


def extend(container: Any, step: Any, more: list[Any]) -> None:
    """Put more items into a list."""
    container[step] = [*container[step], *more]


def keys_of(value: Any, name: str) -> list[str]:
    """Return the keys under which an element stands, a choice under any of its types."""
    if not isinstance(value, dict):
        return []
    if not name.endswith("[x]"):
        return [name] if name in value else []
    stem = name[:-3]
    return [key for key in value if key.startswith(stem) and key[len(stem) : len(stem) + 1].isupper()]


def parents(resource: Any, names: list[str], steps: Steps = ()) -> Iterator[Steps]:
    """Yield the concrete steps to every object an element may stand in."""
    value = at(resource, steps)
    if isinstance(value, list):
        for index in range(len(value)):
            yield from parents(resource, names, (*steps, index))
    elif not names:
        if isinstance(value, dict):
            yield steps
    else:
        for key in keys_of(value, names[0]):
            yield from parents(resource, names[1:], (*steps, key))


def values(resource: Any, parent: Steps, name: str) -> Iterator[Steps]:
    """Yield the concrete steps to each value of an element in an object."""
    for key in keys_of(at(resource, parent), name):
        value = at(resource, (*parent, key))
        if isinstance(value, list):
            yield from ((*parent, key, index) for index in range(len(value)))
        else:
            yield (*parent, key)


def rules(element: dict[str, Any]) -> Iterator[str]:
    """Name the rules an element of a differential states that a mutant can break."""
    if element.get("min", 0):
        yield "min"
    if element.get("max", "*") != "*":
        yield "max"
    if any(key.startswith(("fixed", "pattern")) for key in element):
        yield "value"
    if element.get("binding", {}).get("strength") == "required":
        yield "binding"
    if any(kind.get("targetProfile") for kind in element.get("type", ())):
        yield "target"


def mutants(rule: str, element: dict[str, Any], base: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield copies of a resource that may break a rule of an element."""
    names = element["path"].split(".")[1:]
    for parent in parents(base, names[:-1]):
        found = list(values(base, parent, names[-1]))
        if rule == "max" and not found and element["max"] == "0":
            yield added(base, parent, element)
        if rule == "min" and len(found) > 1:
            key = found[0][len(parent)]
            yield changed(base, (*parent, key), drop)
        for steps in found:
            if rule == "min":
                yield changed(base, steps, drop)
            elif rule == "max" and isinstance(steps[-1], int):
                more = [deepcopy(at(base, steps))] * int(element["max"])
                yield changed(
                    base,
                    steps[:-1],
                    lambda holder, key, more=more: holder.__setitem__(key, [*holder[key], *more]),
                )
            elif rule in ("value", "binding"):
                was = at(base, steps)
                yield changed(base, steps, lambda holder, key, was=was: holder.__setitem__(key, other(was)))
            elif rule == "target":
                link = {"reference": "Linkage/x"}
                yield changed(base, steps, lambda holder, key, link=link: holder.__setitem__(key, link))


def other(value: Any) -> Any:
    """Return a value of the same JSON kind that no rule asks for."""
    if isinstance(value, dict):
        return (
            OTHER if "coding" in value or "text" in value else {**value, "system": "urn:x:y", "code": "other"}
        )
    return (not value) if isinstance(value, bool) else "other"


def added(base: dict[str, Any], parent: Steps, element: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with an element that the profile forbids."""
    name = element["path"].rpartition(".")[2].removesuffix("[x]")
    definition = r4().type(element["path"].rpartition(".")[0])
    assert definition is not None, element["path"]
    core = definition.elements[name]
    value = PLAIN.get(core.types[0], {"id": "x", "text": "x"})
    grown = deepcopy(base)
    at(grown, parent)[core.json_key(core.types[0])] = [value] if core.is_list else value
    return grown


def can_be_broken(element: dict[str, Any], rule: str) -> bool:
    """Return False for a cardinality that the core states too, or by which a slice is told."""
    if rule == "min" and ":" in element.get("id", "").rpartition(".")[0]:
        return not any(key.startswith(("fixed", "pattern")) for key in element)
    above, _, name = element["path"].rpartition(".")
    definition = r4().type(above)
    core = definition.elements.get(name.removesuffix("[x]")) if definition is not None else None
    if rule != "max" or core is None or "sliceName" in element:
        return True
    return core.is_list or element["max"] == "0"


CASES = [
    pytest.param(url, element, rule, id=f"{one['id']}-{element.get('id', element['path'])}-{rule}")
    for url, one in sorted(DEFINITIONS.items())
    for element in one["differential"]["element"]
    if "." in element["path"]
    for rule in rules(element)
    if can_be_broken(element, rule)
]


BASES = 24
"""How many resources of a profile are changed."""

ASKED = 6
"""How many mutants are asked of each rule."""

NEIGHBOURS = frozenset(
    {
        "care-episode-notification-Communication.extension:contentLevel-min",
        "assessment-result-Observation.category-min",
        "care-episode-notification-Communication.category-min",
        "feedback-Communication.extension:businessReply-min",
        "explicit-consent-Consent.provision.purpose-min",
        "oh-referral-ServiceRequest.extension:disclosureBasis-min",
        "work-ability-index-Observation.code-value",
        "work-restriction-Observation.component:limit.code-value",
        "sick-leave-period-Observation.component:absence30.code-value",
        "sick-leave-period-Observation.component:allowance60.code-value",
        "sick-leave-period-Observation.component:allowance90.code-value",
        "sick-leave-period-Observation.component:allowance150.code-value",
        "sick-leave-period-Observation.component:allowance230.code-value",
        "sick-leave-period-Observation.component:allowanceDays.code-value",
        "notified-patient-Patient.identifier:PIC.system-min",
        "plan-team-CareTeam.participant-min",
        "notification-cancel-Communication.category-min",
        "notified-patient-Patient.identifier:PIC-max",
        "notified-patient-Patient.identifier:PIC.type-value",
        "notified-patient-Patient.identifier:PIC.value-min",
        "procedure-notification-Communication.extension:contentLevel-min",
        "procedure-notification-Communication.category-min",
        "sick-leave-period-Observation.component:degree.code-value",
        "sick-leave-period-Observation.component:practice.code-value",
        "sick-leave-period-Observation.component:review.code-value",
    }
)
"""Rules of which some mutants only touch a neighbour: another item of the list, one of more than the least
number, or the very code that tells an optional slice apart, which then is no item of the slice."""


def refusals(rule: str, element: dict[str, Any], profile: str) -> Iterator[bool]:
    """Yield of each mutant of each base whether it has an error its base has not."""
    for base in bases(profile):
        before = errors(base, profile)
        for mutant in mutants(rule, element, base):
            yield bool(errors(mutant, profile) - before)


@pytest.mark.parametrize(("profile", "element", "rule"), CASES)
def test_each_rule_of_a_differential_is_caught(
    request: pytest.FixtureRequest, profile: str, element: dict[str, Any], rule: str
) -> None:
    """Wherever a message breaks the rule, there is an error that was not there before."""
    found: list[bool] = []
    for is_refused in refusals(rule, element, profile):
        found.append(is_refused)
        if len(found) >= ASKED and any(found):
            break

    assert any(found)
    assert all(found) or request.node.callspec.id in NEIGHBOURS


@cache
def compiled(expression: str, kind: str) -> Any:
    """Return the engine's own reading of an invariant."""
    return compile_expression(expression, context=kind)


def broken(resource: dict[str, Any], expression: str) -> bool:
    """Return True if the FHIRPath engine says that an invariant is broken."""
    return not compiled(expression, resource["resourceType"]).holds(
        resource, {"resource": resource, "rootResource": resource}
    )


def altered(value: Any, literals: list[str], steps: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    """Yield single changes: (where, new value), None to take away, a list's item doubled as `[item]`."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        here = (*steps, key)
        yield here, None
        if isinstance(inner, str):
            yield from ((here, one) for one in literals if one != inner and key not in UNASKED)
        elif isinstance(inner, int) and not isinstance(inner, bool):
            yield here, 0
        elif isinstance(key, int):
            yield here, [inner]
        yield from altered(inner, literals, here)


def mutated(base: dict[str, Any], steps: Steps, new: Any) -> dict[str, Any]:
    """Return a copy with one change of `altered` made."""

    def change(holder: Any, key: Any) -> None:
        if new is None:
            del holder[key]
        elif isinstance(new, list):
            holder.append(deepcopy(new[0]))
        else:
            holder[key] = new

    return changed(base, steps, change)


def breaking(profile: str, expression: str) -> Iterator[dict[str, Any]]:
    """Yield mutants that break an invariant by the engine's word."""
    literals = [*LITERAL.findall(expression), "other", "2030-01-01"]
    for base in bases(profile):
        if broken(base, expression):
            continue
        for steps, new in altered(base, literals):
            mutant = mutated(base, steps, new)
            try:
                if "resourceType" in mutant and broken(mutant, expression):
                    yield mutant
            except AdapterError:
                continue


@pytest.mark.parametrize(
    ("profile", "constraint"),
    [
        pytest.param(url, one, id=name)
        for url, one in INVARIANTS
        if (name := f"{url.rpartition('/')[2]}-{one['key']}") not in BEYOND_ONE_CHANGE
    ],
)
def test_each_invariant_is_caught(profile: str, constraint: dict[str, Any]) -> None:
    """Some change to a message breaks the invariant, and every one that does is refused."""
    found = []
    for mutant in breaking(profile, constraint["expression"]):
        found.append(bool(errors(mutant, profile)))
        if len(found) == 3:
            break

    assert found
    assert all(found)
