"""Where an extension may stand, as its definition says. R4 StructureDefinition.context, contextInvariant.

Which element holds an extension is known only once a finding has climbed to its resource, so the questions
are asked there (`Found.unless`). A context is an element, an extension, or a FHIRPath expression; the last
is asked of the resource, whose matches are the elements meant, and of the holder itself.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from adapter.errors import AdapterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapter.fhir.json import Json
    from adapter.fhir.types import ElementDef, TypeTable
    from adapter.validation.visit import Resource

    Steps = tuple[str, ...]

OF_HL7 = "http://hl7.org/fhir/StructureDefinition/"
_LATER = Path(__file__).parent / "data" / "contexts.toml"

PUBLISHED = frozenset({"url", "version", "status"})
"""What a type has that later releases call a CanonicalResource or a MetadataResource."""


class Holder(NamedTuple):
    """The element an extension stands in."""

    value: Json
    type: str
    beside: Json
    """The `_name` object, of a primitive."""
    names: frozenset[str]
    """All names it goes by: its path, `Type.element` of the type it is in, its types and theirs."""
    within: str | None
    """The url of the nearest extension around."""


class Contexts:
    """The contexts of one extension."""

    def __init__(self, definition: dict[str, Any], types: TypeTable) -> None:
        self._types = types
        stated: dict[str, list[str]] = {}
        for one in definition.get("context", ()):
            stated.setdefault(one.get("type", ""), []).append(one.get("expression", ""))
        url = str(definition.get("url", ""))
        self._elements = frozenset(stated.get("element", ())) | later().get(
            url.removeprefix(OF_HL7), frozenset()
        )
        self._extensions = frozenset(stated.get("extension", ()))
        self._paths = tuple(stated.get("fhirpath", ()))
        self.allowed = ", ".join(one for kind in stated.values() for one in kind)
        """The contexts, for a person."""
        self.is_everywhere = not stated or not self._elements.isdisjoint({"Element", "*"})
        self.invariants = tuple(definition.get("contextInvariant", ()))

    def allow_type(self, name: str) -> bool:
        """Return True if an element of the type `name` may hold the extension, wherever it is."""
        return self.is_everywhere or any(self._types.is_a(name, one) for one in self._elements)

    def allow(self, resource: Resource, steps: Steps) -> bool:
        """Return True if the extension may stand at the end of `steps`; if that cannot be seen, too."""
        holder = holder_of(self._types, resource, steps[:-1])
        if holder is None or not self._elements.isdisjoint(holder.names):
            return True
        if holder.within is not None and holder.within in self._extensions:
            return True
        return any(_selects(path, resource, holder) for path in self._paths)

    def hold(self, invariant: str, resource: Resource, steps: Steps, extension: Json) -> bool:
        """Return False if a condition on the holder is surely not met; an empty answer is none."""
        holder = holder_of(self._types, resource, steps[:-1])
        return holder is None or _asked(invariant, resource, holder, extension) != [False]


@cache
def later() -> dict[str, frozenset[str]]:
    """Return the contexts that R4's own extensions were given after R4, by the end of their url."""
    return {url: frozenset(paths) for url, paths in tomllib.loads(_LATER.read_text("utf-8")).items()}


def holder_of(types: TypeTable, resource: Resource, steps: Steps) -> Holder | None:
    """Return the element that steps such as `("name[0]", "family")` lead to; None if there is none."""
    kind = str(resource.get("resourceType"))
    at: Json = resource
    beside: Json = None
    within: str | None = None
    path, names = kind, {kind}
    for step in steps:
        name, _, index = step.rstrip("]").partition("[")
        definition = types.type(kind)
        element = definition.elements.get(name) if definition is not None else None
        if element is None or not isinstance(at if beside is None else beside, dict):
            return None
        owner = at if isinstance(at, dict) else beside
        path = f"{path}.{name}"
        names = {path, f"{path}[x]", *_names(types, kind, name)}
        found = _child(owner, element, int(index) if index else None)
        if found is None:
            return None
        kind, at, beside = found
        if isinstance(at, dict) and name in ("extension", "modifierExtension"):
            within = at.get("url")
        elif isinstance(at, dict) and isinstance(at.get("resourceType"), str):
            kind = at["resourceType"]
    return Holder(at, kind, beside, frozenset({*names, *_types_of(types, kind)}), within)


def _names(types: TypeTable, owner: str, name: str) -> Iterator[str]:
    for one in types.ancestors(owner):
        yield f"{one}.{name}"
        yield f"{one}.{name}[x]"


def _types_of(types: TypeTable, kind: str) -> Iterable[str]:
    definition = types.type(kind)
    if definition is not None and definition.elements.keys() >= PUBLISHED:
        return (*types.ancestors(kind), "CanonicalResource", "MetadataResource")
    return types.ancestors(kind)


def _child(owner: Json, element: ElementDef, index: int | None) -> tuple[str, Json, Json] | None:
    """Return type, value and `_name` object of one value of an element."""
    for kind in element.types:
        key = element.json_key(kind)
        if key in owner or "_" + key in owner:
            return kind, _at(owner.get(key), index), _at(owner.get("_" + key), index)
    return None


def _at(value: Json, index: int | None) -> Json:
    if index is None or not isinstance(value, list):
        return value
    return value[index] if index < len(value) else None


def _selects(path: str, resource: Resource, holder: Holder) -> bool:
    """Return True if a FHIRPath context means the holder, or cannot be read."""
    whole = holder._replace(value=resource, type=str(resource.get("resourceType")), beside=None)
    of_resource = _asked(path, resource, whole)
    of_holder = _asked(path, resource, holder)
    if of_resource is None and of_holder is None:
        return True
    if of_holder == [True] or any(one is holder.value for one in of_holder or ()):
        return True
    is_same = isinstance(holder.value, dict)
    return any(one is holder.value if is_same else one == holder.value for one in of_resource or ())


def _asked(text: str, resource: Resource, focus: Holder, extension: Json = None) -> list[Json] | None:
    """Evaluate an expression on an element; None if it cannot be compiled or evaluated."""
    from adapter.fhirpath import Element, compile_expression

    environment = {"resource": resource, "rootResource": resource, "extension": extension}
    value = resource if focus.value is resource else Element(focus.value, focus.type, focus.beside)
    try:
        return compile_expression(text, ("extension",))(value, environment)
    except AdapterError:
        return None
