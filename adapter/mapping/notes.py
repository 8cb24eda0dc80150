"""Where what a run made comes from: what it noted of that, read when somebody asks.

While a map runs its source stands as the reader made it, and a note is a tuple of what there is at that
moment. All that takes time comes afterwards: the source is copied into nodes that know where they stand, and
an expression is asked again, over these, for the leaves that it looks at.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from adapter.errors import AdapterError
from adapter.mapping.nodes import (
    Chosen,
    Item,
    Primitive,
    Watched,
    Ways,
    leaf_key,
    looked_at,
    of_type,
    watch,
)
from adapter.mapping.run import Made, Run, RunFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from adapter.mapping.nodes import Origin, SourceTree
    from adapter.mapping.run import RuleMark

FAILED: Final = object()
"""Stands for the index in a note of what could not be made."""
UNKNOWN: Final = object()
"""Stands for the origin of a leaf that a plain build does not know."""
BY_NAME: Final = object()
"""Stands behind node, key and index in an origin that a plain build only supposes."""
Note: TypeAlias = "tuple[Any, ...]"
"""Noted, node, key, index, value found, value made, row of a table; then pairs of a value and its origin: of
what the rule was reading, and of all that the value was made of."""


@dataclass(frozen=True, slots=True, eq=False)
class Noted:
    """What all notes of one target of a rule have in common."""

    mark: RuleMark
    reading: Reading | None = None
    """How the value is read; None for a fixed one."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """How a value is made of variables, for whoever asks again what it looks at."""

    slots: tuple[int, ...]
    """Of the variables that count as what it was made of."""
    captured: tuple[int, ...]
    """Of all variables that a note of it holds; those of `slots` go first."""
    again: Callable[[list[Item]], Item] | None
    """Makes it once more of a frame; None where nothing is looked into."""
    is_variable: bool = False
    is_condition: bool = False
    conditions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class At:
    """The place of an issue: of a value, or what is looked at last when something is asked again."""

    value: Item
    origin: Item = None
    again: Callable[[Run, Callable[[Item], Item]], object] | None = None
    """Asks again, in another run, of what the function given makes of each value."""


@dataclass(slots=True)
class Write:
    """A value put into the target: where, from what, by which rule."""

    node: Made
    key: str
    index: int | None
    origins: tuple[Origin, ...]
    mark: RuleMark
    context: Origin | None
    row: str | None = None
    below: tuple[str | int, ...] = ()
    """The way inside of a copied value."""


class Unsure(Exception):
    """A plain build does not know where a leaf stands."""


def place_in(source: SourceTree, origin: Origin) -> str:
    """Name a place of a source in the sender's words."""
    node, key, index = origin
    if key == "c1" and len(node) == 1:
        # A field of one component is called by its own name: PR1-3, not PR1-3.1.
        key = None
    return source.place(node.steps(), key, index)


