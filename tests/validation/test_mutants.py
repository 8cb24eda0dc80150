"""Every rule of our own profiles, broken once: all mutants are caught."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter.fhir.packages import load
from adapter.shipped import folder
from tests.validation.instances import Maker

if TYPE_CHECKING:
    from adapter.validation import Validator

PROFILES = sorted(
    one["url"]
    for one in load(folder("profiles")).resources("StructureDefinition")
    if one["kind"] == "resource" and one["type"] != "Extension"
)
BEYOND_A_MAKER = frozenset({"VA701", "VA704", "VA501", "VA502", "VA601"})
"""What a made resource may break: invariants between elements, whose sense no generator knows, and
extensions of its own making."""


def errors(validator: Validator, resource: dict[str, object], profile: str) -> list[tuple[str, str | None]]:
    """Return code and place of each error."""
    return [(issue.code, issue.at) for issue in validator.validate(resource, profile) if issue.is_error]


@pytest.mark.parametrize("profile", PROFILES, ids=[url.rpartition("/")[2] for url in PROFILES])
def test_a_made_instance_meets_its_profile(validator: Validator, profile: str) -> None:
    """The smallest resource of a profile breaks no rule of structure, slices, values or codes."""
    made = Maker(validator).resource(profile)

    assert [one for one in errors(validator, made, profile) if one[0] not in BEYOND_A_MAKER] == []


@pytest.mark.parametrize("profile", PROFILES, ids=[url.rpartition("/")[2] for url in PROFILES])
def test_each_broken_rule_is_caught(validator: Validator, profile: str) -> None:
    """A mutant that breaks a rule has an error its parent has not."""
    maker = Maker(validator)
    before = set(errors(validator, maker.resource(profile), profile))

    missed = [
        mutant.what
        for mutant in maker.mutants(profile)
        if not set(errors(validator, mutant.resource, profile)) - before
    ]

    assert missed == []
