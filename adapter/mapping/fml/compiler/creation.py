"""Elements that a rule makes: of the declared type or the one `create` names, alone, repeated or shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.mapping.fml.compiler.elements import holder, single_shape, slot_of
from adapter.mapping.fml.compiler.ordering import MODES, placing
from adapter.mapping.fml.compiler.parts import Creation, Placing
from adapter.mapping.fml.compiler.trail import Trail
from adapter.mapping.fml.tree import Invocation, Written
from adapter.mapping.run import Made

if TYPE_CHECKING:
    from adapter.mapping.fml.compiler.compilation import Compilation
    from adapter.mapping.fml.compiler.part import Part
    from adapter.mapping.fml.compiler.scope import Scope
    from adapter.mapping.fml.tree import Target
    from adapter.mapping.models import Shape, Slot
    from adapter.mapping.nodes import Item
    from adapter.mapping.run import RuleMark, Run


_OPEN = "\x00open"


def created_shape(
    compilation: Compilation, scope: Scope, target: Target, declared: Shape | None
) -> Shape | None:
    """Return the shape that `create('X')` names, else the declared one."""
    if not isinstance(target.transform, Invocation) or not target.transform.parameters:
        if declared is not None and declared.is_abstract:
            compilation.faults.add("MP210", scope.file, target.span, type=declared.name)
        return declared
    parameter = target.transform.parameters[0]
    if isinstance(parameter, Written):
        named = compilation.type_named(scope.file, str(parameter.value), parameter.span)
        if named is not None and declared is not None and compilation.models.is_a(declared.name, named.name):
            # `create('BackboneElement')` means the element's own type, which has no name to create it by.
            return declared
        return named
    compilation.faults.add(
        "MP211", scope.file, parameter.span, transform="create", wanted="a type name in quotes"
    )
    return None


def create(
    compilation: Compilation,
    scope: Scope,
    target: Target,
    name: str | None,
    mark: RuleMark,
) -> Part:
    """Compile a target that makes an element: of the declared type, or of the one `create` names."""
    holder_shape, element = slot_of(compilation, scope, target)
    declared = single_shape(compilation, scope, (holder_shape, element))
    shape = created_shape(compilation, scope, target, declared)
    if element is not None and shape is not None and not _takes(compilation, element, shape):
        compilation.faults.add(
            "MP212", scope.file, target.span, type=shape.name, element=element.name,
            wanted=" | ".join(element.types),
        )  # fmt: skip
    if element is not None and element.is_choice and shape is None:
        compilation.faults.add(
            "MP213",
            scope.file,
            target.span,
            element=element.name,
            example=element.types[0] if element.types else "",
        )
    var = scope.bind(name, "target", shape)
    hold, slot = holder(compilation, scope, target), var.slot
    last = target.path[-1] if target.path else _OPEN
    key = element.key(shape.name) if element is not None and shape is not None else last
    is_list = element.is_list if element is not None else False
    is_open = element is None
    place = _place_made(key, is_list, is_open, target.mode, mark)
    share = None if target.share is None else scope.share(target.share)
    trail = Trail.of(scope, mark, None)
    if len(target.path) == 1 and is_list and target.mode not in MODES and share is None:
        return Creation(hold.slot, slot, key, shape, trail)
    return Placing(hold, slot, shape, place, None if is_list or is_open else key, trail, share)


def _takes(compilation: Compilation, element: Slot, shape: Shape) -> bool:
    if shape.kind == "logical" or not element.types:
        return True
    return any(
        kind == shape.name or compilation.models.is_a(shape.name, kind) or kind == shape.url
        for kind in element.types
    )


def _place_made(key: str, is_list: bool, is_open: bool, mode: str | None, mark: RuleMark) -> Item:
    """Return what puts a made node into its holder, and gives the node to go on with."""

    def into_list(_: Run, node: Item, made: Made) -> Made:
        there = node.get(key)
        if there is None:
            node[key] = [made]
        else:
            there.append(made)
        return made

    def into_single(run: Run, node: Item, made: Made) -> Made:
        there = node.get(key)
        if there is None:
            node[key] = made
            return made
        # The element can stand once only: what a second rule makes is the same element.
        if isinstance(there, Made) and there.shape is made.shape:
            return there
        run.fault("MP305", mark, element=key)
        node[key] = made
        return made

    def into_open(_: Run, node: Item, made: Made) -> Made:
        add_open(node, key, made)
        return made

    if is_open:
        return into_open
    if is_list:
        return placing(key, mode, mark) if mode in MODES else into_list
    return into_single


def add_open(node: Item, key: str, value: Item) -> None:
    """Put a value where no type tells whether it may repeat: the second makes a list."""
    there = dict.get(node, key)
    if there is None:
        node[key] = value
    elif isinstance(there, list):
        there.append(value)
    else:
        node[key] = [there, value]
