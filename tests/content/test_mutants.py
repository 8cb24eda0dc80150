"""Each rule of each map left out once: the fixtures, variants and expected messages must notice."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import AdapterError
from adapter.fhirpath import compile_expression
from adapter.mapping import MapSet
from adapter.mapping.fml.parser import parse
from adapter.shipped import folder
from tests.content import expected, test_constants, test_done
from tests.content.cases import MAPPED
from tests.content.conftest import ZONE
from tests.content.variants import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

FLOOR = 0.9
V2, CDA, JSON = "notification-from-v2", "notification-from-cda", "notification-from-json"
MAPS_OF_FILE = {
    f"{V2}.map": (V2,),
    f"{CDA}.map": (CDA,),
    f"{JSON}.map": (JSON,),
    "shared/v2-datatypes.map": (V2,),
    "shared/cda-datatypes.map": (CDA,),
    "shared/notification-parts.map": (V2, CDA, JSON),
}


def _values(bundle: dict[str, Any], expression: str) -> list[Any]:
    found = compile_expression(expression, context="Bundle")(bundle)
    return [value if isinstance(value, (bool, int)) else str(value) for value in found]


def _run(maps: MapSet, name: str, body: bytes, media_type: str, **constants: Any) -> dict[str, Any]:
    outcome = maps[name].run(body, media_type=media_type, zone=ZONE, constants=constants)
    return outcome.resources[0]


def _differences(maps: MapSet, name: str) -> Iterator[bool]:
    """Yield, case by case, whether a map set gives another result than it should."""
    for variant in VARIANTS:
        if variant.map == name:
            bundle = _run(maps, name, variant.body, variant.media_type, **variant.constants)
            yield _values(bundle, variant.expression) != variant.values
    for case in MAPPED:
        if case.map == name:
            bundle = _run(maps, name, case.source.read_bytes(), case.media_type)
            yield case.name in expected.NAMES and expected.numbered(bundle) != expected.read(case)
            yield any(_values(bundle, fact) != values for fact, values in case.facts.items())
    for source in test_constants.SOURCES:
        if source[0] == name:
            bundle = test_constants.bundle_of(maps, *source[:3], leaveEndIncluded=False)
            yield _values(bundle, "Bundle.entry.resource.ofType(Observation).effective.end") != [source[4]]
    yield from _statuses(maps, name)


def _statuses(maps: MapSet, name: str) -> Iterator[bool]:
    for map_name, media_type, bodies in test_done.bodies():
        if map_name == name:
            for body, status in bodies:
                yield test_done.statuses(maps, name, body, media_type) != [status]


def _spans(text: str, file: str) -> list[tuple[int, int]]:
    tree, _ = parse(text, file)
    assert tree is not None

    def below(rules: Any) -> Iterator[Any]:
        for rule in rules:
            yield rule
            yield from below(getattr(rule, "rules", None) or ())

    return [(rule.span.start, rule.span.end) for group in tree.groups for rule in below(group.rules)]


def _is_noticed(place: Path, names: tuple[str, ...]) -> bool | None:
    """True if a mutant gives another result, None if it cannot be loaded at all and so is no mutant."""
    try:
        maps = MapSet.load([place])
    except AdapterError:
        return None
    try:
        return any(difference for name in names for difference in _differences(maps, name))
    except (AdapterError, KeyError, IndexError):
        return True


@pytest.mark.parametrize("file", MAPS_OF_FILE)
def test_a_rule_left_out_is_noticed(file: str, tmp_path: Path) -> None:
    """At least nine of ten rules cannot be left out without a difference."""
    shipped = folder("mappings")
    text = (shipped / file).read_text("utf-8")
    place = tmp_path / "mappings"
    shutil.copytree(shipped, place)

    noticed: dict[str, bool] = {}
    for start, end in _spans(text, file):
        (place / file).write_text(text[:start] + text[end:], "utf-8")
        answer = _is_noticed(place, MAPS_OF_FILE[file])
        if answer is not None:
            noticed[f"{text.count(chr(10), 0, start) + 1}: {text[start : start + 60]}"] = answer

    left = [rule for rule, was_noticed in noticed.items() if not was_noticed]
    assert len(left) / len(noticed) <= 1 - FLOOR, left
