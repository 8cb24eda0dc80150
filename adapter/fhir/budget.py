"""What one input may cost before we stop reading it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter.errors import TooCostly

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits for reading one document. A door makes a stricter one with `dataclasses.replace`."""

    bytes: int = 50_000_000
    depth: int = 64
    """Objects and arrays inside each other, as JSON counts them; FHIR itself needs fewer than 30."""
    elements: int = 2_000_000
    """Values of any kind: objects, arrays, strings, numbers; in XML elements and attributes."""
    text: int = 8_388_608
    """Bytes of one string, as it is written; bounds an attachment inside a resource."""
    digits: int = 128
    """Characters of one number."""
    exponent: int = 400
    """The largest exponent of a number, either sign. Numbers are never expanded, whatever this is."""
    attributes: int = 64
    """Attributes of one XML element."""
    entries: int = 100_000
    """Entries of all Bundles of a document together."""
    narrative: int = 8_388_608
    """Characters of one narrative, as it is written."""


DEFAULT = Budget()
DOOR = Budget(elements=100_000, entries=1_000, narrative=256_000)
"""What a stranger's document may cost. Judging it costs more than reading it: each value may be a finding."""


_SHORTEST_ENTRY = 2
"""Bytes: `{}`."""


def bounded(resource: dict[str, Any], size: int, budget: Budget) -> dict[str, Any]:
    """Return the resource that `size` bytes were read into, if its Bundles and narratives are in the budget.

    Raises TooCostly: FH125 for too many entries, FH126 for too long a narrative.
    """
    if size > budget.narrative or size > _SHORTEST_ENTRY * budget.entries:
        entries = 0
        for name, value in _members(resource):
            if name == "entry" and isinstance(value, list):
                entries += len(value)
                if entries > budget.entries:
                    raise TooCostly("FH125", params={"limit": budget.entries})
            elif name == "div" and isinstance(value, str) and len(value) > budget.narrative:
                raise TooCostly("FH126", params={"limit": budget.narrative})
    return resource


def _members(value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  (any JSON value)
    """Yield every member of every object, outer ones first."""
    left = [value]
    while left:
        inside = left.pop()
        if isinstance(inside, dict):
            yield from inside.items()
            left.extend(held for held in inside.values() if isinstance(held, dict | list))
        elif isinstance(inside, list):
            left.extend(held for held in inside if isinstance(held, dict | list))
