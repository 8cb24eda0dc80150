"""The last walk over a result: elements in the order of the standard, plain dicts, nothing empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.mapping.run import Made

if TYPE_CHECKING:
    from adapter.mapping.nodes import Item


def finished(made: Made) -> dict[str, Item]:
    """Return `made` as FHIR's JSON shape.

    Elements stand in the order of the type; a primitive that was made as a node becomes its value, with
    `_name` beside it for id and extensions. Elements without content are left out.
    """
    shape = made.shape
    result: dict[str, Item] = {}
    for key in made if shape is None else shape.orders[(*made,)]:
        value = made[key]
        kind = value.__class__
        if kind is str:
            if value:
                result[key] = value
        elif kind is list:
            if Made not in map(type, value):
                if value:
                    result[key] = value
            elif _is_primitive(value[0]):
                _put_mixed(result, key, value)
            else:
                wholes = [
                    whole for one in value if (whole := finished(one) if one.__class__ is Made else one)
                ]
                if wholes:
                    result[key] = wholes
        elif kind is Made:
            _put(result, key, value)
        elif value is not None and value != {}:
            result[key] = value
    return result


def _is_primitive(value: Item) -> bool:
    if value.__class__ is not Made:
        return not isinstance(value, dict)
    return value.shape is not None and value.shape.kind == "primitive"


def _put(result: dict[str, Item], key: str, made: Made) -> None:
    if _is_primitive(made):
        value, beside = _primitive(made)
        if value is not None:
            result[key] = value
        if beside:
            result[f"_{key}"] = beside
        return
    whole = finished(made)
    if whole:
        result[key] = whole


def _primitive(made: Made) -> tuple[Item, dict[str, Item]]:
    whole = finished(made)
    return whole.pop("value", None), whole


def _put_mixed(result: dict[str, Item], key: str, items: list[Item]) -> None:
    """Put a list some of whose primitives have an id or extensions beside their value."""
    values: list[Item] = []
    besides: list[Item] = []
    for item in items:
        value, beside = item, None
        if item.__class__ is Made:
            if _is_primitive(item):
                value, beside = _primitive(item)
            else:
                value = finished(item) or None
        if value is not None or beside:
            values.append(value)
            besides.append(beside or None)
    if any(value is not None for value in values):
        result[key] = values
    if any(besides):
        result[f"_{key}"] = besides
