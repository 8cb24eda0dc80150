"""A value put into its element, and never what stood there lost without telling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.mapping.fml.compiler.creation import add_open
from adapter.mapping.fml.compiler.elements import holder, slot_of
from adapter.mapping.fml.compiler.fitting import (
    clashes,
    preparing,
    primitive_fit,
    shape_for,
    type_of_value,
    value_kind,
    whole,
)
from adapter.mapping.fml.compiler.ordering import MODES, storing
from adapter.mapping.fml.compiler.parts import Assignment, Constant, Nothing, Storing
from adapter.mapping.fml.compiler.put import Put
from adapter.mapping.fml.compiler.trail import Trail
from adapter.mapping.fml.compiler.transforms import copy_of, leaf_of
from adapter.mapping.models import r4_shape
from adapter.mapping.run import RunFault

if TYPE_CHECKING:
    from adapter.mapping.fml.compiler.compilation import Compilation
    from adapter.mapping.fml.compiler.part import Part
    from adapter.mapping.fml.compiler.scope import Scope, Value
    from adapter.mapping.fml.tree import Target
    from adapter.mapping.models import Slot
    from adapter.mapping.nodes import Item
    from adapter.mapping.run import RuleMark, Run


def put(
    compilation: Compilation,
    scope: Scope,
    target: Target,
    value: Value,
    mark: RuleMark,
    *,
    name: str | None = None,
) -> Part:
    """Compile the assignment of a value to the target."""
    holder_shape, element = slot_of(compilation, scope, target)
    # Which resource it is that was copied, only a run knows.
    is_any = value.shape is not None and value.shape.kind == "resource" and value.shape.is_abstract
    var = scope.bind(name, "target", None if is_any else value.shape, value.kind) if name else None
    if not target.path:
        return _put_itself(compilation, scope, target, value, mark, var.slot if var else None)
    kind = value_kind(compilation, scope, target, element, value)
    prepare = preparing(compilation, scope, holder_shape, element, kind, value)
    hold, trail = holder(compilation, scope, target), Trail.of(scope, mark, value)
    key = target.path[-1]
    if element is not None and element.is_choice:
        key = element.key(kind) if kind else ""
    is_ordered = target.mode in MODES and element is not None and element.is_list
    store = storing(key, target.mode or "", mark) if is_ordered else _store(key, element, kind, mark)
    slot = var.slot if var else None
    if value.is_constant and slot is None and element is not None:
        try:
            prepare(value.constant)
        except RunFault as fault:
            if not (kind and clashes(compilation, kind, value)):  # which is a fault by itself
                compilation.faults.add(fault.code, scope.file, target.span, rule=mark.rule, **fault.params)
            return Nothing()
    if slot is None and not is_ordered:
        constant = _constant(compilation, scope, target, value, mark)
        if constant is not None:
            return constant
        plain = plain_put(compilation, scope, target, value, mark)
        if plain is not None:
            return Assignment(plain, value, trail)
    is_fit = value.is_fresh and element is not None and not element.is_choice and prepare is whole
    return Storing(hold, value, None if is_fit else prepare, store, key, trail, slot)


def _constant(
    compilation: Compilation, scope: Scope, target: Target, value: Value, mark: RuleMark
) -> Constant | None:
    if not value.is_constant or len(target.path) != 1:
        return None
    shape, element = slot_of(compilation, scope, target)
    if element is None or element.is_list:
        return None
    kind = value_kind(compilation, scope, target, element, value)
    if element.is_choice and kind is None:
        return None
    try:
        fixed = preparing(compilation, scope, shape, element, kind, value)(value.constant)
    except RunFault:
        return None
    holder_slot = scope.targets[target.context or ""].slot
    return Constant(holder_slot, element.key(kind or ""), fixed, Trail.of(scope, mark, None))


def plain_put(
    compilation: Compilation, scope: Scope, target: Target, value: Value, mark: RuleMark
) -> Put | None:
    """Return how a value goes into an element of a variable that is primitive; None for anything else."""
    if len(target.path) != 1 or value.is_list:
        return None
    shape, element = slot_of(compilation, scope, target)
    kind = value_kind(compilation, scope, target, element, value)
    if shape is None or element is None or kind is None:
        return None
    made = shape_for(compilation, shape, kind)
    if made is None or not made.is_primitive:
        return None
    holder = scope.targets[target.context or ""].slot
    return Put(
        holder, element.key(kind), element.is_list, primitive_fit(scope, made), leaf_of(made.name), mark
    )


def _put_itself(
    compilation: Compilation, scope: Scope, target: Target, value: Value, mark: RuleMark, slot: int | None
) -> Part:
    """Compile `tgt = value`, where `tgt` is a primitive that somebody made: its value is set."""
    there = scope.targets[target.context or ""]
    shape = there.shape
    if shape is not None and not shape.is_primitive and not value.is_list and value.shape is not shape:
        compilation.faults.add("MP219", scope.file, target.span, variable=target.context, type=shape.name)
    prepare = primitive_fit(scope, shape) if shape is not None and shape.is_primitive else copy_of

    def store(_: Run, node: Item, found: Item) -> int | None:
        if isinstance(found, dict):
            node.update(found)
        else:
            node["value"] = found
        return None

    hold = holder(compilation, scope, target)
    return Storing(hold, value, prepare, store, "value", Trail.of(scope, mark, value), slot)


def _is_single(node: Item, key: str) -> bool:
    """True for an element of a copied resource that can stand there once only."""
    kind = dict.get(node, "resourceType")
    shape = r4_shape(kind) if isinstance(kind, str) else None
    return shape is not None and key in shape.order and not shape.order[key][1].is_list


def _store(key: str, element: Slot | None, kind: str | None, mark: RuleMark) -> Item:
    """Return what puts a prepared value under its key; it gives the index, where the element is a list."""

    def into_list(_: Run, node: Item, value: Item) -> int | None:
        there = node.get(key)
        if there is None:
            there = node[key] = []
        if value.__class__ is list:
            there.extend(value)
        else:
            there.append(value)
        return len(there) - 1

    def into_single(run: Run, node: Item, value: Item) -> int | None:
        if value.__class__ is list:
            run.fault("MP312", mark, count=len(value))
            return None
        if key in node and node[key] != value:
            run.fault("MP305", mark, element=key)
        node[key] = value
        return None

    def into_choice(run: Run, node: Item, value: Item) -> int | None:
        chosen = type_of_value(value, element.types if element else ())
        if chosen is None or element is None:
            run.fault("MP315", mark, element=element.name if element else key)
            return None
        node[element.key(chosen)] = value
        return None

    def into_open(run: Run, node: Item, value: Item) -> int | None:
        if _is_single(node, key):
            return into_single(run, node, value)
        if value.__class__ is list:
            for one in value:
                add_open(node, key, one)
        else:
            add_open(node, key, value)
        there = dict.get(node, key)
        return len(there) - 1 if isinstance(there, list) else None

    if element is None:
        return into_open
    if element.is_choice and kind is None:
        return into_choice
    return into_list if element.is_list else into_single
