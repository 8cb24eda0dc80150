"""FHIR's primitives in XML of a logical model: `<a value="1"/>` is the value 1, as in FHIR's own XML.

A model that writes its leaves otherwise says so by a representation (xmlAttr, xmlText) or by types of its
own, as CDA does; such a source is left as it was read. FHIR R4 xml.html; ElementDefinition.representation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhir.decimals import ExactDecimal
from adapter.mapping.nodes import SourceTree, Typed

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.mapping.models import Models, Shape, Slot
    from adapter.mapping.nodes import Item

_READ: dict[str, Callable[[str], Item]] = {
    "boolean": lambda text: {"true": True, "false": False}.get(text, text),
    "decimal": lambda text: _number(text, ExactDecimal),
    **dict.fromkeys(("integer", "positiveInt", "unsignedInt"), lambda text: _number(text, int)),
}
"""Types whose values JSON does not write as text."""


def _number(text: str, kind: Callable[[str], Item]) -> Item:
    try:
        return kind(text)
    except ValueError:
        return text  # what is no number of XML stays what it is, and is told where it is used


def with_values(tree: SourceTree, shape: Shape | None, models: Models) -> SourceTree:
    """Return a source whose elements of primitive types are their values; the same where there are none."""
    if tree.format != "xml" or shape is None or shape.kind != "logical":
        return tree
    known = models.with_values.get(shape.url)
    if known is None:
        known = models.with_values[shape.url] = _has_primitives(shape, models, set())
    if not known:
        return tree
    root = _node(tree.root, shape, models)
    return SourceTree(root, tree.format, tree.place, tree.issues, tree.nulls, tree.spent)


def is_value(slot: Slot, models: Models, shape: Shape) -> bool:
    """True if the values of an element stand in an attribute `value`."""
    return (
        slot.form == "element"
        and bool(slot.types)
        and all(
            kind != "xhtml" and (there := models.of_element(shape, kind)) is not None and there.is_primitive
            for kind in slot.types
        )
    )


def _has_primitives(shape: Shape, models: Models, seen: set[str]) -> bool:
    if shape.url in seen:
        return False
    seen.add(shape.url)
    for slot in shape.slots.values():
        if is_value(slot, models, shape):
            return True
        below = (models.of_element(shape, kind) for kind in slot.types)
        if any(
            one is not None and not one.is_primitive and _has_primitives(one, models, seen) for one in below
        ):
            return True
    return False


def _node(node: dict[str, Item], shape: Shape, models: Models) -> Typed:
    made = Typed(getattr(node, "type", None), getattr(node, "line", None), getattr(node, "namespace", None))
    for key, value in node.items():
        slot = shape.order[key][1] if key in shape.order else None
        if slot is None:
            made[key] = value
        elif isinstance(value, list):
            made[key] = [_part(one, slot, shape, models) for one in value]
        else:
            made[key] = _part(value, slot, shape, models)
    return made


def _part(value: Item, slot: Slot, shape: Shape, models: Models) -> Item:
    if not isinstance(value, dict):
        return value
    kind = slot.types[0] if len(slot.types) == 1 else ""
    if is_value(slot, models, shape):
        if value.keys() != {"value"}:
            return value
        return _READ.get(kind, str)(value["value"])
    below = models.of_element(shape, kind) if kind else None
    return value if below is None or below.is_primitive else _node(value, below, models)
