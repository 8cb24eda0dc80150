"""Types that a map may speak of: R4's own, and logical models given as StructureDefinitions.

A `Shape` is what the compiler and the finishing walk need of a type, no more: which elements it has, in which
order, how often and of which types. A source without a model (HL7 v2, any XML, any JSON) has no shape, and
nothing is checked on its side.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from adapter.fhir.types import ElementDef, TypeDef, TypeTable

FHIR = "http://hl7.org/fhir/StructureDefinition/"
UNMODELLED = frozenset({"v2-message", "xml-document", "json-document", "csv-table"})
"""Last parts of the urls under our base that declare a structure without a model."""
CDA = "http://hl7.org/cda/stds/core/StructureDefinition/ClinicalDocument"
"""A source that is read with or without its model."""

ORDERS_AT_MOST = 1000
"""Results of one map have the same few sets of keys again and again; hostile ones must not fill memory."""

Kind = Literal["resource", "complex", "primitive", "logical"]


@dataclass(frozen=True, slots=True)
class Slot:
    """One element of a type. For XML of logical models: how it is written."""

    name: str
    types: tuple[str, ...]
    is_list: bool
    is_choice: bool = False
    min: int = 0
    form: Literal["element", "attribute", "text"] = "element"
    xml_name: str | None = None
    namespace: str | None = None
    declares_type: bool = False
    """True if XML says the type by `xsi:type`."""
    is_group: bool = False
    """True if XML writes its parts without an element of its own around them, such as `item` of a name."""

    def key(self, type_name: str) -> str:
        """Return the JSON property for a value of `type_name`."""
        return self.name + type_name[:1].upper() + type_name[1:] if self.is_choice else self.name


class Orders(dict[tuple[str, ...], tuple[str, ...]]):
    """Sets of keys of one type as they came, each with their order in the standard, worked out once."""

    __slots__ = ("rank",)

    def __init__(self, rank: Mapping[str, int]) -> None:
        self.rank = rank

    def __missing__(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        """Sort `keys`; what stands beside an element, such as `_birthDate`, goes with it."""
        if len(self) >= ORDERS_AT_MOST:
            self.clear()
        last = len(self.rank)
        found = self[keys] = tuple(sorted(keys, key=lambda key: self.rank.get(key.removeprefix("_"), last)))
        return found


@dataclass(slots=True)
class Shape:
    """One type."""

    name: str
    kind: Kind
    slots: Mapping[str, Slot]
    url: str = ""
    is_abstract: bool = False
    namespace: str | None = None
    is_named: bool = False
    """True if its JSON says the type under `resourceType`, as that of a logical model does."""
    order: dict[str, tuple[int, Slot, str]] = field(default_factory=dict)
    """JSON key -> place among the elements, its slot and type name."""
    rank: dict[str, int] = field(default_factory=dict)
    """JSON key -> place among the elements."""
    orders: Orders = field(init=False)
    """JSON keys in the order of the standard, by the order they were written in."""

    def __post_init__(self) -> None:
        self.order = {
            slot.key(kind): (at, slot, kind)
            for at, slot in enumerate(self.slots.values())
            for kind in slot.types or ("",)
        }
        self.rank = {"resourceType": -1} | {key: at for key, (at, _, _) in self.order.items()}
        self.orders = Orders(self.rank)

    @property
    def is_primitive(self) -> bool:
        """True if JSON writes a plain value."""
        return self.kind == "primitive"

    def nearest(self, name: str) -> str | None:
        """Return the element whose name is most like `name`."""
        return nearest(name, self.slots)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the most alike of `names`, or None if none is alike."""
    known = list(names)
    for one in known:
        if one.lower() == name.lower():
            return one
    found = get_close_matches(name, known, n=1, cutoff=0.6)
    return found[0] if found else None


_KINDS: dict[str, Kind] = {
    "resource": "resource",
    "complex-type": "complex",
    "primitive-type": "primitive",
    "backbone": "complex",
    "system": "primitive",
}


def _slot(element: ElementDef) -> Slot:
    return Slot(element.name, element.types, element.is_list, element.is_choice, element.min)


def _shape(definition: TypeDef) -> Shape:
    return Shape(
        definition.name,
        _KINDS[definition.kind],
        {name: _slot(element) for name, element in definition.elements.items()},
        FHIR + definition.name,
        definition.abstract,
    )


@cache
def _table() -> TypeTable:
    from adapter.fhir.types import r4

    return r4()


@cache
def r4_shape(name: str) -> Shape | None:
    """Return the shape of a type of R4, or None."""
    definition = _table().type(name)
    return None if definition is None else _shape(definition)


@cache
def choice_keys() -> dict[str, tuple[str, str]]:
    """JSON keys of all choice elements of R4: `valueString` to (`value`, `string`)."""
    table = _table()
    return {
        key: (element.name, kind)
        for name in table.names()
        if (definition := table.type(name)) is not None
        for key, (element, kind) in definition.properties.items()
        if element.is_choice
    }


