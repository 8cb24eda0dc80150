"""What of a sample no rule reads: each path once, with its first place and the kind of value there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.mapping.nodes import leaves, watch
from adapter.mapping.notes import place_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.mapping.nodes import Item, SourceTree
    from adapter.mapping.run import Outcome

_KINDS = (
    ("date", re.compile(r"\d{4}-\d{2}(-\d{2})?|(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])")),
    ("date and time", re.compile(r"\d{4}-?\d{2}-?\d{2}[T ]?\d{2}:?\d{2}.*")),
    ("digits", re.compile(r"\d+")),
    ("number", re.compile(r"[+-]?\d+[.,]\d+")),
    ("OID", re.compile(r"(urn:oid:)?[0-2](\.\d+){3,}")),
    ("UUID", re.compile(r"(urn:uuid:)?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")),
    ("URI", re.compile(r"[a-z][a-z0-9+.-]*:\S+")),
    ("code or word", re.compile(r"\S{1,20}")),
)
LONG = 80
_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A path of the source that no rule reads."""

    path: str
    """As `//! ignore` and a rule write it: `PID.f13.c1`."""
    place: str
    """The first place, in the sender's words: `PID-13`."""
    count: int
    kind: str
    value: str | None = None

    def as_json(self) -> dict[str, Item]:
        """Say it as JSON, without the value."""
        return {"path": self.path, "place": self.place, "count": self.count, "kind": self.kind}

    @property
    def words(self) -> str:
        """One line about it."""
        times = f", {self.count} times" if self.count > 1 else ""
        said = f", such as {self.value}" if self.value is not None else ""
        return f"{self.path}: {self.place}, {self.kind}{times}{said}"


def still_open(tree: SourceTree, outcome: Outcome, *, show_values: bool) -> Iterator[Open]:
    """Yield what the accounting of `outcome` has left open, in the order of the source."""
    accounting = outcome.accounting
    places = set(accounting.unaccounted) if accounting is not None else set()
    found: dict[str, list[tuple[str, Item]]] = {}
    for origin in leaves(watch(tree.root, [])):
        node, key, index = origin
        place = place_in(tree, origin)
        if place not in places or key is None:
            continue
        places.remove(place)  # the narrative of a section is one leaf under two names
        value = dict.__getitem__(node, key)
        names = [name for name, _ in node.steps()]
        path = ".".join([*names, key])
        found.setdefault(path, []).append((place, value if index is None else value[index]))
    for path, here in found.items():
        yield Open(
            path=path, place=here[0][0], count=len(here), kind=kind_of([value for _, value in here]),
            value=_shown(here[0][1]) if show_values else None,
        )  # fmt: skip


def kind_of(values: list[Item]) -> str:
    """Say what kind of values these are, and never what they are."""
    if all(isinstance(value, bool) for value in values):
        return "true or false"
    if any(not isinstance(value, str) for value in values):
        return "number" if not any(isinstance(value, (str, bool)) for value in values) else "mixed"
    for name, pattern in _KINDS:
        if all(pattern.fullmatch(value) for value in values):
            return name
    return "long text" if any(len(value) > LONG for value in values) else "text"


def _shown(value: Item) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
