"""The reading side of a rule: find the elements, take those that its conditions let through, one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from adapter.fhir.decimals import ExactDecimal
from adapter.mapping.fml.compiler import expressions
from adapter.mapping.fml.compiler.scope import nothing
from adapter.mapping.fml.paths import bare_names
from adapter.mapping.nodes import Item, Primitive, Watched, is_leaf, looked_at, paired

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter.fhirpath.tree import Tree
    from adapter.mapping.fml.compiler.compilation import Compilation
    from adapter.mapping.fml.compiler.scope import Action, Frame, Scope, Var
    from adapter.mapping.fml.tree import Source
    from adapter.mapping.models import Shape
    from adapter.mapping.run import RuleMark


Test: TypeAlias = "Callable[[Frame, Item], Item]"
"""What is asked of a value, with the frame around it."""
Below: TypeAlias = "Callable[[Item, tuple[str, ...]], Item]"
"""Gives what stands under the first of some keys that is there."""
Compiling: TypeAlias = "Callable[..., Test | None]"


@dataclass(frozen=True, slots=True)
class Loop:
    """One source of a rule, compiled."""

    around: Callable[[Sequence[Action]], Action]
    """Wraps what is to be done for each value."""
    step: tuple[int, str] | None = None
    """Slot and key, where it is nothing but one key down from a variable."""


def loop(compilation: Compilation, scope: Scope, source: Source, mark: RuleMark) -> Loop:
    """Compile one source of a rule to what wraps the rest of the rule in a loop.

    Binds the variable in `scope` and makes it the focus.
    """
    context = scope.vars.get(source.context)
    if context is None and source.context in scope.constants:
        return Loop(_constant_loop(scope, source))
    if context is None:
        compilation.no_variable(scope, source.span, source.context, scope.vars)
        scope.bind(source.variable, "source")
        return Loop(lambda _: nothing)
    steps, shape, kind = _steps(compilation, scope, context, source)
    outside = expressions.names_in_scope(scope)
    var = scope.bind(source.variable, "source", shape, kind)
    scope.focus = var
    tests = _tests(compilation, scope, source, mark, _Condition(compilation, scope, mark, outside, var))
    default = _default(compilation, scope, source, mark)
    may_have_beside = scope.is_fhir and not (shape is not None and shape.kind in ("complex", "resource"))
    below = _below_fhir if may_have_beside else _below
    is_plain = not (source.mode or source.cardinality or default or compilation.is_traced)
    if is_plain and len(steps) <= 1:
        is_step = len(steps) == 1 and len(steps[0]) == 1 and not tests and not may_have_beside
        around = _fast_loop(context.slot, steps[0] if steps else (), var.slot, tests, below)
        return Loop(around, (context.slot, steps[0][0]) if is_step else None)
    if len(steps) <= 1 and not (source.mode or source.cardinality or default):
        return Loop(_traced_loop(context.slot, steps[0] if steps else (), var.slot, tests, below))
    return Loop(_full_loop(compilation, context, steps, var, source, tests, default, mark, below))


def _constant_loop(scope: Scope, source: Source) -> Callable[[Sequence[Action]], Action]:
    """A rule may begin at a constant: it runs once if the constant has a value."""
    var = scope.bind(source.variable, "source")
    name = source.context

    def bind(actions: Sequence[Action]) -> Action:
        def run(frame: Frame) -> None:
            value = frame[0].constants.get(name)
            if value is not None:
                frame[var.slot] = value
                for action in actions:
                    action(frame)

        return run

    return bind


def _steps(
    compilation: Compilation, scope: Scope, context: Var, source: Source
) -> tuple[list[tuple[str, ...]], Shape | None, str | None]:
    """Turn the path into keys to look for at each step, and tell the type at its end.

    A choice element has several keys; a type filter leaves those of its type.
    """
    shape, kind = context.shape, context.kind
    steps: list[tuple[str, ...]] = []
    for at, name in enumerate(source.path):
        is_last = at == len(source.path) - 1
        if shape is None:
            steps.append((name,))
            kind = None
            continue
        slot = shape.slots.get(name)
        if slot is None and shape.kind == "resource" and shape.is_abstract:
            steps.append((name,))
            shape, kind = None, None
            continue
        if slot is None:
            near = shape.nearest(name)
            compilation.faults.add(
                "MP207", scope.file, source.span, element=name, type=shape.name, near=near or "-"
            )
            return [*steps, (name,)], None, None
        types = slot.types
        if is_last and source.type is not None:
            wanted = source.type.rpartition(".")[2]
            types = tuple(one for one in types if one == wanted) or types
        steps.append(tuple(dict.fromkeys(slot.key(one) for one in types)) or (name,))
        kind = types[0] if len(types) == 1 else None
        shape = compilation.models.of_element(shape, kind) if kind else None
    if source.type is not None and (shape is None or shape.is_abstract):
        shape = _filter_shape(compilation, scope, source)
    return steps, shape, kind


def _filter_shape(compilation: Compilation, scope: Scope, source: Source) -> Shape | None:
    name = source.type or ""
    if scope.is_fhir or any(use.name == name for use in scope.file.uses):
        return compilation.type_named(scope.file, name, source.span)
    return None


_LEAF_TYPES = {
    "string": str, "boolean": bool, "integer": int, "decimal": (int, ExactDecimal), "code": str, "uri": str,
    "date": str, "dateTime": str, "instant": str, "id": str, "markdown": str, "url": str, "canonical": str,
    "positiveInt": int, "unsignedInt": int, "time": str, "oid": str, "uuid": str, "base64Binary": str,
}  # fmt: skip


def is_of_type(value: Item, name: str) -> bool:
    """True if a source value is of type `name`: by its node's type, its resourceType, or what JSON tells."""
    if isinstance(value, Primitive):
        value = value.get("value")
    if isinstance(value, dict):
        kind = getattr(value, "type", None) or value.get("resourceType")
        return kind is None or kind == name
    expected = _LEAF_TYPES.get(name)
    return isinstance(value, expected) if expected else False  # type: ignore[arg-type]