class Models:
    """R4 and the logical models of some packages."""

    def __init__(self, definitions: Iterable[Mapping[str, Any]] = ()) -> None:
        self._logical: dict[str, Mapping[str, Any]] = {}
        self._shapes: dict[str, Shape] = {}
        self.with_values: dict[str, bool] = {}
        """Of logical models, by url, whether their XML has values of primitives as FHIR writes them."""
        for definition in definitions:
            if definition.get("resourceType") == "StructureDefinition" and definition.get("url"):
                self._logical[definition["url"]] = definition

    def by_url(self, url: str) -> Shape | None:
        """Return the shape a `uses` names; None if it has none or nobody knows it."""
        url = url.partition("|")[0]
        known = self._shapes.get(url)
        if known is not None:
            return known
        definition = self._logical.get(url)
        if definition is not None:
            standard = None if definition.get("kind") == "logical" else r4_shape(str(definition.get("type")))
            return standard or self._read(definition)
        if url.startswith(FHIR):
            return r4_shape(url.removeprefix(FHIR))
        return None

    def is_known(self, url: str, *, is_source: bool) -> bool:
        """True if something is known of `url`, be it that it has no model."""
        return (
            url.rpartition("/")[2] in UNMODELLED or (is_source and url == CDA) or self.by_url(url) is not None
        )

    def of_element(self, owner: Shape, type_name: str) -> Shape | None:
        """Return the shape of a type as it is named inside of `owner`."""
        if owner.kind == "logical":
            known = self.by_url(type_name) or self._shapes.get(type_name)
            return known or r4_shape(type_name.rpartition("/")[2]) or self._own(type_name)
        return r4_shape(type_name)

    def _own(self, name: str) -> Shape | None:
        """Return a type of the logical models that is named as R4 names its types."""
        for url, definition in self._logical.items():
            if definition.get("type") == name and definition.get("derivation") != "constraint":
                return self.by_url(url)
        return None

    def logical(self, name: str) -> Shape | None:
        """Return a logical model by the last part of its url, where there is one such model only."""
        found = [url for url in self._logical if url.rpartition("/")[2] == name]
        return self.by_url(found[0]) if len(found) == 1 else None

    def named(self, name: str) -> Shape | None:
        """Return a type of R4 by its name."""
        return r4_shape(name)

    def names(self) -> list[str]:
        """Return the names of all R4 types that a map can create."""
        return [name for name in _table().names() if "." not in name]

    def is_a(self, name: str, ancestor: str) -> bool:
        """True if type `name` is `ancestor` or specialises it."""
        return _table().is_a(name, ancestor)

    def _read(self, definition: Mapping[str, Any]) -> Shape:
        """Read a logical model with all its backbones; each becomes a shape of its own."""
        elements = (definition.get("snapshot") or definition.get("differential") or {}).get("element", [])
        url, root = definition["url"], elements[0]["path"] if elements else ""
        below: dict[str, dict[str, Slot]] = {root: {}}
        paths = {element["path"] for element in elements}
        parents = {path.rpartition(".")[0] for path in paths}
        namespace = _extension(definition, "xml-namespace") or _extension(definition, "namespace")
        for element in elements[1:]:
            parent, _, name = element["path"].rpartition(".")
            if element.get("max") == "0" or element.get("sliceName"):
                continue
            below.setdefault(parent, {})[name.removesuffix("[x]")] = _logical_slot(
                element, name, url, element["path"] in parents
            )
        made: dict[str, Shape] = {}
        for path, slots in below.items():
            slots = _with_parts_of_groups(path, slots, below)
            key = url if path == root else f"{url}#{path}"
            kind: Kind = "logical"
            made[key] = Shape(
                path.rpartition(".")[2],
                kind,
                slots,
                key,
                bool(definition.get("abstract")) and path == root,
                namespace,
                path == root and _extension(definition, "json-suppress-resourcetype") != "True",
            )
        self._shapes.update(made)
        return made[url]


def _with_parts_of_groups(
    path: str, slots: dict[str, Slot], below: Mapping[str, dict[str, Slot]]
) -> dict[str, Slot]:
    """Return the elements of a type with the parts of its groups among them, as documents have them."""
    found: dict[str, Slot] = {}
    for name, slot in slots.items():
        found[name] = slot
        if slot.is_group:
            parts = below.get(f"{path}.{name}", {}).items()
            found |= {part: replace(one, is_list=True) for part, one in parts if part not in slots}
    return found


def _logical_slot(element: Mapping[str, Any], name: str, url: str, is_backbone: bool) -> Slot:
    codes = tuple(kind["code"] for kind in element.get("type", ()) if kind.get("code"))
    if is_backbone or element.get("contentReference"):
        path = (element.get("contentReference") or "#" + element["path"]).rpartition("#")[2]
        codes = (f"{url}#{path}",)
    forms = element.get("representation", ())
    return Slot(
        name.removesuffix("[x]"),
        codes,
        element.get("max", "1") not in ("0", "1"),
        name.endswith("[x]"),
        int(element.get("min", 0)),
        "attribute" if "xmlAttr" in forms else "text" if "xmlText" in forms else "element",
        _extension(element, "xml-name"),
        _extension(element, "xml-namespace") or _extension(element, "namespace"),
        "typeAttr" in forms,
        _extension(element, "xml-choice-group") == "True",
    )


def _extension(owner: Mapping[str, Any], name: str) -> str | None:
    for extension in owner.get("extension", ()):
        if str(extension.get("url", "")).rpartition("/")[2].endswith(name):
            for key, value in extension.items():
                if key.startswith("value"):
                    return str(value)
    return None