class Notes:
    """The notes of a run that is over, beside its source."""

    def __init__(self, run: Run, tree: SourceTree, *, is_in_part: bool = False) -> None:
        """`is_in_part`: of the source no more is copied than the places of issues take."""
        self.run = run
        self.tree = tree
        self.log: list[Origin] = []
        self._ways = Ways(tree.root, self.log) if is_in_part else None
        self.met: list[Origin] = []
        """Leaves that conditions and rules looked at, as far as was asked for."""
        self._where: dict[int, tuple[Origin, ...]] = {}
        self._known: dict[int, Watched] = {}

    @cached_property
    def root(self) -> Item:
        """The source, each node knowing where it stands; those that nobody has read are copied when asked."""
        return watch(self.tree.root, self.log, self._known)

    @cached_property
    def _again(self) -> Run:
        """A run for what is asked again: it gives no ids and no issues to anybody."""
        run = self.run
        return Run(run.concept_maps, run.constants, run.zone, run.source_id)

    def place(self, *, is_traced: bool) -> bool:
        """Give the issues their places, one for each place; False if a plain build does not know one."""
        run = self.run
        if not run.places:
            return True
        placed: dict[int, Item] = {}
        seen: set[tuple[str, RuleMark, str]] = set()
        for number, (issue, (mark, at)) in enumerate(zip(run.issues, run.places, strict=True)):
            try:
                place = self._place(mark, at)
            except Unsure:
                if not is_traced:
                    return False
                place = None
            if place is not None:
                key = issue.code, mark, place
                if key in seen:
                    continue
                seen.add(key)
                issue = replace(issue, source_field=place)
            placed[number] = issue
        run.issues[:] = placed.values()
        run.places.clear()
        return True

    def _place(self, mark: RuleMark, at: At | Note | int) -> str | None:
        if isinstance(at, At):
            if at.again is None:
                return self.place_of(self._origin(at.value, at.origin), at.value)
            again = at.again
            log = self._looks(lambda: again(self._again, self.watched))
            return self.place_of(log[-1] if log else self._origin(at.value, at.origin), at.value)
        if isinstance(at, int):
            note = self.run.notes[at] if at < len(self.run.notes) else None
            if note is None or note[0].mark is not mark:
                raise Unsure
        else:
            note = at
        where = self.where(note)
        return self.place_of(where[-1] if where else self.context(note[7], note[8]), None)

    def watched(self, value: Item) -> Item:
        """Return the node that knows where it stands for one of the source, and anything else as it is."""
        if value.__class__ is list:
            return [self.watched(one) for one in value]
        if not isinstance(value, dict):
            return value
        if isinstance(value, Chosen):
            return of_type(self.watched(value.original), value.type or "")
        there = self._node(value)
        if there is None and isinstance(value, Primitive):
            beside = self.watched(value.beside)
            copy: Item = value.__class__(dict.items(beside))
            copy.beside = beside
            if value.type is not None:
                copy.type = value.type
            if "value" in value:
                copy["value"] = value["value"]
            return copy
        return value if there is None else there

    def _node(self, value: dict[str, Item]) -> Watched | None:
        if self._ways is not None:
            return self._ways.of(value)
        _ = self.root
        return self._known.get(id(value))

    def place_of(self, origin: Origin | None, value: Item) -> str | None:
        """Name a place of the source in the sender's words: of `origin`, else of the node `value`."""
        if origin is None:
            node = self.watched(value)
            origin = (node, None, None) if isinstance(node, Watched) else None
        return None if origin is None else place_in(self.tree, origin)

    def context(self, value: Item, origin: Item) -> Origin | None:
        """Return where a rule was reading, which tells why a fixed value is there."""
        found = self._origin(value, origin)
        if found is None:
            node = self.watched(value)
            found = (node, None, None) if isinstance(node, Watched) else None
        return found

    def _origin(self, value: Item, origin: Item) -> Origin | None:
        """Return the leaf that a noted origin of a value means, if the source has it."""
        if origin is None:
            return None
        if origin is UNKNOWN:
            if isinstance(value, dict) or value is None:
                return None
            raise Unsure
        if origin[0].__class__ is Noted:
            where = self.where(origin)
            return where[0] if len(where) == 1 else None
        node, key, index, *other = origin
        if other and other[0] is BY_NAME:
            if isinstance(value, dict) or value is None:
                return None
            if not isinstance(node, dict) or isinstance(node, Primitive) or isinstance(node.get(key), list):
                raise Unsure
            other = []
        there = self.watched(node)
        if isinstance(there, Primitive):
            there = there.beside if key == "id" else None
        if isinstance(there, Watched):
            return there, key, index
        return self._origin(value, other[0]) if other else None

    def where(self, note: Note) -> tuple[Origin, ...]:
        """Return the source leaves that are in the value of a note."""
        known = self._where.get(id(note))
        if known is None:
            known = self._where[id(note)] = self._found(note)
        return known

    def _found(self, note: Note) -> tuple[Origin, ...]:
        reading: Reading | None = note[0].reading
        if reading is None:
            return ()
        pairs = list(zip(note[9::2], note[10::2], strict=True))
        if reading.is_variable:
            value, origin = pairs[0]
            found = self._origin(value, origin) or self._of_node(value)
            return () if found is None else (found,)
        where: list[Origin] = []
        for value, origin in pairs[: len(reading.slots)]:
            one = self._origin(value, origin)
            if one is None and reading.again is None:
                one = self._of_node(value)
            if one is not None:
                where.append(one)
        if reading.again is None:
            looked: list[Origin] = []
        else:
            looked = self._read_again(reading, [value for value, _ in pairs])
            where.extend(one for one in looked if one[1] is not None)
        found_all = _distinct(where)
        if note[3] is FAILED:
            return found_all
        if reading.is_condition:
            self.met.extend(looked_at(looked))
            return ()
        if reading.conditions:
            self.met.extend(one for one in found_all if one[1] in reading.conditions)
            found_all = tuple(one for one in found_all if one[1] not in reading.conditions)
        return self._chosen(found_all, note[4]) if len(found_all) > 1 else found_all

    def _of_node(self, value: Item) -> Origin | None:
        node = self.watched(value)
        return (node, leaf_key(node), None) if isinstance(node, Watched) else None

    def _read_again(self, reading: Reading, values: Sequence[Item]) -> list[Origin]:
        again = reading.again
        frame = self._frame(reading.captured, values)
        return [] if again is None else self._looks(lambda: again(frame))

    def _frame(self, slots: tuple[int, ...], values: Sequence[Item]) -> list[Item]:
        frame: list[Item] = [None] * (max(slots, default=0) + 1)
        frame[0] = self._again
        for slot, value in zip(slots, values, strict=True):
            frame[slot] = self.watched(value)
        return frame

    def _looks(self, ask: Callable[[], object]) -> list[Origin]:
        self.log.clear()
        with suppress(RunFault, AdapterError):  # noted when it happened
            ask()
        found = self.log[:]
        self.log.clear()
        return found

    def _chosen(self, found: tuple[Origin, ...], value: Item) -> tuple[Origin, ...]:
        """Of several leaves that were looked at, keep those that are the very value; else all of them."""
        same = tuple(one for one in found if one[1] is not None and _leaf(one) is value)
        if not same:
            return found
        self.met.extend(one for one in found if one not in same)
        return same[-1:]

    @cached_property
    def writes(self) -> list[Write]:
        """Every value that was put into the target."""
        found: list[Write] = []
        for note in self.run.notes:
            noted, node, key, index, value, made, row, reading, its_origin = note[:9]
            where = self.where(note)
            if made is None:
                self.met.extend(where)
                continue
            context = self.context(reading, its_origin)
            what = _Writing(found, where, noted.mark, context, row)
            what.add(node, key, index, self.watched(value), made)
        return found

    @cached_property
    def created(self) -> list[tuple[Made, Origin]]:
        """Made nodes, each with what the rule was reading."""
        return [
            (made, context)
            for made, value, origin in self.run.created
            if (context := self.context(value, origin)) is not None
        ]

    @cached_property
    def tested(self) -> list[Origin]:
        """Leaves that were looked at, by rules and conditions."""
        _ = self.writes
        for origin in self.run.met:
            found = self._origin(None, origin)
            if found is not None:
                self.met.append(found)
        for ask, value, slots, values in self.run.asked:
            asked = partial(ask, self._frame(slots, values), self.watched(value))
            self.met.extend(looked_at(self._looks(asked)))
        return self.met


