"""Mutated resources: whatever comes, a list of findings and no exception."""

from __future__ import annotations

import random
from copy import deepcopy
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.benchmarks.validation import PERSON, bundle
from tests.validation.test_profiles import BROKEN, DEFINITIONS, VISIT, WEIGHT
from tests.validation.test_structure import changed

if TYPE_CHECKING:
    from adapter.validation import Validator

STRANGE: tuple[Any, ...] = (
    None, True, 0, -1, 2**70, Decimal("1E+400"), "", " ", "\x00", "#", "#x", "urn:uuid:x", "Patient/1",
    "x" * 300,
    "\ud83d\ude00", [], {}, [None], [[]], [{}], {"": ""}, {"resourceType": "Patient"}, {"reference": "#"},
    {"extension": [{"url": "x"}]}, "2026-02-30", "<div>", {"coding": "x"}, {"value": "x", "system": []},
)  # fmt: skip
"""What no sender should put anywhere."""

SEEDS: tuple[dict[str, Any], ...] = (
    PERSON,
    bundle(3),
    {**VISIT, "component": [WEIGHT], "contained": [PERSON], "subject": {"reference": "#invented-1"}},
    *(changed(VISIT, row[1]) for row in BROKEN),
)


def places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return every (container, key) below a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        found.append((value, key))
        places(inner, found)
    return found


def mutate(resource: dict[str, Any], dice: random.Random) -> Any:
    """Return a copy with one to four places made strange, removed, moved or wrapped."""
    copied = deepcopy(resource)
    for _ in range(dice.randint(1, 4)):
        all_places = places(copied, [])
        if not all_places:
            break
        holder, key = dice.choice(all_places)
        other, other_key = dice.choice(all_places)
        how = dice.randrange(5)
        if how == 0:
            holder[key] = deepcopy(dice.choice(STRANGE))
        elif how == 1 and isinstance(holder, dict):
            del holder[key]
        elif how == 2:
            holder[key] = deepcopy(other[other_key])
        elif how == 3:
            holder[key] = [holder[key]]
        elif isinstance(holder, dict) and isinstance(key, str):
            holder[dice.choice(("_" + key, key + "x", "resourceType", "extension", "id"))] = holder[key]
    return copied


def run(validator: Validator, times: int, seed: int) -> None:
    """Validate `times` mutants."""
    dice = random.Random(seed)  # noqa: S311 - a test's dice
    for _ in range(times):
        for issue in validator.validate(mutate(dice.choice(SEEDS), dice)):
            assert issue.text()


@pytest.fixture(scope="module")
def fuzzed() -> Validator:
    """R4 and the profile with every kind of rule."""
    from adapter.validation import Loose, Validator

    return Validator([Loose(DEFINITIONS)])


def test_five_hundred_mutants_are_judged(fuzzed: Validator) -> None:
    """No mutant gives an exception."""
    run(fuzzed, 500, 20261121)


@pytest.mark.long
def test_a_hundred_thousand_mutants_are_judged(fuzzed: Validator) -> None:
    """No mutant gives an exception, over a long run."""
    run(fuzzed, 100_000, 1)


CONFUSED = {
    "system of a Coding": {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": {}, "code": "AMB"},
    },
    "linkId of an answer": {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "item": [{"linkId": []}],
    },
    "type of a Bundle": {"resourceType": "Bundle", "type": [], "entry": [{"resource": {}}]},
    "a reference in a Bundle of no type": {
        "resourceType": "Bundle",
        "type": {},
        "entry": [{"resource": {"resourceType": "Patient", "managingOrganization": {"reference": "A/1"}}}],
    },
    "a number for a contact": {"resourceType": "Patient", "telecom": [1]},
    "a number for a period": {"resourceType": "Encounter", "period": 1},
}


@pytest.mark.parametrize("resource", CONFUSED.values(), ids=CONFUSED)
def test_a_value_of_another_kind_is_a_finding_and_no_fault_of_ours(
    resource: dict[str, Any], validator: Validator
) -> None:
    """J2: an object where a text should stand is said, whoever looks at it."""
    assert any(issue.is_error for issue in validator.validate(resource))
