"""What became of each leaf of the source."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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
    """`//! ignore PATH: reason` of a map. An index or repetition that the path leaves out means any."""

    path: tuple[str, ...]
    reason: str
    file: str
    line: int


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


def pragma(text: str) -> tuple[str, str] | None:
    """Return word and rest of a `//!` comment, or None for any other comment."""
    match = _PRAGMA.fullmatch(text.rstrip())
    return (match["word"], match["rest"]) if match else None


def ignored_path(rest: str) -> tuple[tuple[str, ...], str]:
    """Split `PID.f19: reason` into its path and its reason; the reason is empty if there is none."""
    path, _, reason = rest.partition(":")
    names = tuple(name for name in _INDEX.sub("", path).strip().split(".") if name)
    return names, reason.strip()


class Exemptions:
    """The paths that maps leave behind on purpose, ready to be asked of many leaves."""

    def __init__(self, ignored: Iterable[Ignored]) -> None:
        self._exact: dict[tuple[str, ...], Ignored] = {}
        self._wild: list[Ignored] = []
        for one in ignored:
            if "*" in one.path:
                self._wild.append(one)
            else:
                self._exact.setdefault(one.path, one)

    def of(self, names: tuple[str, ...]) -> Ignored | None:
        """Return what covers the leaf at `names`, or None."""
        for length in range(1, len(names) + 1):
            known = self._exact.get(names[:length])
            if known is not None:
                return known
        return next((one for one in self._wild if covers(one, names)), None)


def covers(ignored: Ignored, names: tuple[str, ...]) -> bool:
    """True if the path of the pragma is `names` or leads to it; `*` stands for any one name."""
    if len(ignored.path) > len(names):
        return False
    return all(want in ("*", have) for want, have in zip(ignored.path, names, strict=False))
