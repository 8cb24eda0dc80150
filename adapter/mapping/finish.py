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
    keys = made if shape is None or len(made) < 2 else _ordered(made, shape.rank)
    result: dict[str, Item] = {}
    for key in keys:
        value = made[key]
        kind = value.__class__
        if kind is str:
            if value:
                result[key] = value
        elif kind is Made:
            _put(result, key, value)
        elif kind is list:
            _put_list(result, key, value)
        elif value is not None and value != {}:
            result[key] = value
    return result


def _ordered(made: Made, rank: dict[str, int]) -> list[str]:
    try:
        return sorted(made, key=rank.__getitem__)
    except KeyError:  # what came with a copy, such as `_birthDate`, stands beside its element
        return sorted(made, key=lambda key: rank.get(key.removeprefix("_"), len(rank)))


def _put(result: dict[str, Item], key: str, made: Made) -> None:
    if made.shape is not None and made.shape.is_primitive:
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


def _put_list(result: dict[str, Item], key: str, items: list[Item]) -> None:
    if items and items[0].__class__ is Made and not (items[0].shape and items[0].shape.is_primitive):
        wholes = [whole for one in items if (whole := finished(one) if one.__class__ is Made else one)]
        if wholes:
            result[key] = wholes
        return
    if not any(one.__class__ is Made for one in items):
        if items:
            result[key] = items
        return
    _put_mixed(result, key, items)


def _put_mixed(result: dict[str, Item], key: str, items: list[Item]) -> None:
    """Put a list some of whose primitives have an id or extensions beside their value."""
    values: list[Item] = []
    besides: list[Item] = []
    for item in items:
        value, beside = item, None
        if item.__class__ is Made:
            if item.shape is not None and item.shape.is_primitive:
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
