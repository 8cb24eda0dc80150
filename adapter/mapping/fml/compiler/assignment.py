"""A value put into its element, and never what stood there lost without telling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.mapping.fml.compiler.creation import add_open
from adapter.mapping.fml.compiler.elements import holder, slot_of
from adapter.mapping.fml.compiler.fitting import clashes, preparing, primitive_fit, type_of_value, value_kind
from adapter.mapping.fml.compiler.parts import Assignment, Constant, Put
from adapter.mapping.fml.compiler.scope import nothing
from adapter.mapping.fml.compiler.tracing import first_place, origins, traced_put
from adapter.mapping.fml.compiler.transforms import copy_of, leaf_of
from adapter.mapping.run import RunFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.mapping.fml.compiler.compilation import Compilation
    from adapter.mapping.fml.compiler.parts import Part
    from adapter.mapping.fml.compiler.scope import Action, Frame, Scope, Value
    from adapter.mapping.fml.tree import Target
    from adapter.mapping.models import Slot
    from adapter.mapping.nodes import Item
    from adapter.mapping.run import RuleMark


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
    var = scope.bind(name, "target", value.shape, value.kind) if name else None
    if not target.path:
        return _put_itself(compilation, scope, target, value, mark, var.slot if var else None)
    kind = value_kind(compilation, scope, target, element, value)
    prepare = preparing(compilation, scope, holder_shape, element, kind, value)
    hold = holder(compilation, scope, target)
    key = target.path[-1]
    if element is not None and element.is_choice:
        key = element.key(kind) if kind else ""
    store = _store(key, element, kind, mark)
    slot = var.slot if var else None
    constant = None if slot is not None else _constant(compilation, scope, target, value, mark)
    if constant is not None:
        return constant
    if value.is_constant and not compilation.is_traced and slot is None and element is not None:
        try:
            fixed = prepare(value.constant)
        except RunFault as fault:
            if not (kind and clashes(compilation, kind, value)):  # which is a fault by itself
                compilation.faults.add(fault.code, scope.file, target.span, rule=mark.rule, **fault.params)
            return nothing

        def put_constant(frame: Frame) -> None:
            node = hold(frame)
            if node is not None:
                store(frame, node, fixed)

        return put_constant
    if compilation.is_traced:
        return traced_put(scope, hold, value, prepare, store, key, slot, mark)
    get = value.get
    plain = None if slot is not None else plain_put(compilation, scope, target, value, mark)
    if plain is not None:
        return Assignment(plain, value)

    def put_value(frame: Frame) -> None:
        node = hold(frame)
        if node is None:
            return
        try:
            found = get(frame)
            if found is not None:
                found = prepare(found)
        except RunFault as fault:
            frame[0].fault(fault.code, mark, None, **fault.params)
            return
        if slot is not None:
            frame[slot] = found
        if found is not None:
            store(frame, node, found)

    return put_value


def _constant(
    compilation: Compilation, scope: Scope, target: Target, value: Value, mark: RuleMark
) -> Constant | None:
    if not value.is_constant or len(target.path) != 1 or compilation.is_traced:
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
    return Constant(scope.targets[target.context or ""].slot, element.key(kind or ""), fixed, mark)


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
    made = compilation.models.of_element(shape, kind)
    if made is None or not made.is_primitive:
        return None
    holder = scope.targets[target.context or ""].slot
    return Put(holder, element.key(kind), element.is_list, primitive_fit(scope, made), leaf_of(kind), mark)


def _put_itself(
    compilation: Compilation, scope: Scope, target: Target, value: Value, mark: RuleMark, slot: int | None
) -> Action:
    """Compile `tgt = value`, where `tgt` is a primitive that somebody made: its value is set."""
    there = scope.targets[target.context or ""]
    shape = there.shape
    if shape is not None and not shape.is_primitive and not value.is_list and value.shape is not shape:
        compilation.faults.add("MP219", scope.file, target.span, variable=target.context, type=shape.name)
    prepare = primitive_fit(scope, shape) if shape is not None and shape.is_primitive else copy_of

    def store(_: Frame, node: Item, found: Item) -> int | None:
        if isinstance(found, dict):
            node.update(found)
        else:
            node["value"] = found
        return None

    at = there.slot

    def hold(frame: Frame) -> Item:
        return frame[at]

    if compilation.is_traced:
        return traced_put(scope, hold, value, prepare, store, "value", slot, mark)
    get = safely(value, mark, False)

    def put_value(frame: Frame) -> None:
        node, found = hold(frame), get(frame)
        if node is not None and found is not None:
            try:
                store(frame, node, prepare(found))
            except RunFault as fault:
                frame[0].fault(fault.code, mark, None, **fault.params)
        if slot is not None:
            frame[slot] = found

    return put_value


def _store(key: str, element: Slot | None, kind: str | None, mark: RuleMark) -> Item:
    """Return what puts a prepared value under its key; it gives the index, where the element is a list."""

    def into_list(_: Frame, node: Item, value: Item) -> int | None:
        there = node.get(key)
        if there is None:
            there = node[key] = []
        if value.__class__ is list:
            there.extend(value)
        else:
            there.append(value)
        return len(there) - 1

    def into_single(frame: Frame, node: Item, value: Item) -> int | None:
        if value.__class__ is list:
            frame[0].fault("MP312", mark, None, count=len(value))
            return None
        if key in node and node[key] != value:
            frame[0].fault("MP305", mark, None, element=key)
        node[key] = value
        return None

    def into_choice(frame: Frame, node: Item, value: Item) -> int | None:
        chosen = type_of_value(value, element.types if element else ())
        if chosen is None or element is None:
            frame[0].fault("MP315", mark, None, element=element.name if element else key)
            return None
        node[element.key(chosen)] = value
        return None

    def into_open(_: Frame, node: Item, value: Item) -> int | None:
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


def safely(value: Value, mark: RuleMark, traced: bool) -> Callable[[Frame], Item]:
    """Return what gives the value, or None with the issue that says why there is none."""
    get = value.get

    def safely(frame: Frame) -> Item:
        try:
            return get(frame)
        except RunFault as fault:
            frame[0].fault(
                fault.code,
                mark,
                first_place(frame[0], origins(frame, value)) if traced else None,
                **fault.params,
            )
            return None

    return safely