@dataclass(frozen=True, slots=True)
class _Writing:
    """Gathers what one note says; a copied part is told leaf by leaf."""

    found: list[Write]
    where: tuple[Origin, ...]
    mark: RuleMark
    context: Origin | None
    row: str | None

    def add(self, node: Item, key: str, index: int | None, value: Item, made: Item) -> None:
        """Take what was put under `key`, made of `value`."""
        where, mark, context = self.where, self.mark, self.context
        if isinstance(made, list) and index is not None:
            first = index - len(made) + 1
            for at, one in enumerate(made):
                source = value[at] if isinstance(value, list) and at < len(value) else value
                _Writing(self.found, _chosen_item(where, source), mark, context, self.row).add(
                    node, key, first + at, source, one
                )
        elif isinstance(value, Primitive) and isinstance(made, Made):
            if "value" in made:
                self.found.append(Write(made, "value", None, where, mark, context, self.row))
            for below, origin in _leaves_below(value.beside, ()):
                self.found.append(Write(made, str(below[0]), None, (origin,), mark, context, None, below[1:]))
        elif isinstance(value, Watched) and isinstance(made, dict):
            for below, origin in _leaves_below(value, ()):
                self.found.append(Write(node, key, index, (origin,), mark, context, None, below))
        else:
            self.found.append(Write(node, key, index, where, mark, context, self.row))


def _distinct(found: list[Origin]) -> tuple[Origin, ...]:
    if len(found) < 2:
        return tuple(found)
    known: dict[tuple[int, Item, Item], Origin] = {}
    for node, key, index in found:
        known.setdefault((id(node), key, index), (node, key, index))
    return tuple(known.values())


def _leaf(origin: Origin) -> Item:
    node, key, index = origin
    value: Item = dict.get(node, key)  # type: ignore[misc]
    return value[index] if index is not None and isinstance(value, list) else value


def _chosen_item(where: tuple[Origin, ...], value: Item) -> tuple[Origin, ...]:
    same = tuple(one for one in where if one[1] is not None and _leaf(one) is value)
    return same[:1] or where


def _leaves_below(node: Item, way: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Origin]]:
    for key, value in node.items():
        if isinstance(value, list):
            for at, one in enumerate(value):
                if isinstance(one, dict):
                    yield from _leaves_below(one, (*way, key, at))
                else:
                    yield (*way, key, at), (node, key, at)
        elif isinstance(value, dict):
            yield from _leaves_below(value, (*way, key))
        else:
            yield (*way, key), (node, key, None)


def key_written(node: dict[str, Item], key: str, made: Item) -> str:
    """Return the key a value went to; of a choice it is known only now."""
    if key in node:
        return key
    for name, there in dict.items(node):
        if there is made:
            return name
    return key
