"""Which leaves of a source the model knows that the map declares for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from adapter.mapping.models import r4_shape

if TYPE_CHECKING:
    from adapter.mapping.models import Models, Shape, Slot
    from adapter.mapping.nodes import Item, Watched

OUTSIDE: Final = object()
"""Stands for the shape of a node that no model knows."""
ANYWHERE = frozenset({"xmlText", "div"})
"""Text of an element, which a model need not name."""


class Modelled:
    """A watched tree beside the type of its root; where the model says no more, nothing is outside."""

    def __init__(self, models: Models, shape: Shape | None, root: Item) -> None:
        self._models = models
        self._shapes: dict[int, Item] = {id(root): shape}

    def is_outside(self, node: Watched, key: str) -> bool:
        """True if the leaf `key` of a node, or the node itself, is not in the model."""
        shape = self._shape_of(node)
        if shape is None or shape is OUTSIDE or shape.is_primitive:
            return shape is OUTSIDE
        if key == "resourceType" or key in ANYWHERE:
            return False
        return not _is_element(shape, key)

    def _shape_of(self, node: Watched) -> Item:
        known = self._shapes.get(id(node), node)
        if known is node:
            parent = node.parent
            known = None if parent is None else self._below(self._shape_of(parent), node)
            self._shapes[id(node)] = known
        return known

    def _below(self, shape: Item, node: Watched) -> Item:
        """Return the shape of a part of a node that has `shape`."""
        if shape is None or shape is OUTSIDE:
            return shape
        if node.key.startswith("_") and shape.kind != "logical":
            return r4_shape("Element") if _is_element(shape, node.key) else OUTSIDE
        if not _is_element(shape, node.key):
            return OUTSIDE
        kind = _kind(shape, node)
        return None if kind is None else self._models.of_element(shape, kind)


def _kind(shape: Shape, node: Watched) -> str | None:
    """Name the type of an element: what it says itself, else the one the model gives it."""
    said = dict.get(node, "resourceType")
    if isinstance(said, str) and shape.kind != "logical":
        return said
    slot = _slot(shape, node.key)
    if slot is None or (node.type is not None and shape.kind == "logical"):
        return None
    kinds = [kind for kind in slot.types if slot.key(kind) == node.key]
    return kinds[0] if len(kinds) == 1 else None


def _slot(shape: Shape, key: str) -> Slot | None:
    known = shape.order.get(key)
    if known is not None:
        return known[1]
    return next((slot for slot in shape.slots.values() if key in (slot.name, slot.xml_name)), None)


def _is_element(shape: Shape, key: str) -> bool:
    return _slot(shape, key if shape.kind == "logical" else key.removeprefix("_")) is not None
