"""Loops over what a source names: each value that stands there, in a traced script with its place."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from adapter.mapping.models import choice_keys
from adapter.mapping.nodes import Item, Primitive, is_leaf, of_type, paired
from adapter.mapping.notes import UNKNOWN, At

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from adapter.mapping.fml.compiler.scope import Frame, Var
    from adapter.mapping.fml.compiler.script import Script
    from adapter.mapping.run import RuleMark

Ask: TypeAlias = "Callable[[Frame, Item], Item]"
"""What is asked of a value, with the frame around it."""
Below: TypeAlias = "Callable[[Item, tuple[str, ...]], Item]"
"""Gives what stands under the first of some keys that is there."""


class Test(Protocol):
    """A condition of a source."""

    def write(self, script: Script, value: int) -> str:
        """Write it about the variable in a slot; return the text of its answer."""


class Loop(Protocol):
    """One source of a rule, compiled."""

    @property
    def step(self) -> tuple[int, str] | None:
        """Slot and key, where it is nothing but one key down from a variable."""

    def write(self, script: Script, inside: Callable[[], None]) -> None:
        """Write it around what `inside` writes."""


@dataclass(frozen=True, slots=True)
class Constantly:
    """A rule may begin at a constant: it runs once if the constant has a value."""

    name: str
    slot: int
    step: None = None

    def write(self, script: Script, inside: Callable[[], None]) -> None:
        """Write it."""
        script.line(f"v{self.slot} = run.constants.get({script.name(self.name)})")
        with script.block(f"if v{self.slot} is not None:"):
            inside()


@dataclass(frozen=True, slots=True)
class Never:
    """A source that is faulty, which is noted: nothing is found."""

    step: None = None

    def write(self, script: Script, inside: Callable[[], None]) -> None:
        """Write nothing that runs."""
        with script.block("if False:"):
            inside()


@dataclass(frozen=True, slots=True)
class Each:
    """Each value that stands at a path and that the conditions let through."""

    context: Var
    steps: tuple[tuple[str, ...], ...]
    """The keys to look for at each step: of a choice element several."""
    var: Var
    tests: tuple[Test, ...]
    below: Below
    choice: Choice | None = None
    """What has to know all that are found: a list mode, a cardinality, a default."""

    @property
    def step(self) -> tuple[int, str] | None:
        """Slot and key, where it is nothing but one key down from a variable."""
        key = self._key
        return (self.context.slot, key) if key is not None and not self.tests and not self.choice else None

    def write(self, script: Script, inside: Callable[[], None]) -> None:
        """Write it."""
        if self.choice is not None:
            self._write_choice(script, self.choice, inside)
        elif not self.steps:
            with self._held(script):
                script.line(f"v{self.var.slot} = v{self.context.slot}")
                if script.is_traced:
                    script.line(f"o{self.var.slot} = o{self.context.slot}")
                script.comes_from(self.var.slot, self.context.slot)
                script.make_sure(self.var.slot)
                self._write_tests(script, inside)
        elif script.is_traced:
            self._write_each_traced(script, inside)
        else:
            self._write_each(script, inside)

    @property
    def _key(self) -> str | None:
        """The key, where it is one key down and no more."""
        is_one = len(self.steps) == 1 and len(self.steps[0]) == 1 and self.below is below_in
        return self.steps[0][0] if is_one else None

    def _held(self, script: Script) -> AbstractContextManager[None]:
        slot = self.context.slot
        return nullcontext() if script.is_sure(slot) else script.block(f"if v{slot} is not None:")

    def _write_each(self, script: Script, inside: Callable[[], None]) -> None:
        value, found = f"v{self.var.slot}", self._read(script)
        with script.block(f"if {found} is not None:"):
            # A rule may write to the very list it reads, where that is no source.
            several = f"{found}.copy()" if self.var.is_written else found
            each = f"for {value} in {several} if {found}.__class__ is list else ({found},):"
            with script.loop(each), script.block(f"if {value} is not None:"):
                script.make_sure(self.var.slot)
                if (key := self._key) is not None:
                    script.comes_from(self.var.slot, (self.context.slot, key))
                self._write_tests(script, inside)

    def _write_each_traced(self, script: Script, inside: Callable[[], None]) -> None:
        value, origin, key = f"v{self.var.slot}", f"o{self.var.slot}", self._key
        context = f"v{self.context.slot}, o{self.context.slot}"
        pairs = f"{script.name(way_to_places(self.steps, self.below))}({context})"
        if key is None or key == "value":
            with script.loop(f"for {value}, {origin} in {pairs}:"):
                self._write_inside(script, inside)
            return
        found = self._read(script)
        with script.block(f"if {found} is not None:"):
            place = f"(v{self.context.slot}, {script.name(key)}, None)"
            several = f"(({found}, {place}),) if {found}.__class__ is str else {pairs}"
            with script.loop(f"for {value}, {origin} in {several}:"):
                self._write_inside(script, inside)

    def _write_inside(self, script: Script, inside: Callable[[], None]) -> None:
        script.make_sure(self.var.slot)
        with script.block(f"if o{self.var.slot} is not None:"):
            script.line(f"{script.adding('met')}(o{self.var.slot})")
        self._write_tests(script, inside)

    def _read(self, script: Script) -> str:
        """Return the local variable that holds what stands at the path; it is read once for neighbours."""
        if not self.context.is_written:
            return script.once((self.context.slot, self.steps, self.below), lambda: self._found(script))
        found = script.fresh()
        script.line(f"{found} = {self._found(script)}")
        return found

    def _found(self, script: Script) -> str:
        """Return the text of what stands at the path: a value, a list of them, or None."""
        context = f"v{self.context.slot}"
        if len(self.steps) == 1 and len(self.steps[0]) == 1 and self.below is below_in:
            key = self.steps[0][0]
            beside = f"{script.name(beside_nodes)}({context}, {script.name(key)})"
            return f"{context}.get({script.name(key)}) if isinstance({context}, dict) else {beside}"
        return f"{script.name(way_down(self.steps, self.below))}({context})"

    def _write_tests(self, script: Script, inside: Callable[[], None]) -> None:
        with ExitStack() as blocks:
            for test in self.tests:
                blocks.enter_context(script.block(f"if {test.write(script, self.var.slot)}:"))
            inside()

    def _write_choice(self, script: Script, choice: Choice, inside: Callable[[], None]) -> None:
        passed, value, origin = script.fresh(), f"v{self.var.slot}", f"o{self.var.slot}"
        context = f"v{self.context.slot}"
        script.line(f"{passed} = []")
        way = script.name(way_to_places(self.steps, self.below))
        if script.is_traced:
            with script.loop(f"for {value}, {origin} in {way}({context}, o{self.context.slot}):"):
                self._write_inside(script, lambda: script.line(f"{passed}.append(({value}, {origin}))"))
        else:
            beside = script.origin(self.context.slot) if not self.steps else script.name(UNKNOWN)
            each = script.name(way_to_each(self.steps, self.below))
            with script.loop(f"for {value} in {each}({context}):"):
                script.make_sure(self.var.slot)
                self._write_tests(script, lambda: script.line(f"{passed}.append(({value}, {beside}))"))
        frame = script.frame(choice.slots)
        pair = f"{value}, {origin}" if script.is_traced else f"{value}, {script.fresh()}"
        with script.loop(f"for {pair} in {script.name(choice.of)}({frame}, {context}, {passed}):"):
            script.make_sure(self.var.slot)
            inside()


@dataclass(frozen=True, slots=True)
class Choice:
    """What a source takes of all that is found: by list mode and cardinality, or what stands for nothing."""

    mode: str | None
    cardinality: tuple[int, int | None] | None
    default: Callable[[Frame, Item], Item] | None
    slots: tuple[int, ...]
    """Variables that the default may read."""
    mark: RuleMark

    def of(self, frame: Frame, context: Item, passed: list[tuple[Item, Item]]) -> list[tuple[Item, Item]]:
        """Choose among values, each with its place or None."""
        run = frame[0]
        if self.mode is not None:
            if self.mode == "only_one" and len(passed) > 1:
                run.fault("MP303", self.mark, At(*passed[1]), count=len(passed))
            passed = _MODES[self.mode](passed)
        least, most = self.cardinality or (0, None)
        if len(passed) < least or (most is not None and len(passed) > most):
            run.fault(
                "MP302", self.mark, At(context), least=least, most="*" if most is None else most,
                found=len(passed),
            )  # fmt: skip
        if not passed and self.default is not None:
            return [(value, None) for value in self.default(frame, context)]
        return passed


def beside_nodes(value: Item, key: str) -> Item:
    """Return what stands below something that is not a node: of several each, of a leaf its value."""
    if value.__class__ is list:
        return _below_each(value, (key,), below_in)
    return value if key == "value" else None


def _below_each(values: list[Item], keys: tuple[str, ...], below: Below) -> list[Item]:
    found: list[Item] = []
    for one in values:
        there = _below_each(one, keys, below) if one.__class__ is list else below(one, keys)
        if there.__class__ is list:
            found += there
        elif there is not None:
            found.append(there)
    return found


def way_down(steps: tuple[tuple[str, ...], ...], below: Below) -> Callable[[Item], Item]:
    """Return what goes down: it gives a value, a list of them, or None."""
    if below is below_in and all(len(keys) == 1 for keys in steps):
        return _way_by_names(tuple(keys[0] for keys in steps))

    def down(value: Item) -> Item:
        for keys in steps:
            if value is None:
                return None
            value = _below_each(value, keys, below) if value.__class__ is list else below(value, keys)
        return value

    return down


def _way_by_names(names: tuple[str, ...]) -> Callable[[Item], Item]:
    def down(value: Item) -> Item:
        for name in names:
            if isinstance(value, dict):
                value = value.get(name)
            elif value is None:
                return None
            else:
                value = beside_nodes(value, name)
        return value

    return down


def way_to_each(steps: tuple[tuple[str, ...], ...], below: Below) -> Callable[[Item], list[Item]]:
    """Return what goes down and gives a list."""
    down = way_down(steps, below)

    def each(value: Item) -> list[Item]:
        found = down(value)
        return [one for one in (found if found.__class__ is list else (found,)) if one is not None]

    return each


def below_in(value: Item, keys: tuple[str, ...]) -> Item:
    """Return what stands under the first key that is there. The value of a leaf is the leaf."""
    if isinstance(value, dict):
        for key in keys:
            # To ask whether it is there reads a node that nobody has read; `get` would be noted.
            if key in value and (found := dict.get(value, key)) is not None:
                return found
        return None
    return value if keys[0] == "value" and value is not None and not isinstance(value, list) else None


def below_fhir(value: Item, keys: tuple[str, ...]) -> Item:
    """Return the same of FHIR, where id and extensions of a primitive stand beside it.

    What stands in a choice element knows its type, which only the key says.
    """
    if isinstance(value, dict):
        for key in keys:
            found = paired(value, key)
            if found is not None:
                return found if len(keys) == 1 else of_type(found, choice_keys()[key][1])
        return None
    return below_in(value, keys)


def way_to_places(
    steps: tuple[tuple[str, ...], ...], below: Below
) -> Callable[[Item, Item], list[tuple[Item, Item]]]:
    """Return what goes down and gives a list of each value with its origin, where it has one of its own."""

    def each(value: Item, origin: Item) -> list[tuple[Item, Item]]:
        found = [] if value is None else [(value, origin)]
        for keys in steps:
            found = [pair for one, place in found for pair in _each_below(one, place, keys, below)]
        return found

    def each_of_one(value: Item, origin: Item) -> list[tuple[Item, Item]]:
        return _each_below(value, origin, keys, below)

    keys = steps[0] if steps else ()
    return each_of_one if len(steps) == 1 else each


def _each_below(value: Item, origin: Item, keys: tuple[str, ...], below: Below) -> list[tuple[Item, Item]]:
    """Return what stands under the keys, each with its place where that is known."""
    if value.__class__ is list:
        return [pair for one in value for pair in _each_below(one, origin, keys, below)]
    found = below(value, keys)
    if found is None:
        return []
    if not isinstance(value, dict) or isinstance(value, Primitive):
        place = _beside_origin(value, origin, keys[0])
        return [(one, place) for one in (found if found.__class__ is list else (found,)) if one is not None]
    key = keys[0] if len(keys) == 1 else next(key for key in keys if {key, f"_{key}"} & value.keys())
    # What is no node of the source has no place; its value may have been made of something that has.
    other = (origin,) if key == "value" else ()
    if found.__class__ is list:
        return [
            (one, (value, key, at, *other) if _has_place(one) else None)
            for at, one in enumerate(found)
            if one is not None
        ]
    return [(found, (value, key, None, *other) if _has_place(found) else None)]


def _has_place(value: Item) -> bool:
    return is_leaf(value) or isinstance(value, Primitive)


def _beside_origin(value: Item, origin: Item, key: str) -> Item:
    """Return where a part of something without a place of its own stands."""
    if not isinstance(value, dict) or key == "value":
        return origin
    return (value.beside, key, None) if isinstance(value, Primitive) and key == "id" else None


_MODES: dict[str, Callable[[list[Item]], list[Item]]] = {
    "first": lambda items: items[:1],
    "last": lambda items: items[-1:],
    "not_first": lambda items: items[1:],
    "not_last": lambda items: items[:-1],
    "only_one": lambda items: items if len(items) == 1 else [],
}