class _Condition:
    """Compiles the conditions of one source.

    They see the variables around the rule, and its own variable too. Where what is read has an element of the
    very name of that variable (`src.item as item where (item.exists())`), the element is meant, as in the
    reference engine.
    """

    def __init__(
        self, compilation: Compilation, scope: Scope, mark: RuleMark, around: set[str], var: Var
    ) -> None:
        self.compilation = compilation
        self.scope = scope
        self.mark = mark
        self.around = around
        self.var = var

    def compiled(self, tree: Tree, kind: Compiling = expressions.condition) -> Test | None:
        """Compile one condition; with `expressions.expression` for `kind` it gives the values themselves."""
        own = self.var.name
        names = {*self.around, own} if own else self.around
        with_own = kind(self.compilation, self.scope, tree, self.mark, names=names)
        if not own or own in self.around or own not in bare_names(tree):
            return with_own
        without = kind(self.compilation, self.scope, tree, self.mark, names=self.around)
        if with_own is None or without is None:
            return None

        def condition(frame: Frame, value: Item) -> Item:
            has_element = isinstance(value, dict) and own in value
            return without(frame, value) if has_element else with_own(frame, value)

        return condition


def _tests(
    compilation: Compilation, scope: Scope, source: Source, mark: RuleMark, condition: _Condition
) -> list[Test]:
    tests: list[Test] = []
    if source.type is not None:
        wanted = source.type.rpartition(".")[2]
        tests.append(lambda _, value: is_of_type(value, wanted))
    if source.where is not None:
        where = condition.compiled(source.where)
        if where is not None:
            tests.append(_watching(where) if compilation.is_traced else where)
    if source.check is not None:
        check = condition.compiled(source.check)
        if check is not None:
            slot = condition.var.slot + 1 if compilation.is_traced else None
            tests.append(_checking(check, mark, slot))
    if source.log is not None:
        log = condition.compiled(source.log, expressions.expression)
        if log is not None:
            tests.append(_logging(log, mark))
    return tests


def _watching(where: Test) -> Test:
    """In a traced build the leaves a condition looks at count as tested."""

    def test(frame: Frame, value: Item) -> bool:
        run = frame[0]
        run.log.clear()
        result = bool(where(frame, value))
        run.met.extend(looked_at(run.log))
        return result

    return test


def _checking(check: Test, mark: RuleMark, origin_slot: int | None) -> Test:
    def test(frame: Frame, value: Item) -> bool:
        run = frame[0]
        run.log.clear()
        if not check(frame, value):
            origin = run.log[-1] if run.log else frame[origin_slot] if origin_slot is not None else None
            run.fault("MP304", mark, run.place_of(origin, value))
        run.met.extend(looked_at(run.log))
        return True

    return test


def _logging(log: Test, mark: RuleMark) -> Test:
    def test(frame: Frame, value: Item) -> bool:
        frame[0].said.append((mark.rule, " ".join(str(one) for one in log(frame, value))))
        return True

    return test


def _default(
    compilation: Compilation, scope: Scope, source: Source, mark: RuleMark
) -> Callable[[Frame, Item], Item] | None:
    if source.default is None:
        return None
    return expressions.expression(compilation, scope, source.default, mark)


def _fast_loop(
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

        if len(keys) == 1 and not tests and below is _below:
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


def _traced_loop(
    context: int, keys: tuple[str, ...], slot: int, tests: Sequence[Test], below: Below
) -> Callable[[Sequence[Action]], Action]:
    """The loop of most rules in a traced build."""

    def bind(actions: Sequence[Action]) -> Action:
        guarded = _guarded(slot, tests, actions)

        def run(frame: Frame) -> None:
            value = frame[context]
            if value is None:
                return
            found = [(value, frame[context + 1])]
            if keys:
                found = _each_below(value, found[0][1], keys, below)
                frame[0].met += [origin for _, origin in found if origin is not None]
            for one, origin in found:
                frame[slot + 1] = origin
                guarded(frame, one)

        return run

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


def _below(value: Item, keys: tuple[str, ...]) -> Item:
    """Return what stands under the first key that is there. The value of a leaf is the leaf."""
    if isinstance(value, dict):
        for key in keys:
            found = dict.get(value, key)
            if found is not None:
                return found
        return None
    return value if keys[0] == "value" and value is not None and not isinstance(value, list) else None


def _full_loop(
    compilation: Compilation,
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
    traced, slot = compilation.is_traced, var.slot
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


def _below_fhir(value: Item, keys: tuple[str, ...]) -> Item:
    """Do the same in FHIR, where id and extensions of a primitive stand beside it."""
    if isinstance(value, dict):
        for key in keys:
            found = paired(value, key)
            if found is not None:
                return found
        return None
    return _below(value, keys)


def _each_below(value: Item, origin: Item, keys: tuple[str, ...], below: Below) -> list[tuple[Item, Item]]:
    """Return what stands under the keys, each with its place where that is known."""
    if isinstance(value, list):
        return [pair for one in value for pair in _each_below(one, origin, keys, below)]
    found = below(value, keys)
    if found is None:
        return []
    if not isinstance(value, Watched):
        place = _beside_origin(value, origin, keys[0])
        return [(one, place) for one in (found if isinstance(found, list) else (found,)) if one is not None]
    key = next(key for key in keys if {key, f"_{key}"} & value.keys())
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
