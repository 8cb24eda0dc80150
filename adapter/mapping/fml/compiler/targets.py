"""The writing side of a rule: what each of its targets makes, fills or names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.mapping.fml.compiler.assignment import put
from adapter.mapping.fml.compiler.creation import create, created_shape
from adapter.mapping.fml.compiler.parts import Alias, Alone, Keeping, Nothing
from adapter.mapping.fml.compiler.trail import Trail
from adapter.mapping.fml.compiler.values import transform
from adapter.mapping.fml.tree import Invocation

if TYPE_CHECKING:
    from adapter.mapping.fml.compiler.compilation import Compilation
    from adapter.mapping.fml.compiler.part import Part
    from adapter.mapping.fml.compiler.scope import Scope
    from adapter.mapping.fml.tree import Target, Transform
    from adapter.mapping.run import RuleMark


def part(
    compilation: Compilation,
    scope: Scope,
    target: Target,
    mark: RuleMark,
    *,
    name: str | None = None,
) -> Part:
    """Compile one target. `name` binds a variable the map does not name."""
    name = target.variable or name
    if target.context is None:
        return _bare(compilation, scope, target, name, mark)
    if not target.path and target.transform is None and target.context in scope.vars:
        return _alias(scope, target, name)
    if target.context not in scope.targets:
        if target.context in scope.vars:
            compilation.faults.add("MP226", scope.file, target.span, variable=target.context)
        else:
            compilation.no_variable(scope, target.span, target.context, scope.targets)
        if name:
            scope.bind(name, "target")
        return Nothing()
    if target.transform is None or _is_create(target.transform):
        return create(compilation, scope, target, name, mark)
    value = transform(compilation, scope, target, target.transform, mark)
    if value is None:
        if name:
            scope.bind(name, "target")
        return Nothing()
    return put(compilation, scope, target, value, mark, name=name)


def _is_create(value: Transform) -> bool:
    return isinstance(value, Invocation) and value.name == "create"


def _bare(compilation: Compilation, scope: Scope, target: Target, name: str | None, mark: RuleMark) -> Part:
    """Compile `(expression) as x` or `uuid() as x`: the value goes to the variable only."""
    if target.transform is None:
        return Nothing()
    if _is_create(target.transform):
        shape = created_shape(compilation, scope, target, None)
        made_in = scope.bind(name, "target", shape).slot
        return Alone(made_in, shape)
    value = transform(compilation, scope, target, target.transform, mark)
    if value is None:
        return Nothing()
    var = scope.bind(name, "value", value.shape, value.kind)
    return Keeping(var.slot, value, Trail.of(scope, mark, value))


def _alias(scope: Scope, target: Target, name: str | None) -> Part:
    context = target.context or ""
    there = scope.targets.get(context) or scope.vars[context]
    slot = scope.bind(name, "target", there.shape, there.kind).slot
    return Alias(slot, there.slot)
