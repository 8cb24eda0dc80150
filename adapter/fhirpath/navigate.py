"""From an item to its elements: what `.name`, children() and descendants() read.

For a known type the compiler makes readers in advance; for the rest, `read` looks the type up as it goes
and keeps what it found. A tree of no known type is read by its keys, and `value` finds `valueString` in it
if there is no `value`, because pieces of FHIR are handed around without their type.
"""

from __future__ import annotations

from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from adapter.fhir.types import r4
from adapter.fhirpath.kinds import is_self_telling, own_type
from adapter.fhirpath.plain import system_value
from adapter.fhirpath.values import Element, Item, Json, Quantity, TypeInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhir.types import ElementDef


def read(item: Item, name: str, out: list[Item]) -> None:
    """Add the elements called `name` of an item that tells its own type."""
    if item.__class__ is Element:
        _read_element(item, name, out)
    elif isinstance(item, dict):
        kind = item.get("resourceType")
        if isinstance(kind, str):
            _reader(kind, name)(item, out)
        else:
            _read_tree(item, name, out)
    elif isinstance(item, Quantity):
        if name in ("value", "unit"):
            out.append(item.value if name == "value" else item.unit)
    elif isinstance(item, TypeInfo) and name in ("name", "namespace"):
        out.append(getattr(item, name))


def _read_element(item: Element, name: str, out: list[Item]) -> None:
    value = item.value
    if isinstance(value, dict):
        if item.type is None:
            _read_tree(value, name, out)
        else:
            _reader(item.type, name)(value, out)
        return
    if name == "value" and value is not None:
        out.append(system_value(value, item.type))
    elif item.sibling is not None and name in ("id", "extension"):
        read_sibling(item.sibling, name, out)


def read_sibling(sibling: dict[str, Json], name: str, out: list[Item]) -> None:
    """Add the id or the extensions that stand beside a primitive."""
    found = sibling.get(name) if isinstance(sibling, dict) else None
    if found is None:
        return
    kind = "Extension" if name == "extension" else "string"
    out.extend(Element(one, kind) for one in (found if isinstance(found, list) else [found]))


def _read_tree(tree: dict[str, Json], name: str, out: list[Item]) -> None:
    """Read a tree of no known type."""
    value = tree.get(name)
    beside = tree.get(f"_{name}")
    if value is None and beside is None:
        _read_choice_of_tree(tree, name, out)
    elif beside is not None and isinstance(beside, (dict, list)):
        _pair(value, beside, None, out)
    elif isinstance(value, list):
        _flatten(value, out)
    else:
        out.append(value)


def _flatten(values: list[Json], out: list[Item]) -> None:
    for value in values:
        if isinstance(value, list):
            _flatten(value, out)
        elif value is not None:
            out.append(value)


def _read_choice_of_tree(tree: dict[str, Json], name: str, out: list[Item]) -> None:
    size = len(name)
    for key, value in tree.items():
        if key.startswith(name) and len(key) > size and key[size].isupper():
            kind = _type_by_suffix(key[size:])
            if kind is not None:
                _pair(value, tree.get(f"_{key}"), kind, out)
                return


@cache
def _type_by_suffix(suffix: str) -> str | None:
    """`Quantity` for `Quantity`, `dateTime` for `DateTime`; None for no data type."""
    lowered = suffix[0].lower() + suffix[1:]
    for name in (suffix, lowered):
        definition = r4().type(name)
        if definition is not None and definition.kind in ("complex-type", "primitive-type"):
            return name
    return None


def _pair(value: Json, beside: Json, kind: str | None, out: list[Item]) -> None:
    """Add a primitive, or a list of them, each with what stands beside it."""
    if isinstance(value, list) or isinstance(beside, list):
        values = value if isinstance(value, list) else []
        besides = beside if isinstance(beside, list) else []
        for one, other in zip_longest(values, besides):
            if one is not None or other is not None:
                out.append(Element(one, kind, other if isinstance(other, dict) else None))
    elif value is not None or beside is not None:
        out.append(Element(value, kind, beside if isinstance(beside, dict) else None))


_READERS: dict[tuple[str, str], Any] = {}
_MOST_READERS = 50_000
"""Readers that are kept: names come from expressions, and those may come from anywhere."""


def _nothing(_value: dict[str, Json], _out: list[Item]) -> None:
    """Read an element that the type does not have."""


