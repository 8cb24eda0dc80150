"""Where each leaf of a result comes from: map line, places in the source, row of a code table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ENDING = re.compile(r"\.[^.\[]+(\[\d+\])?$|\[\d+\]$")
_OF_TYPE = re.compile(r"\.ofType\(\w+\)")


@dataclass(frozen=True, slots=True)
class Step:
    """One leaf of the result."""

    target: str
    """FHIRPath with indexes, `Bundle.entry[3].resource.code.coding[0].code`."""
    map: str
    line: int
    rule: str
    sources: tuple[str, ...]
    """Places in the source that the value was made of; empty for a value the map itself writes."""
    context: str | None
    """The place the rule was reading when it wrote, which tells why a fixed value is there."""
    row: str | None = None
    """File and line of the code table's row."""

    def as_json(self) -> dict[str, Any]:
        """Say it as JSON."""
        said: dict[str, Any] = {
            "target": self.target,
            "map": f"{self.map}:{self.line}",
            "rule": self.rule,
            "sources": list(self.sources),
        }
        if self.context:
            said["context"] = self.context
        if self.row:
            said["row"] = self.row
        return said


class Lineage:
    """All steps of one run, by target path. Nothing is worked out before it is asked for."""

    def __init__(self, build: Callable[[], tuple[list[Step], dict[str, str]]]) -> None:
        self._build = build

    @cached_property
    def _built(self) -> tuple[list[Step], dict[str, str]]:
        return self._build()

    @property
    def steps(self) -> list[Step]:
        """Every leaf of the result that a rule wrote."""
        return self._built[0]

    @property
    def _contexts(self) -> dict[str, str]:
        return self._built[1]

    @cached_property
    def _by_target(self) -> dict[str, Step]:
        return {step.target: step for step in self.steps}

    @cached_property
    def _below(self) -> dict[str, Step]:
        """For every element with parts its first leaf that has a source."""
        found: dict[str, Step] = {}
        for step in self.steps:
            for path in _above(step.target):
                known = found.get(path)
                if known is None or (not known.sources and step.sources):
                    found[path] = step
        return found

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def step(self, target_path: str) -> Step | None:
        """Return the step of a leaf, or None."""
        return self._by_target.get(normal(target_path))

    def rule_of(self, target_path: str) -> str | None:
        """Name the map line that wrote an element, or the first of its parts: `ward.map:28`; None if none."""
        path = normal(target_path)
        step = self._by_target.get(path) or self._below.get(path)
        return f"{step.map}:{step.line}" if step is not None else None

    def source_field(self, target_path: str) -> str | None:
        """Name the sender's field behind an element: `PR1[2]-3`, `/ClinicalDocument/code/@code`, `/a/0/b`.

        For an element with parts it is the field of its first part that has one; for an element that is not
        there, the segment or element that the nearest one above was made from. None if the source has no part
        in it.
        """
        path = normal(target_path)
        for candidate in (path, *_with_first_indexes(path, self._below)):
            step = self._by_target.get(candidate) or self._below.get(candidate)
            if step is not None:
                return step.sources[0] if step.sources else step.context
        for above in _above(path):
            if above in self._contexts:
                return self._contexts[above]
        return None

    def targets_of(self, source_field: str) -> list[str]:
        """Return the leaves that a field of the source went to."""
        return [step.target for step in self.steps if source_field in step.sources]

    def as_json(self) -> list[dict[str, Any]]:
        """Say all of it as JSON."""
        return [step.as_json() for step in self.steps]


def normal(path: str) -> str:
    """Write a target path as lineage does: choice elements by their stem, no type casts."""
    return _OF_TYPE.sub("", path).replace(".value.as(", ".value(").rstrip(".")


def _with_first_indexes(path: str, known: dict[str, Step]) -> Iterator[str]:
    """Yield `path` with `[0]` where it leaves an index out, as far as that is known."""
    parts = path.split(".")
    built = parts[0]
    for part in parts[1:]:
        built = f"{built}.{part}"
        if not part.endswith("]") and f"{built}[0]" in known:
            built += "[0]"
    if built != path:
        yield built


def _above(path: str) -> Iterator[str]:
    while True:
        shorter = _ENDING.sub("", path)
        if shorter == path or not shorter:
            return
        path = shorter
        yield path
