"""What two versions of the maps make of one source: where the results part, and which rules are behind it.

Compared are how the run ends, the results with the ids of their entries numbered in their order (so that one
entry more is one change and not many), the findings, and the leaves that no rule reads. A change names places
and codes of findings, never a value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from adapter.errors import AdapterError
from adapter.mapping.cases import differences, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.mapping.mapset import MapSet
    from adapter.mapping.nodes import Item
    from adapter.mapping.run import Outcome

Kind = Literal["ends", "result", "finding", "unaccounted"]
_INDEX = re.compile(r"\[\d+\]")
NEITHER = "SR002"
"""No map accepts the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that is not as before."""

    kind: Kind
    what: str
    """The element of the result, the finding's code with its place, or the leaf of the source."""
    old: str | None
    """Behind a result the rule that wrote it, `ward.map:28`; else `yes`; None if it was not there."""
    new: str | None

    @property
    def general(self) -> str:
        """The change without indexes, to count the same change over many sources."""
        return f"{self.kind} {_INDEX.sub('', self.what)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One source, seen by both versions."""

    source: str
    changes: tuple[Change, ...]
    is_mapped: bool
    """False if neither version accepts it or can read it."""


def compare(source: str, body: bytes, old: MapSet, new: MapSet, name: str, **options: Item) -> Compared:
    """Run one source through both; `name` is a map of both or `auto`, options are those of `Map.run`."""
    before, after = (_ended(maps, name, body, options) for maps in (old, new))
    changes: tuple[Change, ...]
    if isinstance(before, str) or isinstance(after, str):
        ends = [end if isinstance(end, str) else "a result" for end in (before, after)]
        what = "the source"
        changes = () if before == after else (Change(kind="ends", what=what, old=ends[0], new=ends[1]),)
        return Compared(source=source, changes=changes, is_mapped=bool(changes))
    changes = (*_results(before, after), *_findings(before, after), *_open(before, after))
    return Compared(source=source, changes=changes, is_mapped=True)


def _ended(maps: MapSet, name: str, body: bytes, options: dict[str, Item]) -> Outcome | str:
    """Give the outcome, or the code the run ends with."""
    try:
        if name == "auto":
            return maps.run(body, lineage=True, **options)
        return maps[name].run(body, lineage=True, **options)
    except AdapterError as error:
        return error.code


def _results(before: Outcome, after: Outcome) -> Iterator[Change]:
    for old, new in zip(before.resources, after.resources, strict=False):
        root = str(new.get("resourceType") or "")
        for path in differences(numbered(old), numbered(new)):
            # A list of another length says how long it is; a rule stands behind the element.
            whole = f"{root}.{path}" if root else path
            element = whole.partition(" ")[0]
            rules = [None if one.lineage is None else one.lineage.rule_of(element) for one in (before, after)]
            yield Change(kind="result", what=whole, old=rules[0], new=rules[1])
    if len(before.resources) != len(after.resources):
        counts = (str(len(before.resources)), str(len(after.resources)))
        yield Change(kind="result", what="number of results", old=counts[0], new=counts[1])


def _findings(before: Outcome, after: Outcome) -> Iterator[Change]:
    old, new = (
        {f"{issue.code} at {issue.source_field or '-'}" for issue in one.issues} for one in (before, after)
    )
    yield from _sets("finding", old, new)


def _open(before: Outcome, after: Outcome) -> Iterator[Change]:
    old, new = (
        set(one.accounting.unaccounted) if one.accounting is not None else set() for one in (before, after)
    )
    yield from _sets("unaccounted", old, new)


def _sets(kind: Kind, old: set[str], new: set[str]) -> Iterator[Change]:
    for what in sorted(old ^ new):
        yield Change(
            kind=kind, what=what, old="yes" if what in old else None, new="yes" if what in new else None
        )
