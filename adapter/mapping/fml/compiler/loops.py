"""Loops over what a source names: each value that stands there, with its place in a traced build."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from adapter.mapping.fml.compiler.scope import nothing
from adapter.mapping.models import choice_keys
from adapter.mapping.nodes import Item, Primitive, Watched, is_leaf, of_type, paired

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from adapter.mapping.fml.compiler.scope import Action, Frame, Var
    from adapter.mapping.fml.compiler.script import Script
    from adapter.mapping.run import RuleMark

Ask: TypeAlias = "Callable[[Frame, Item], Item]"
"""What is asked of a value, with the frame around it."""
Below: TypeAlias = "Callable[[Item, tuple[str, ...]], Item]"
"""Gives what stands under the first of some keys that is there."""


class Test(Protocol):
    """A condition of a source."""

    @property
    def ask(self) -> Ask:
        """The question itself."""

    def write(self, script: Script, value: int) -> str:
        """Write it about the variable in a slot; return the text of its answer."""


class Loop(Protocol):
    """One source of a rule, compiled."""

    @property
    def step(self) -> tuple[int, str] | None:
        """Slot and key, where it is nothing but one key down from a variable."""

    def around(self, actions: Sequence[Action]) -> Action:
        """Wrap what is to be done for each value, in a traced build."""

    def write(self, script: Script, inside: Callable[[], None]) -> None:
        """Write it around what `inside` writes, in a plain build."""


@dataclass(frozen=True, slots=True)
class Constantly:
    """A rule may begin at a constant: it runs once if the constant has a value."""

    name: str
    slot: int
    step: None = None

    def around(self, actions: Sequence[Action]) -> Action:
        """Wrap what is to be done."""
        name, slot = self.name, self.slot

        def run(frame: Frame) -> None:
            value = frame[0].constants.get(name)
            if value is not None:
                frame[slot] = value
                for action in actions:
                    action(frame)

        return run

    def write(self, script: Script, inside: Callable[[], None]) -> None:
        """Write it."""
        script.line(f"v{self.slot} = run.constants.get({script.name(self.name)})")
        with script.block(f"if v{self.slot} is not None:"):
            inside()


@dataclass(frozen=True, slots=True)
class Never:
    """A source that is faulty, which is noted: nothing is found."""

    step: None = None

    def around(self, _: Sequence[Action]) -> Action:
        """Do nothing."""
        return nothing

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
        is_plain = len(self.steps) == 1 and len(self.steps[0]) == 1 and self.below is below_in
        return (
            (self.context.slot, self.steps[0][0]) if is_plain and not self.tests and not self.choice else None
        )

    def around(self, actions: Sequence[Action]) -> Action:
        """Wrap what is to be done for each value."""
        tests = [test.ask for test in self.tests]
        if self.choice is not None or len(self.steps) > 1:
            return _choosing_loop(self, tests, actions)
        keys = self.steps[0] if self.steps else ()
        return _traced_loop(self.context.slot, keys, self.var.slot, tests, self.below, actions)

    def write(self, script: Script, inside: Callable[[], None]) -> None:
        """Write it."""
        if self.choice is not None:
            self._write_choice(script, self.choice, inside)
        elif not self.steps:
            with self._held(script):
                script.line(f"v{self.var.slot} = v{self.context.slot}")
                script.make_sure(self.var.slot)
                self._write_tests(script, inside)
        else:
            self._write_each(script, inside)

    def _held(self, script: Script) -> AbstractContextManager[None]:
        slot = self.context.slot
        return nullcontext() if script.is_sure(slot) else script.block(f"if v{slot} is not None:")

    def _write_each(self, script: Script, inside: Callable[[], None]) -> None:
        value, found = f"v{self.var.slot}", script.fresh()
        script.line(f"{found} = {self._found(script)}")
        with script.block(f"if {found} is not None:"):
            # A rule may write to the very list it reads, where that is no source.
            several = f"{found}.copy()" if self.var.is_written else found
            each = f"for {value} in {several} if {found}.__class__ is list else ({found},):"
            with script.loop(each), script.block(f"if {value} is not None:"):
                script.make_sure(self.var.slot)
                self._write_tests(script, inside)

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
        passed, value = script.fresh(), f"v{self.var.slot}"
        script.line(f"{passed} = []")
        with script.loop(
            f"for {value} in {script.name(way_to_each(self.steps, self.below))}(v{self.context.slot}):"
        ):
            script.make_sure(self.var.slot)
            self._write_tests(script, lambda: script.line(f"{passed}.append({value})"))
        frame = script.frame(choice.slots)
        context = f"v{self.context.slot}"
        with script.loop(f"for {value} in {script.name(choice.plain)}({frame}, {context}, {passed}):"):
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
                place = run.place_of(passed[1][1], passed[1][0])
                run.fault("MP303", self.mark, place, count=len(passed))
            passed = _MODES[self.mode](passed)
        least, most = self.cardinality or (0, None)
        if len(passed) < least or (most is not None and len(passed) > most):
            run.fault(
                "MP302", self.mark, run.place_of(None, context), least=least,
                most="*" if most is None else most, found=len(passed),
            )  # fmt: skip
        if not passed and self.default is not None:
            return [(value, None) for value in self.default(frame, context)]
        return passed

    def plain(self, frame: Frame, context: Item, passed: list[Item]) -> list[Item]:
        """Choose among values."""
        return [value for value, _ in self.of(frame, context, [(value, None) for value in passed])]


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


def _traced_loop(
    context: int,
    keys: tuple[str, ...],
    slot: int,
    tests: Sequence[Ask],
    below: Below,
    actions: Sequence[Action],
) -> Action:
    """The loop of most rules in a traced build."""
    guarded = _guarded(slot, tests, actions)

    def run_itself(frame: Frame) -> None:
        value = frame[context]
        if value is not None:
            frame[slot + 1] = frame[context + 1]
            guarded(frame, value)

    def run(frame: Frame) -> None:
        value = frame[context]
        if value is None:
            return
        met = frame[0].met
        for one, origin in _each_below(value, frame[context + 1], keys, below):
            if origin is not None:
                met.append(origin)
            frame[slot + 1] = origin
            guarded(frame, one)

    def run_step(frame: Frame) -> None:
        value = frame[context]
        if value.__class__ is not Watched:
            run(frame)
            return
        found = dict.get(value, key)
        if found.__class__ is list:
            run(frame)
        elif found is not None:
            origin = (value, key, None) if _has_place(found) else None
            if origin is not None:
                frame[0].met.append(origin)
            frame[slot + 1] = origin
            guarded(frame, found)

    if not keys:
        return run_itself
    key = keys[0]
    return run_step if len(keys) == 1 and below is below_in else run


def _guarded(slot: int, tests: Sequence[Ask], actions: Sequence[Action]) -> Callable[[Frame, Item], None]:
    if not tests:

        def take(frame: Frame, value: Item) -> None:
            frame[slot] = value
            for action in actions:
                action(frame)

        return take

    def test_and_take(frame: Frame, value: Item) -> None:
        frame[slot] = value
        for test in tests:
            if not test(frame, value):
                return
        for action in actions:
            action(frame)

    return test_and_take


def below_in(value: Item, keys: tuple[str, ...]) -> Item:
    """Return what stands under the first key that is there. The value of a leaf is the leaf."""
    if isinstance(value, dict):
        for key in keys:
            # To ask whether it is there reads a node that nobody has read; `get` would be noted.
            if key in value and (found := dict.get(value, key)) is not None:
                return found
        return None
    return value if keys[0] == "value" and value is not None and not isinstance(value, list) else None


def _choosing_loop(each: Each, tests: Sequence[Ask], actions: Sequence[Action]) -> Action:
    """The loop with everything in a traced build: several steps, list modes, cardinality, defaults."""
    context, slot, choice, below = each.context, each.var.slot, each.choice, each.below

    def items(frame: Frame) -> list[tuple[Item, Item]]:
        value = frame[context.slot]
        found = [] if value is None else [(value, frame[context.slot + 1])]
        for keys in each.steps:
            found = [pair for one, origin in found for pair in _each_below(one, origin, keys, below)]
        return found

    def passes(frame: Frame, value: Item, origin: Item) -> bool:
        frame[slot], frame[slot + 1] = value, origin
        if origin is not None and each.steps:
            frame[0].met.append(origin)
        return all(test(frame, value) for test in tests)

    def run(frame: Frame) -> None:
        passed = [(value, origin) for value, origin in items(frame) if passes(frame, value, origin)]
        if choice is not None:
            passed = choice.of(frame, frame[context.slot], passed)
        for value, origin in passed:
            frame[slot], frame[slot + 1] = value, origin
            for action in actions:
                action(frame)

    return run


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


def _each_below(value: Item, origin: Item, keys: tuple[str, ...], below: Below) -> list[tuple[Item, Item]]:
    """Return what stands under the keys, each with its place where that is known."""
    if isinstance(value, list):
        return [pair for one in value for pair in _each_below(one, origin, keys, below)]
    found = below(value, keys)
    if found is None:
        return []
    if value.__class__ is not Watched:
        place = _beside_origin(value, origin, keys[0])
        return [(one, place) for one in (found if isinstance(found, list) else (found,)) if one is not None]
    key = keys[0] if len(keys) == 1 else next(key for key in keys if {key, f"_{key}"} & value.keys())
    if isinstance(found, list):
        return [
            (one, (value, key, at) if _has_place(one) else None)
            for at, one in enumerate(found)
            if one is not None
        ]
    return [(found, (value, key, None) if _has_place(found) else None)]


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
