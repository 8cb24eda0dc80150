"""What stands right of `=`: literals, variables, expressions and the transforms of the language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhirpath.tree import Literal as PathLiteral
from adapter.mapping.fml.compiler import expressions
from adapter.mapping.fml.compiler.elements import slot_of
from adapter.mapping.fml.compiler.scope import Value, fixed, variable
from adapter.mapping.fml.compiler.transforms import (
    CAST_NAMES,
    CAST_TYPES,
    MADE_ANEW,
    NAMES,
    REFUSED,
    TRANSFORMS,
    cast,
    translate,
)
from adapter.mapping.fml.paths import condition_names, gives_source, kind_of
from adapter.mapping.fml.tree import Expression, Invocation, Name, Written
from adapter.mapping.models import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.mapping.fml.compiler.compilation import Compilation
    from adapter.mapping.fml.compiler.scope import Frame, Scope
    from adapter.mapping.fml.compiler.script import Script
    from adapter.mapping.fml.tree import Parameter, Target, Transform
    from adapter.mapping.nodes import Item
    from adapter.mapping.run import RuleMark


TRANSLATE_OUTPUTS = frozenset(
    {"code", "string", "system", "Coding", "CodeableConcept", "display", "uri", "id"}
)


def parameter(compilation: Compilation, scope: Scope, given: Parameter, mark: RuleMark) -> Value | None:
    """Compile a parameter of a transform or of a group."""
    if isinstance(given, Written):
        return _literal(given)
    if isinstance(given, Expression):
        return expressions.value_of(compilation, scope, given.tree, mark)
    return _named(compilation, scope, given, mark)


def _literal(given: Written) -> Value:
    value: Item = given.value
    if given.kind == "decimal":
        from adapter.fhir.decimals import ExactDecimal

        value = ExactDecimal(str(value))
    return fixed(value, given.kind)


def _named(compilation: Compilation, scope: Scope, given: Name, mark: RuleMark) -> Value | None:
    name = given.name
    var = scope.vars.get(name)
    if var is not None:
        if not given.path:
            return variable(var)
        return expressions.below_variable(var, given.path)
    if name in scope.constants:

        def constant(frame: Frame) -> Item:
            return frame[0].constants.get(name)

        return Value(constant, lambda script: f"run.constants.get({script.name(name)})")
    compilation.no_variable(scope, given.span, name, expressions.names_in_scope(scope))
    return None


def transform(
    compilation: Compilation, scope: Scope, target: Target, given: Transform, mark: RuleMark
) -> Value | None:
    """Compile what stands right of `=`."""
    if isinstance(given, Expression):
        _, element = slot_of(compilation, scope, target)
        is_typed = target.context is None or (element is not None and element.is_choice)
        return expressions.value_of(compilation, scope, given.tree, mark, is_typed=is_typed)
    if not isinstance(given, Invocation):
        return parameter(compilation, scope, given, mark)
    if given.name in REFUSED:
        compilation.faults.add("MP214", scope.file, given.span, transform=given.name)
        return None
    if given.name not in NAMES:
        near = nearest(given.name, NAMES)
        compilation.faults.add("MP215", scope.file, given.span, transform=given.name, near=near or "-")
        return None
    special = _SPECIAL.get(given.name)
    if special is not None:
        return special(compilation, scope, given, mark)
    return _function(compilation, scope, given, mark)


def _counted(compilation: Compilation, scope: Scope, given: Invocation, least: int, most: int | None) -> bool:
    count = len(given.parameters)
    if count < least or (most is not None and count > most):
        wanted = str(least) if most == least else f"{least}..{'*' if most is None else most}"
        compilation.faults.add(
            "MP216", scope.file, given.span, transform=given.name, wanted=wanted, given=count
        )
        return False
    return True


def _function(compilation: Compilation, scope: Scope, given: Invocation, mark: RuleMark) -> Value | None:
    row = TRANSFORMS[given.name]
    if not _counted(compilation, scope, given, row.least, row.most):
        return None
    values = [parameter(compilation, scope, one, mark) for one in given.parameters]
    if any(value is None for value in values):
        return None
    known = [value for value in values if value is not None]
    getters, function = [value.get for value in known], row.run

    def get(frame: Frame) -> Item:
        return function(frame[0], mark, *[getter(frame) for getter in getters])

    def write(script: Script) -> str:
        given = ["run", script.name(mark), *(value.write(script) for value in known)]
        return f"{script.name(function)}({', '.join(given)})"

    return Value(
        get, write, row.kind, slots=tuple(slot for value in known for slot in value.slots),
        beside=tuple(slot for value in known for slot in value.beside),
        is_path=any(value.is_path for value in known),
        conditions=frozenset().union(*(value.conditions for value in known)),
        is_risky=_may_fail(given.name, known), is_fresh=row.kind in MADE_ANEW,
    )  # fmt: skip


_CONTENT = frozenset({"append", "cc", "c", "id", "cp", "uuid"})
"""Transforms that take any texts."""


def _may_fail(name: str, given: list[Value]) -> bool:
    """False for what has nothing to complain of: fixed texts, and a link to what surely is a resource."""
    if name in ("pointer", "reference"):
        return given[0].shape is None or given[0].shape.kind != "resource"
    return name not in _CONTENT or not all(value.is_constant for value in given)


def _copy(compilation: Compilation, scope: Scope, given: Invocation, mark: RuleMark) -> Value | None:
    if not _counted(compilation, scope, given, 1, 1):
        return None
    return parameter(compilation, scope, given.parameters[0], mark)


def _cast(compilation: Compilation, scope: Scope, given: Invocation, mark: RuleMark) -> Value | None:
    if not _counted(compilation, scope, given, 1, 2):
        return None
    value = parameter(compilation, scope, given.parameters[0], mark)
    kind = "string"
    if len(given.parameters) == 2:
        named = given.parameters[1]
        kind = (
            str(named.value) if isinstance(named, Written) else named.name if isinstance(named, Name) else ""
        )
    kind = CAST_NAMES.get(kind, kind)
    if kind not in CAST_TYPES:
        near = nearest(kind, CAST_TYPES)
        compilation.faults.add("MP217", scope.file, given.span, type=kind, near=near or "-")
        return None
    if value is None:
        return None
    source, given_as = value.get, value.write

    def get(frame: Frame) -> Item:
        return cast(frame[0], mark, source(frame), kind)

    def write(script: Script) -> str:
        return f"{script.name(cast)}(run, {script.name(mark)}, {given_as(script)}, {script.name(kind)})"

    return Value(
        get, write, kind, slots=value.slots, beside=value.beside, is_path=value.is_path,
        conditions=value.conditions, is_risky=True,
    )  # fmt: skip


def _translate(compilation: Compilation, scope: Scope, given: Invocation, mark: RuleMark) -> Value | None:
    if not _counted(compilation, scope, given, 2, 3):
        return None
    value = parameter(compilation, scope, given.parameters[0], mark)
    named = given.parameters[1]
    output = given.parameters[2] if len(given.parameters) == 3 else Written(value="code", kind="string")
    if not isinstance(named, Written) or not isinstance(output, Written):
        compilation.faults.add(
            "MP211",
            scope.file,
            given.span,
            transform="translate",
            wanted="a ConceptMap url and a type in quotes",
        )
        return None
    # Maps in the field write `coding`, too.
    wanted = next((one for one in TRANSLATE_OUTPUTS if one.lower() == str(output.value).lower()), None)
    if wanted is None:
        near = nearest(str(output.value), TRANSLATE_OUTPUTS)
        compilation.faults.add("MP217", scope.file, output.span, type=str(output.value), near=near or "-")
        return None
    table = compilation.library.concept_map(scope.file, str(named.value))
    if table is None:
        near = nearest(str(named.value), compilation.library.concept_map_urls(scope.file))
        compilation.faults.add("MP218", scope.file, named.span, table=str(named.value), near=near or "-")
        return None
    if value is None:
        return None
    source, kind, given_as = value.get, wanted, value.write

    def get(frame: Frame) -> Item:
        return translate(frame[0], mark, source(frame), table, kind)

    def write(script: Script) -> str:
        looked_up = f"{given_as(script)}, {script.name(table)}, {script.name(kind)}"
        return f"{script.name(translate)}(run, {script.name(mark)}, {looked_up})"

    return Value(
        get, write, {"display": "string", "system": "uri"}.get(kind, kind), slots=value.slots,
        beside=value.beside,
        is_path=value.is_path, is_risky=True, is_fresh=kind in MADE_ANEW,
    )  # fmt: skip


def _evaluate(compilation: Compilation, scope: Scope, given: Invocation, mark: RuleMark) -> Value | None:
    if not _counted(compilation, scope, given, 1, 2):
        return None
    focus = None
    if len(given.parameters) == 2:
        focus = parameter(compilation, scope, given.parameters[0], mark)
        if focus is None:
            return None
    last = given.parameters[-1]
    tree = _tree_of(compilation, scope, last)
    evaluate = None if tree is None else expressions.expression(compilation, scope, tree, mark, is_typed=True)
    if evaluate is None or tree is None:
        return None
    about = focus.get if focus is not None else None
    around = scope.focus

    def get(frame: Frame) -> Item:
        value = about(frame) if about else frame[around.slot] if around else None
        return expressions.alone(evaluate(frame, value))

    def write(script: Script) -> str:
        value = focus.write(script) if focus is not None else f"v{around.slot}" if around else "None"
        frame = script.frame(expressions.slots_of(scope, tree))
        return f"{script.name(expressions.alone)}({script.name(evaluate)}({frame}, {value}))"

    slots = focus.slots if focus is not None else ()
    beside = [*expressions.slots_of(scope, tree), *(focus.beside if focus is not None else ())]
    if focus is None and around is not None:
        beside.append(around.slot)
    return Value(
        get, write, kind_of(tree), slots=slots, beside=tuple(beside), is_path=True, is_list=True,
        is_condition=not gives_source(tree), conditions=condition_names(tree),
        is_risky=focus is not None and focus.is_risky,
    )  # fmt: skip


def _tree_of(compilation: Compilation, scope: Scope, given: Parameter) -> Item:
    """Return the expression that `evaluate` is given: itself, or the one inside of a text, as R4 maps do."""
    if isinstance(given, Expression):
        return given.tree
    if isinstance(given, Name):
        from adapter.fhirpath.tree import Member

        return Member(target=None, name=given.name, span=given.span)
    from adapter.errors import AdapterError
    from adapter.fhirpath.parser import parse

    if given.kind != "string":
        return PathLiteral(kind=given.kind, text=str(given.value), span=given.span)
    try:
        return parse(str(given.value))
    except AdapterError as error:
        compilation.faults.add(error.code, scope.file, given.span, **error.issue.params)
        return None


_SPECIAL: dict[str, Callable[[Compilation, Scope, Invocation, Item], Value | None]] = {
    "copy": _copy,
    "cast": _cast,
    "translate": _translate,
    "evaluate": _evaluate,
}
