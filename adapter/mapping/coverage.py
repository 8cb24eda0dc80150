"""Which rules of some maps ran, and which never did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from adapter.mapping.mapset import Map
    from adapter.mapping.run import RuleMark


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of some maps was run."""

    rules: int
    missed: tuple[RuleMark, ...]
    """Rules that never ran, in the order of the maps."""

    @property
    def ran(self) -> int:
        """How many rules ran."""
        return self.rules - len(self.missed)

    @property
    def percent(self) -> int:
        """Rules that ran, of a hundred, rounded down; 0 for maps without rules."""
        return 100 * self.ran // max(self.rules, 1)

    def as_json(self) -> dict[str, Any]:
        """Say it as JSON."""
        return {
            "rules": self.rules, "ran": self.ran, "percent": self.percent,
            "missed": [
                {"file": mark.file, "line": mark.line, "rule": f"{mark.group}/{mark.rule}"}
                for mark in self.missed
            ],
        }  # fmt: skip


def coverage(maps: Iterable[Map], ran: Collection[RuleMark]) -> Coverage:
    """Hold the rules that ran against all rules that `maps` can reach."""
    every = dict.fromkeys(mark for one in maps for mark in one.marks)
    return Coverage(rules=len(every), missed=tuple(mark for mark in every if mark not in ran))
