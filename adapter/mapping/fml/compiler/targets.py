"""The writing side of a rule: what each of its targets makes, fills or names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.mapping.fml.compiler.assignment import put, safely
from adapter.mapping.fml.compiler.creation import create, created_shape
from adapter.mapping.fml.compiler.scope import nothing
from adapter.mapping.fml.compiler.values import transform
from adapter.mapping.fml.tree import Invocation
from adapter.mapping.run import Made

if TYPE_CHECKING:
    from adapter.mapping.fml.compiler.compilation import Compilation
    from adapter.mapping.fml.compiler.parts import Part
    from adapter.mapping.fml.compiler.scope import Action, Frame, Scope
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
        return nothing
    if target.transform is None or _is_create(target.transform):
        return create(compilation, scope, target, name, mark)
    value = transform(compilation, scope, target, target.transform, mark)
    if value is None:
        if name:
            scope.bind(name, "target")
        return nothing
    return put(compilation, scope, target, value, mark, name=name)


def _is_create(value: Transform) -> bool:
    return isinstance(value, Invocation) and value.name == "create"


def _bare(compilation: Compilation, scope: Scope, target: Target, name: str | None, mark: RuleMark) -> Action:
    """Compile `(expression) as x` or `uuid() as x`: the value goes to the variable only."""
    if target.transform is None:
        return nothing
    if _is_create(target.transform):
        shape = created_shape(compilation, scope, target, None)
        made_in = scope.bind(name, "target", shape)

        def create_alone(frame: Frame) -> None:
            frame[made_in.slot] = Made.of(shape)

        return create_alone
    value = transform(compilation, scope, target, target.transform, mark)
    if value is None:
        return nothing
    var = scope.bind(name, "value", value.shape, value.kind)
    get = safely(value, mark, compilation.is_traced)

    def keep(frame: Frame) -> None:
        frame[var.slot] = get(frame)

    return keep


def _alias(scope: Scope, target: Target, name: str | None) -> Action:
    context = target.context or ""
    there = scope.targets.get(context) or scope.vars[context]
    var = scope.bind(name, "target", there.shape, there.kind)

    def alias(frame: Frame) -> None:
        frame[var.slot] = frame[there.slot]

    return alias