def _reader(type_name: str, name: str) -> Callable[[dict[str, Json], list[Item]], None]:
    """What adds the elements called `name` of a value of a type; by key, if nobody knows the type."""
    key = (type_name, name)
    known = _READERS.get(key)
    if known is not None:
        return known  # type: ignore[no-any-return]
    definition = r4().type(type_name)
    if definition is None:
        return lambda value, out: _read_tree(value, name, out)
    element = definition.elements.get(name)
    made = _nothing if element is None else _make_reader(element)
    if len(_READERS) < _MOST_READERS:
        _READERS[key] = made
    return made


def _make_reader(element: ElementDef) -> Callable[[dict[str, Json], list[Item]], None]:
    name = element.name
    table = r4()
    if element.is_choice:
        return choice_reader(element)
    kind = own_type(element, element.types[0])
    if table.is_primitive(kind):
        under = f"_{name}"

        def primitive(value: dict[str, Json], out: list[Item]) -> None:
            found, beside = value.get(name), value.get(under)
            if found is not None or beside is not None:
                _pair(found, beside, kind, out)

        return primitive
    if is_self_telling(kind):

        def resource(value: dict[str, Json], out: list[Item]) -> None:
            found = value.get(name)
            if isinstance(found, list):
                out.extend(one for one in found if one is not None)
            elif found is not None:
                out.append(found)

        return resource

    def complex_(value: dict[str, Json], out: list[Item]) -> None:
        found = value.get(name)
        if isinstance(found, list):
            out.extend(Element(one, kind) for one in found if one is not None)
        elif found is not None:
            out.append(Element(found, kind))

    return complex_


def choice_keys(element: ElementDef) -> dict[str, str]:
    """Every JSON key of a choice element, with its type."""
    return {element.json_key(kind): own_type(element, kind) for kind in element.types}


def choice_reader(element: ElementDef) -> Callable[[dict[str, Json], list[Item]], None]:
    """What adds the value of a choice element, whichever of its keys is there."""
    keys = choice_keys(element)
    beside_keys = {f"_{key}": key for key in keys}

    def choice(value: dict[str, Json], out: list[Item]) -> None:
        for key in value:
            kind = keys.get(key)
            if kind is not None:
                _pair(value[key], value.get(f"_{key}"), kind, out)
            elif key in beside_keys and beside_keys[key] not in value:
                _pair(None, value[key], keys[beside_keys[key]], out)

    return choice


def children(item: Item, out: list[Item]) -> None:
    """Add every child of an item that tells its own type; their order means nothing."""
    if item.__class__ is Element:
        value, kind, sibling = item.value, item.type, item.sibling
        if sibling is not None:
            _children_of("Element", sibling, out)
        if isinstance(value, dict):
            _children_of(kind, value, out)
    elif isinstance(item, dict):
        kind = item.get("resourceType")
        _children_of(kind if isinstance(kind, str) else None, item, out)


_PRIMITIVE, _TELLING, _COMPLEX = range(3)


@cache
def _plan(type_name: str) -> dict[str, tuple[str, int]] | None:
    """Every JSON key of a type, with the type behind it and how its values are handed out."""
    table = r4()
    definition = table.type(type_name)
    if definition is None:
        return None
    plan = {}
    for key, known in definition.properties.items():
        kind = own_type(*known)
        way = _PRIMITIVE if table.is_primitive(kind) else _TELLING if is_self_telling(kind) else _COMPLEX
        plan[key] = (kind, way)
    return plan


def _children_of(type_name: str | None, value: dict[str, Json], out: list[Item]) -> None:
    plan = None if type_name is None or r4().type(type_name) is None else _plan(type_name)
    if plan is None:
        for key, found in value.items():
            if key != "resourceType" and not key.startswith("_"):
                _read_tree(value, key, out)
            elif key.startswith("_") and key[1:] not in value:
                _pair(None, found, None, out)
        return
    for key, found in value.items():
        known = plan.get(key)
        if known is None:
            if key.startswith("_") and key[1:] not in value and (known := plan.get(key[1:])):
                _pair(None, found, known[0], out)
            continue
        kind, way = known
        if way == _PRIMITIVE:
            beside = value.get(f"_{key}")
            if beside is None and found.__class__ is not list and found is not None:
                out.append(Element(found, kind))
            else:
                _pair(found, beside, kind, out)
        elif way == _COMPLEX:
            if found.__class__ is list:
                out += [Element(one, kind) for one in found if one is not None]
            elif found is not None:
                out.append(Element(found, kind))
        else:
            for one in found if isinstance(found, list) else (found,):
                if one is not None:
                    out.append(one)
