"""Logical models as types: what is not a FHIR resource, held against its own definition. R4 kind = logical.

A model becomes types like those of the type table, one for each element that has children, so the walk and
the rules of profiles serve for it too. Its name is the last part of its type. An instance is plain JSON:
names as in the model, a choice with its type in the name, a list or a single value where several may stand.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from adapter.fhir.types import ElementDef, TypeDef, TypeTable
from adapter.validation.element_rules import code_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adapter.fhir.types import Invariant
    from adapter.validation.profiles import Profiles
    from adapter.validation.tree import Node

PLAIN = "Element"
"""The type of an element whose model gives it none that is known, and the base of all."""


class ModelTypes(TypeTable):
    """The types of R4 with those of logical models beside them."""

    __slots__ = ("_core", "_models")

    def __init__(self, core: TypeTable, models: Mapping[str, TypeDef]) -> None:
        self._core = core
        self._models = models

    def type(self, name: str) -> TypeDef | None:
        """Return the type called `name`, a model's or R4's, or None."""
        return self._models.get(name) or self._core.type(name)

    def is_resource(self, name: str) -> bool:
        """Return True if `name` is a resource of R4 that can stand on its own."""
        return self._core.is_resource(name)

    def is_primitive(self, name: str) -> bool:
        """Return True if values of the type are plain JSON values."""
        return self._core.is_primitive(name)

    def ancestors(self, name: str) -> tuple[str, ...]:
        """Return `name` and all it specialises; a model specialises Element."""
        return (name, *self._core.ancestors(PLAIN)) if name in self._models else self._core.ancestors(name)

    def binding_codes(self, value_set: str) -> frozenset[str] | None:
        """Return the codes of a value set of the core, any system."""
        return self._core.binding_codes(value_set)

    def binding_codings(self, value_set: str) -> Mapping[str, frozenset[str]] | None:
        """Return the codes of a value set of the core by system."""
        return self._core.binding_codings(value_set)

    def invariants(self) -> tuple[Invariant, ...]:
        """Return every invariant of the core definitions."""
        return self._core.invariants()


def is_model(definition: dict[str, Any] | None) -> bool:
    """Return True for the definition of a logical model."""
    return definition is not None and definition.get("kind") == "logical"


def name_of(definition: dict[str, Any]) -> str:
    """Return the name of a model, with which the paths of its elements begin."""
    return str(definition.get("type", "")).rpartition("/")[2]


def model_types(definition: dict[str, Any], profiles: Profiles) -> ModelTypes:
    """Return the types of a model, and of the models its elements are of, beside those of R4.

    Raises ConfigurationError if a definition cannot be read.
    """
    found: dict[str, TypeDef] = {}
    waiting = [definition]
    while waiting:
        one = waiting.pop()
        name = name_of(one)
        if name in found:
            continue
        node = profiles.tree_of(one)
        found.update({made.name: made for made in _types(node, name, profiles)})
        for url in _named(node):
            other = profiles.library.structure(url)
            if other is not None and is_model(other):
                waiting.append(other)
    return ModelTypes(profiles.types, found)


def _named(node: Node) -> Iterator[str]:
    """Yield the types that elements of a model are of, where they are told by an address."""
    for one in node.walk():
        yield from (kind["code"] for kind in one.rule.get("type", ()) if "/" in kind.get("code", ""))


def _types(node: Node, name: str, profiles: Profiles) -> Iterator[TypeDef]:
    base = profiles.types.type(PLAIN)
    elements = dict(base.elements) if base is not None else {}
    for child in node.children.values():
        element = _element(child, name, profiles)
        elements[element.name] = element
        if child.children:
            yield from _types(child, f"{name}.{child.name}", profiles)
    properties = {
        element.json_key(kind): (element, kind) for element in elements.values() for kind in element.types
    }
    yield TypeDef(
        name=name,
        kind="backbone" if "." in name else "complex-type",
        base=PLAIN,
        abstract=False,
        elements=MappingProxyType(elements),
        properties=MappingProxyType(properties),
        constraints=(),
    )


def _element(node: Node, owner: str, profiles: Profiles) -> ElementDef:
    most = node.rule.get("max", "*")
    return ElementDef(
        name=node.name.removesuffix("[x]"),
        path=f"{owner}.{node.name}",
        types=_kinds(node, owner, profiles),
        min=int(node.rule.get("min", 0)),
        max=None if most == "*" else int(most),
        is_choice=node.name.endswith("[x]"),
        is_list=most not in ("0", "1"),
    )


def _kinds(node: Node, owner: str, profiles: Profiles) -> tuple[str, ...]:
    linked = node.rule.get("contentReference")
    if isinstance(linked, str):
        return (linked.partition("#")[2],)
    if node.children:
        return (f"{owner}.{node.name}",)
    kinds = [code_of(kind) for kind in node.rule.get("type", ())]
    return tuple(_known(kind, profiles) for kind in kinds) or (PLAIN,)


def _known(kind: str, profiles: Profiles) -> str:
    """Return the name of a type: R4's, that of a model at hand, else the plainest."""
    name = kind.rpartition("/")[2]
    if profiles.types.type(name) is not None or is_model(profiles.library.structure(kind)):
        return name
    return PLAIN
