"""The reading side of a rule: find the elements, take those that its conditions let through, one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.fhir.decimals import ExactDecimal
from adapter.mapping.fml.compiler import expressions
from adapter.mapping.fml.compiler.expressions import Condition
from adapter.mapping.fml.compiler.loops import Choice, Constantly, Each, Never, below_fhir, below_in
from adapter.mapping.fml.paths import bare_names
from adapter.mapping.nodes import Item, Primitive
from adapter.mapping.notes import At

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.tree import Tree
    from adapter.mapping.fml.compiler.compilation import Compilation
    from adapter.mapping.fml.compiler.loops import Ask, Loop, Test
    from adapter.mapping.fml.compiler.scope import Frame, Scope, Var
    from adapter.mapping.fml.compiler.script import Script
    from adapter.mapping.fml.tree import Source
    from adapter.mapping.models import Shape
    from adapter.mapping.run import RuleMark


def loop(compilation: Compilation, scope: Scope, source: Source, mark: RuleMark) -> Loop:
    """Compile one source of a rule to what wraps the rest of the rule in a loop.

    Binds the variable in `scope` and makes it the focus.
    """
    context = scope.vars.get(source.context)
    if context is None and source.context in scope.constants:
        return Constantly(source.context, scope.bind(source.variable, "source").slot)
    if context is None:
        compilation.no_variable(scope, source.span, source.context, scope.vars)
        scope.bind(source.variable, "source")
        return Never()
    steps, shape, kind, found = _steps(compilation, scope, context, source)
    outside = expressions.names_in_scope(scope)
    var = scope.bind(source.variable, "source", shape, kind, is_written=context.is_written)
    scope.focus = var
    tests = _tests(
        compilation, scope, source, mark, _Condition(compilation, scope, mark, outside, var, found)
    )
    default = _default(compilation, scope, source, mark)
    may_have_beside = scope.is_fhir and not (shape is not None and shape.kind in ("complex", "resource"))
    below = below_fhir if may_have_beside else below_in
    choice = None
    if source.mode or source.cardinality or default:
        slots = () if source.default is None else expressions.slots_of(scope, source.default)
        choice = Choice(source.mode, source.cardinality, default, slots, mark)
    return Each(context, tuple(steps), var, tuple(tests), below, choice)


def _steps(
    compilation: Compilation, scope: Scope, context: Var, source: Source
) -> tuple[list[tuple[str, ...]], Shape | None, str | None, Shape | None]:
    """Turn the path into keys to look for at each step, and tell the type at its end, filtered and not.

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
        if slot is None and scope.is_fhir and name in shape.order:
            # The JSON name of a choice (`valueString`) says element and type at once.
            steps.append((name,))
            kind = shape.order[name][2]
            shape = compilation.models.of_element(shape, kind)
            continue
        if slot is None:
            near = shape.nearest(name)
            compilation.faults.add(
                "MP207", scope.file, source.span, element=name, type=shape.name, near=near or "-"
            )
            return [*steps, (name,)], None, None, None
        types = slot.types
        if is_last and source.type is not None:
            wanted = source.type.rpartition(".")[2]
            types = tuple(one for one in types if one == wanted) or types
        steps.append(tuple(dict.fromkeys(slot.key(one) for one in types)) or (name,))
        kind = types[0] if len(types) == 1 else None
        shape = compilation.models.of_element(shape, kind) if kind else None
    found = shape
    if source.type is not None and (shape is None or shape.is_abstract):
        shape = _filter_shape(compilation, scope, source)
    return steps, shape, kind, found


