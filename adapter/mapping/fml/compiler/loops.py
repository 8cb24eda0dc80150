"""Loops over what a source names: each value that stands there, with its place in a traced build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from adapter.mapping.nodes import Item, Primitive, Watched, is_leaf, paired

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter.mapping.fml.compiler.scope import Action, Frame, Var
    from adapter.mapping.fml.tree import Source
    from adapter.mapping.run import RuleMark

Test: TypeAlias = "Callable[[Frame, Item], Item]"
"""What is asked of a value, with the frame around it."""
Below: TypeAlias = "Callable[[Item, tuple[str, ...]], Item]"
"""Gives what stands under the first of some keys that is there."""


@dataclass(frozen=True, slots=True)
class Loop:
    """One source of a rule, compiled."""

    around: Callable[[Sequence[Action]], Action]
    """Wraps what is to be done for each value."""
    step: tuple[int, str] | None = None
    """Slot and key, where it is nothing but one key down from a variable."""


def constant_loop(name: str, slot: int) -> Callable[[Sequence[Action]], Action]:
    """A rule may begin at a constant: it runs once if the constant has a value."""

    def bind(actions: Sequence[Action]) -> Action:
        def run(frame: Frame) -> None:
            value = frame[0].constants.get(name)
            if value is not None:
                frame[slot] = value
                for action in actions:
                    action(frame)

        return run

    return bind


def fast_loop(
    context: int, keys: tuple[str, ...], slot: int, tests: Sequence[Test], below: Below
) -> Callable[[Sequence[Action]], Action]:
    """The loop of most rules: one step down at most, and nothing but conditions."""
    key = keys[0] if keys else ""

    def bind(actions: Sequence[Action]) -> Action:
        guarded = _guarded(slot, tests, actions)
        if not keys:

            def run_itself(frame: Frame) -> None:
                value = frame[context]
                if value is not None:
                    guarded(frame, value)

            return run_itself

        if len(keys) == 1 and not tests and below is below_in:
            return _plain_step(context, key, slot, actions)

        def run(frame: Frame) -> None:
            value = frame[context]
            for one in value.copy() if value.__class__ is list else (value,):
                found = below(one, keys)
                if found is None:
                    continue
                for item in found.copy() if found.__class__ is list else (found,):
                    if item is not None:
                        guarded(frame, item)

        return run

    return bind


def _plain_step(context: int, key: str, slot: int, actions: Sequence[Action]) -> Action:
    """One key down, no conditions: what nearly every rule does."""

    def run(frame: Frame) -> None:
        value = frame[context]
        if isinstance(value, dict):
            found = value.get(key)
        elif value.__class__ is list:
            for one in value:
                frame[context] = one
                run(frame)
            frame[context] = value
            return
        else:
            found = value if key == "value" else None
        if found is None:
            return
        if found.__class__ is not list:
            frame[slot] = found
            for action in actions:
                action(frame)
            return
        for one in found.copy():  # a rule may write to the very list it reads
            if one is not None:
                frame[slot] = one
                for action in actions:
                    action(frame)

    return run


def traced_loop(
    context: int, keys: tuple[str, ...], slot: int, tests: Sequence[Test], below: Below
) -> Callable[[Sequence[Action]], Action]:
    """The loop of most rules in a traced build."""

    def bind(actions: Sequence[Action]) -> Action:
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

        return run if keys else run_itself

    return bind


def _guarded(slot: int, tests: Sequence[Test], actions: Sequence[Action]) -> Callable[[Frame, Item], None]:
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


def full_loop(
    traced: bool,
    context: Var,
    steps: list[tuple[str, ...]],
    var: Var,
    source: Source,
    tests: Sequence[Test],
    default: Callable[[Frame, Item], Item] | None,
    mark: RuleMark,
    below: Below,
) -> Callable[[Sequence[Action]], Action]:
    """The loop with everything: several steps, list modes, cardinality, defaults, origins."""
    slot = var.slot
    choose = _MODES.get(source.mode or "")
    least, most = source.cardinality or (0, None)

    def items(frame: Frame) -> list[tuple[Item, Item]]:
        value = frame[context.slot]
        found = [] if value is None else [(value, frame[context.slot + 1] if traced else None)]
        for keys in steps:
            found = [pair for one, origin in found for pair in _each_below(one, origin, keys, below)]
        return found

    def bind(actions: Sequence[Action]) -> Action:
        def run(frame: Frame) -> None:
            passed = [(value, origin) for value, origin in items(frame) if passes(frame, value, origin)]
            if choose is not None:
                if source.mode == "only_one" and len(passed) > 1:
                    frame[0].fault(
                        "MP303", mark, frame[0].place_of(passed[1][1], passed[1][0]), count=len(passed)
                    )
                passed = choose(passed)
            if len(passed) < least or (most is not None and len(passed) > most):
                frame[0].fault(
                    "MP302", mark, frame[0].place_of(None, frame[context.slot]), least=least,
                    most="*" if most is None else most, found=len(passed),
                )  # fmt: skip
            if not passed and default is not None:
                passed = [(value, None) for value in default(frame, frame[context.slot])]
            for value, origin in passed:
                frame[slot] = value
                if traced:
                    frame[slot + 1] = origin
                for action in actions:
                    action(frame)

        return run

    def passes(frame: Frame, value: Item, origin: Item) -> bool:
        frame[slot] = value
        if traced:
            frame[slot + 1] = origin
            if origin is not None and source.path:
                frame[0].met.append(origin)
        return all(test(frame, value) for test in tests)

    return bind


def below_fhir(value: Item, keys: tuple[str, ...]) -> Item:
    """Return the same of FHIR, where id and extensions of a primitive stand beside it."""
    if isinstance(value, dict):
        for key in keys:
            found = paired(value, key)
            if found is not None:
                return found
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
