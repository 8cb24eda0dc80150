"""What stands right of `=`: literals, variables, expressions and the transforms of the language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhirpath.tree import Literal as PathLiteral
from adapter.mapping.fml.compiler import expressions
from adapter.mapping.fml.compiler.scope import Value, variable
from adapter.mapping.fml.compiler.transforms import CAST_TYPES, NAMES, REFUSED, TRANSFORMS, cast, translate
from adapter.mapping.fml.paths import condition_names, gives_source, kind_of
from adapter.mapping.fml.tree import Expression, Invocation, Name, Written
from adapter.mapping.models import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.mapping.fml.compiler.compilation import Compilation
    from adapter.mapping.fml.compiler.scope import Frame, Scope
    from adapter.mapping.fml.tree import Parameter, Target, Transform
    from adapter.mapping.nodes import Item
    from adapter.mapping.run import RuleMark


TRANSLATE_OUTPUTS = frozenset({"code", "string", "Coding", "CodeableConcept", "display", "uri", "id"})


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
    return Value(lambda _: value, given.kind, is_constant=True, constant=value)


def _named(compilation: Compilation, scope: Scope, given: Name, mark: RuleMark) -> Value | None:
    name = given.name
    var = scope.vars.get(name)
    if var is not None:
        slot = var.slot
        if not given.path:
            return variable(var)
        down = expressions.follow(given.path)
        return Value(lambda frame: down(frame[slot]), slots=(slot,), is_path=True, is_list=True)
    if name in scope.constants:

        def constant(frame: Frame) -> Item:
            return frame[0].constants.get(name)

        return Value(constant)
    compilation.no_variable(scope, given.span, name, expressions.names_in_scope(scope))
    return None


def transform(
    compilation: Compilation, scope: Scope, target: Target, given: Transform, mark: RuleMark
) -> Value | None:
    """Compile what stands right of `=`."""
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

    return Value(
        get, row.kind, slots=tuple(slot for value in known for slot in value.slots),
        is_path=any(value.is_path for value in known),
        conditions=frozenset().union(*(value.conditions for value in known)),
    )  # fmt: skip


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
    if kind not in CAST_TYPES:
        near = nearest(kind, CAST_TYPES)
        compilation.faults.add("MP217", scope.file, given.span, type=kind, near=near or "-")
        return None
    if value is None:
        return None
    source = value.get

    def get(frame: Frame) -> Item:
        return cast(frame[0], mark, source(frame), kind)

    return Value(get, kind, slots=value.slots, is_path=value.is_path, conditions=value.conditions)


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
    if output.value not in TRANSLATE_OUTPUTS:
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
    source, kind = value.get, str(output.value)

    def get(frame: Frame) -> Item:
        return translate(frame[0], mark, source(frame), table, kind)

    return Value(get, "string" if kind == "display" else kind, slots=value.slots, is_path=value.is_path)


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
    evaluate = None if tree is None else expressions.expression(compilation, scope, tree, mark)
    if evaluate is None or tree is None:
        return None
    about = focus.get if focus is not None else None
    around = scope.focus

    def get(frame: Frame) -> Item:
        value = about(frame) if about else frame[around.slot] if around else None
        found = evaluate(frame, value)
        return found[0] if len(found) == 1 else found or None

    slots = focus.slots if focus is not None else ()
    return Value(
        get, kind_of(tree), slots=slots, is_path=True, is_list=True,
        is_condition=not gives_source(tree), conditions=condition_names(tree),
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