def choice_types(scope: Scope, source: Source) -> tuple[str, ...]:
    """Return the types that a choice element of FHIR may be of, if the source leaves it open."""
    context = scope.vars.get(source.context)
    if source.type is not None or len(source.path) != 1 or context is None or context.shape is None:
        return ()
    slot = context.shape.slots.get(source.path[0])
    return slot.types if scope.is_fhir and slot is not None and slot.is_choice else ()


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
        if value.type is not None:
            return value.type == name
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
        self,
        compilation: Compilation,
        scope: Scope,
        mark: RuleMark,
        around: set[str],
        var: Var,
        found: Shape | None,
    ) -> None:
        self.compilation = compilation
        self.scope = scope
        self.mark = mark
        self.around = around
        self.var = var
        self.found = found
        """The type of what is read, before a filter leaves some of it; None where that is not known."""

    def compiled(self, tree: Tree) -> Condition | None:
        """Compile one condition."""
        own = self.var.name
        names = {*self.around, own} if own else self.around
        with_own = expressions.condition(self.compilation, self.scope, tree, self.mark, names=names)
        if not own or own in self.around or own not in bare_names(tree):
            return with_own
        without = expressions.condition(self.compilation, self.scope, tree, self.mark, names=self.around)
        if with_own is None or without is None:
            return None
        ask_element, ask_variable = without.ask, with_own.ask

        def ask(frame: Frame, value: Item) -> Item:
            has_element = isinstance(value, dict) and own in value
            return ask_element(frame, value) if has_element else ask_variable(frame, value)

        return Condition(ask, self.scope.written, (*with_own.slots, *without.slots))

    def values(self, tree: Tree) -> Condition | None:
        """Compile what gives the very values of an expression."""
        names = {*self.around, self.var.name} if self.var.name else self.around
        evaluate = expressions.expression(self.compilation, self.scope, tree, self.mark, names=names)
        return (
            None
            if evaluate is None
            else Condition(evaluate, frozenset(), expressions.slots_of(self.scope, tree))
        )


@dataclass(frozen=True, slots=True)
class _OfType:
    """Whether a value is of a type."""

    name: str

    def write(self, script: Script, value: int) -> str:
        return f"{script.name(is_of_type)}(v{value}, {script.name(self.name)})"


@dataclass(frozen=True, slots=True)
class _Nothing:
    """What no value passes, because the type of the element is another."""

    def write(self, _: Script, __: int) -> str:
        return "False"


def _of_type(compilation: Compilation, scope: Scope, wanted: str, found: Shape | None) -> Test:
    """Compile a type filter; where the type is known before anything runs, it decides now."""
    if scope.is_fhir and found is not None and found.kind != "logical" and not found.is_abstract:
        models = compilation.models
        is_other = models.named(wanted) is not None and not models.is_a(found.name, wanted)
        return _Nothing() if is_other and found.name != wanted else _OfType(wanted)
    return _OfType(wanted)


def _tests(
    compilation: Compilation, scope: Scope, source: Source, mark: RuleMark, condition: _Condition
) -> list[Test]:
    tests: list[Test] = []
    if source.type is not None:
        tests.append(_of_type(compilation, scope, source.type.rpartition(".")[2], condition.found))
    if source.where is not None:
        where = condition.compiled(source.where)
        if where is not None:
            tests.append(where)
    if source.check is not None:
        check = condition.compiled(source.check)
        if check is not None:
            tests.append(_Check(check, mark))
    if source.log is not None:
        log = condition.values(source.log)
        if log is not None:
            tests.append(_Log(log.ask, log.slots, mark))
    return tests


@dataclass(frozen=True, slots=True)
class _Check:
    """What should be true of a value; where it is not, that is an issue, and the rule goes on."""

    condition: Condition
    mark: RuleMark

    def write(self, script: Script, value: int) -> str:
        frame = script.frame(self.condition.slots)
        self.condition.note(script, value)
        return f"{script.name(self)}.ask({frame}, v{value}, {script.origin(value)})"

    def ask(self, frame: Frame, value: Item, origin: Item) -> bool:
        ask = self.condition.ask
        if not ask(frame, value):
            held = frame.copy()
            again = lambda run, watched: ask([run, *map(watched, held[1:])], watched(value))  # noqa: E731
            frame[0].fault("MP304", self.mark, At(value, origin, again))
        return True


@dataclass(frozen=True, slots=True)
class _Log:
    """What a run says of a value."""

    values: Ask
    slots: tuple[int, ...]
    mark: RuleMark

    def write(self, script: Script, value: int) -> str:
        return f"{script.name(self)}.say({script.frame(self.slots)}, v{value})"

    def say(self, frame: Frame, value: Item) -> bool:
        frame[0].said.append((self.mark.rule, " ".join(str(one) for one in self.values(frame, value))))
        return True


def _default(
    compilation: Compilation, scope: Scope, source: Source, mark: RuleMark
) -> Callable[[Frame, Item], Item] | None:
    if source.default is None:
        return None
    return expressions.expression(compilation, scope, source.default, mark)
