"""The element a target names: its slot in the type, and the node that holds it."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.mapping.models import Shape, Slot
from adapter.mapping.run import Made

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.mapping.fml.compiler.compilation import Compilation
    from adapter.mapping.fml.compiler.scope import Scope
    from adapter.mapping.fml.compiler.script import Script
    from adapter.mapping.fml.tree import Target
    from adapter.mapping.nodes import Item


def slot_of(compilation: Compilation, scope: Scope, target: Target) -> tuple[Shape | None, Slot | None]:
    """Return the shape that holds the target's last element, and the element; None where nothing is known."""
    shape = scope.targets[target.context].shape if target.context in scope.targets else None
    for name in target.path[:-1]:
        if shape is None:
            return None, None
        slot = _element(compilation, scope, shape, name, target)
        if slot is None:
            return None, None
        if slot.is_list:
            compilation.faults.add("MP208", scope.file, target.span, element=name, type=shape.name)
        shape = single_shape(compilation, scope, (shape, slot))
    if shape is None or not target.path:
        return shape, None
    return shape, _element(compilation, scope, shape, target.path[-1], target)


def _element(compilation: Compilation, scope: Scope, shape: Shape, name: str, target: Target) -> Slot | None:
    """Return the slot `name` of a type, or of one type of a choice; None with the fault if it has none."""
    slot = shape.slots.get(name)
    if slot is None and name in shape.order:
        # The JSON name of a choice (`valueString`) says element and type at once.
        _, choice, kind = shape.order[name]
        return Slot(name, (kind,), choice.is_list)
    if slot is None:
        if shape.is_abstract and shape.kind == "resource":
            compilation.faults.add("MP209", scope.file, target.span, element=name, type=shape.name)
        else:
            near = shape.nearest(name)
            compilation.faults.add(
                "MP207", scope.file, target.span, element=name, type=shape.name, near=near or "-"
            )
    return slot


def single_shape(
    compilation: Compilation, scope: Scope, where: tuple[Shape | None, Slot | None]
) -> Shape | None:
    """Return the one shape an element can have; None for choices and where nothing is known."""
    shape, slot = where
    if shape is None or slot is None or len(slot.types) != 1:
        return None
    return compilation.models.of_element(shape, slot.types[0])


@dataclass(frozen=True, slots=True)
class Holder:
    """The node that holds a target's last element."""

    slot: int
    """Slot of the variable that the target begins at."""
    way: tuple[tuple[str, Shape | None], ...]
    """Single elements from there to the node, which are made where they are not yet."""

    def is_sure(self, script: Script) -> bool:
        """True if there surely is a node."""
        return not self.way and script.is_sure(self.slot)

    @contextmanager
    def held(self, script: Script) -> Iterator[str]:
        """Write what gives the node in a plain build, around what needs it."""
        node = f"v{self.slot}"
        if self.way:
            node = script.fresh()
            script.line(f"{node} = {script.name(self)}.below(v{self.slot})")
        with nullcontext() if self.is_sure(script) else script.block(f"if {node} is not None:"):
            yield node

    def below(self, node: Item) -> Item:
        """Go down from the variable's value."""
        for name, kind in self.way:
            if node is None:
                return None
            below = node.get(name)
            if below is None:
                below = node[name] = Made(kind)
            node = below
        return node


def holder(compilation: Compilation, scope: Scope, target: Target) -> Holder:
    """Return what gives the node that holds the last element, making single ones on the way."""
    var = scope.targets[target.context or ""]
    way: list[tuple[str, Shape | None]] = []
    shape = var.shape
    for name in target.path[:-1]:
        element = shape.slots.get(name) if shape else None
        shape = single_shape(compilation, scope, (shape, element))
        way.append((name, shape))
    return Holder(var.slot, tuple(way))
