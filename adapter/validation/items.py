"""The values of one element, each with its type, its place and what stands beside it as `_name`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from adapter.fhir.types import ElementDef, TypeTable

    Select = Callable[[Mapping[str, Any]], "list[Item]"]


class Item(NamedTuple):
    """One value. A primitive that is only extended has the value None and a `beside`."""

    value: Any
    type: str
    step: str
    """Its step in a path, `component[2]` or `status`."""
    beside: Any = None

    @property
    def owner(self) -> Mapping[str, Any]:
        """What its children stand in: itself, or for a primitive the object beside it."""
        if isinstance(self.value, dict):
            return self.value
        return self.beside if isinstance(self.beside, dict) else {}


def selector(types: TypeTable, element: ElementDef) -> Select:
    """Make the function that lists the values of `element` in an object."""
    keys = tuple((element.json_key(kind), kind, types.is_primitive(kind)) for kind in element.types)
    name = element.name
    if len(keys) > 1:
        return _choice(keys, name)
    key, kind, is_primitive = keys[0]
    if is_primitive:
        return lambda owner: _primitives(owner, key, kind, name)

    def select(owner: Mapping[str, Any]) -> list[Item]:
        value = owner.get(key)
        if value is None:
            return []
        if isinstance(value, list):
            return [Item(one, kind, f"{name}[{index}]") for index, one in enumerate(value)]
        return [Item(value, kind, name)]

    return select


def _choice(keys: tuple[tuple[str, str, bool], ...], name: str) -> Select:
    def select(owner: Mapping[str, Any]) -> list[Item]:
        found: list[Item] = []
        for key, kind, is_primitive in keys:
            if is_primitive:
                if key in owner or "_" + key in owner:
                    found += _primitives(owner, key, kind, name)
            elif key in owner:
                found.append(Item(owner[key], kind, name))
        return found

    return select


def _primitives(owner: Mapping[str, Any], key: str, kind: str, name: str) -> list[Item]:
    value, beside = owner.get(key), owner.get("_" + key)
    if isinstance(value, list) or isinstance(beside, list):
        values = value if isinstance(value, list) else []
        others = beside if isinstance(beside, list) else []
        return [
            Item(
                values[index] if index < len(values) else None,
                kind,
                f"{name}[{index}]",
                others[index] if index < len(others) else None,
            )
            for index in range(max(len(values), len(others)))
        ]
    if value is None and beside is None:
        return []
    return [Item(value, kind, name, beside)]


class Navigator:
    """Steps through values by element name, knowing the types. Selectors are made once."""

    def __init__(self, types: TypeTable) -> None:
        self.types = types
        self._selectors: dict[tuple[str, str], Select | None] = {}

    def element(self, type_name: str, name: str) -> ElementDef | None:
        """Return the element called `name`, `value[x]` or `valueQuantity` of a type."""
        definition = self.types.type(type_name)
        if definition is None:
            return None
        known = definition.elements.get(name.removesuffix("[x]"))
        if known is not None:
            return known
        pair = definition.properties.get(name)
        return None if pair is None else pair[0]

    def children(self, item: Item, name: str) -> list[Item]:
        """Return the values of the element `name` of `item`; none if its type has no such element."""
        kind = self.type_of(item)
        key = (kind, name)
        if key not in self._selectors:
            element = self.element(kind, name)
            self._selectors[key] = None if element is None else selector(self.types, element)
        select = self._selectors[key]
        return [] if select is None else select(item.owner)

    def type_of(self, item: Item) -> str:
        """Return the type of the value; of a resource the one it says it is."""
        if item.type in ("Resource", "DomainResource") and isinstance(item.value, dict):
            name = item.value.get("resourceType")
            if isinstance(name, str):
                return name
        return item.type
