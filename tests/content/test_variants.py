"""One place of a source changed: the message says it, and says nothing that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter.fhirpath import compile_expression
from tests.content.cases import MAPPED
from tests.content.variants import VARIANTS, Variant

if TYPE_CHECKING:
    from adapter.mapping import MapSet

FLOOR = 0.95
"""Share of rules that fixtures and variants run, by map."""
NAMES = ("notification-from-v2", "notification-from-cda", "notification-from-json")


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: f"{variant.map[18:]}: {variant.name}")
def test_a_variant_gives_its_values(variant: Variant, maps: MapSet) -> None:
    """The FHIRPath gives the expected values on the message."""
    bundle = variant.run(maps).resources[0]

    found = compile_expression(variant.expression, context="Bundle")(bundle)

    assert [value if isinstance(value, (bool, int)) else str(value) for value in found] == variant.values


@pytest.mark.parametrize("name", NAMES)
def test_nearly_every_rule_of_a_map_is_run(name: str, maps: MapSet) -> None:
    """Fixtures and variants together run at least the floor of a map's rules."""
    ran = set()
    for each in [*MAPPED, *VARIANTS]:
        if each.map == name:
            ran |= each.run(maps).rules

    marks = maps[name].marks
    left = [f"{mark.file}:{mark.line} {mark.rule}" for mark in marks if mark not in ran]

    assert len(left) / len(marks) <= 1 - FLOOR, left


@pytest.mark.parametrize("item", ["sick-leave-strat", "SICK-LEAVE-START", "employer"])
def test_an_item_of_ours_that_does_not_exist_is_a_finding(item: str, maps: MapSet) -> None:
    """A slip in an item's name would lose a sick leave in silence, so it is said."""
    body = VARIANTS[0].body.replace(b"contact-phone^^99SILTA", item.encode() + b"^^99SILTA")

    issues = (
        maps["notification-from-v2"].run(body, media_type="application/hl7-v2", zone="Europe/Helsinki").issues
    )

    assert [issue.code for issue in issues] == ["MP304"]
