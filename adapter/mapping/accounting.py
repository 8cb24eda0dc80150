"""What became of each leaf of the source."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from adapter.mapping.fml.compiler.expressions import is_true

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from adapter.fhirpath.expression import Expression
    from adapter.mapping.nodes import Item

Fate = Literal["mapped", "tested", "ignored", "outside", "unaccounted"]

FATES: dict[Fate, str] = {
    "mapped": "went into the result",
    "tested": "was looked at by a condition only",
    "ignored": "is left behind on purpose, with a reason",
    "outside": "is not in the model of the source",
    "unaccounted": "was read by no rule",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One leaf: where it stands and what became of it; never what it says."""

    place: str
    fate: Fate
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """`//! ignore PATH: reason` of a map.

    An index or repetition that the path leaves out means any; `*` is any one name, `**` any number of names.
    """

    path: tuple[str, ...]
    reason: str
    file: str
    line: int
    condition: Expression | None = None
    """`PATH where (FHIRPATH)`: only what stands in an element of which this is true; None: all of them."""


class Accounting:
    """All leaves of one source in document order."""

    def __init__(self, build: Callable[[], Iterable[Entry]]) -> None:
        self._build = build

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Every leaf, worked out when it is first asked for."""
        return tuple(self._build())

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def of(self, fate: Fate) -> list[str]:
        """Return the places of all leaves with this fate."""
        return [entry.place for entry in self.entries if entry.fate == fate]

    @property
    def unaccounted(self) -> list[str]:
        """Places that no rule read and no pragma names."""
        return self.of("unaccounted")

    @property
    def counts(self) -> dict[str, int]:
        """How many leaves have each fate."""
        found = Counter(entry.fate for entry in self.entries)
        return {fate: found.get(fate, 0) for fate in FATES}

    def as_json(self) -> dict[str, Any]:
        """Say it as JSON: counts, and every leaf by place."""
        leaves = [
            {"place": entry.place, "fate": entry.fate, **({"reason": entry.reason} if entry.reason else {})}
            for entry in self.entries
        ]
        return {"counts": self.counts, "leaves": leaves}


_PRAGMA = re.compile(r"//!\s*(?P<word>\w+)\s+(?P<rest>.*?)\s*$")
_INDEX = re.compile(r"\[\d+\]")
_CONDITIONAL = re.compile(r"(?P<path>[^:]*?)\s+where\s+(?P<condition>\(.*\))\s*:(?P<reason>.*)")


def pragma(text: str) -> tuple[str, str] | None:
    """Return word and rest of a `//!` comment, or None for any other comment."""
    match = _PRAGMA.fullmatch(text.rstrip())
    return (match["word"], match["rest"]) if match else None


def ignored_path(rest: str) -> tuple[tuple[str, ...], str, str]:
    """Split `PID where (f1 = '2'): reason` into path, condition and reason; empty where there is none."""
    match = _CONDITIONAL.fullmatch(rest)
    path, condition, reason = (
        (match["path"], match["condition"], match["reason"]) if match else _unconditional(rest)
    )
    names = tuple(name for name in _INDEX.sub("", path).strip().split(".") if name)
    return names, condition, reason.strip()


def _unconditional(rest: str) -> tuple[str, str, str]:
    path, _, reason = rest.partition(":")
    return path, "", reason


class Exemptions:
    """The paths that maps leave behind on purpose, ready to be asked of many leaves."""

    def __init__(self, ignored: Iterable[Ignored]) -> None:
        self._exact: dict[tuple[str, ...], list[Ignored]] = {}
        self._wild: list[Ignored] = []
        self._known: dict[tuple[int, int], bool] = {}
        for one in ignored:
            if "*" in one.path or "**" in one.path:
                self._wild.append(one)
            else:
                self._exact.setdefault(one.path, []).append(one)

    def of(self, names: tuple[str, ...], above: Callable[[int], Item]) -> Ignored | None:
        """Return what covers the leaf at `names`, or None.

        `above`: the element so many names from the root, None for the leaf itself.
        """
        for length in range(1, len(names) + 1):
            for one in self._exact.get(names[:length], ()):
                if self._holds(one, above, length):
                    return one
        for one in self._wild:
            reached = reach(one.path, names)
            if reached is not None and self._holds(one, above, reached):
                return one
        return None

    def _holds(self, ignored: Ignored, above: Callable[[int], Item], length: int) -> bool:
        if ignored.condition is None:
            return True
        element = above(length)
        if element is None:
            return False
        asked = id(ignored), id(element)
        if asked not in self._known:
            self._known[asked] = is_true(ignored.condition(element))
        return self._known[asked]


def reach(path: tuple[str, ...], names: tuple[str, ...]) -> int | None:
    """Return how many of `names` lead to the element that `path` names, or None if they do not.

    `*` in the path stands for any one name, `**` for any number of them, or none.
    """
    for at, want in enumerate(path):
        if want == "**":
            found = (
                start + length
                for start in range(at, len(names) + 1)
                if (length := reach(path[at + 1 :], names[start:])) is not None
            )
            return next(found, None)
        if at >= len(names) or want not in ("*", names[at]):
            return None
    return len(path)
