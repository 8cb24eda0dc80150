"""The profiles at hand: what each constrains and all it says, as a tree, read when first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Any

from adapter.errors import ConfigurationError
from adapter.validation import tree

if TYPE_CHECKING:
    from adapter.fhir.types import TypeTable
    from adapter.validation.items import Navigator
    from adapter.validation.library import Library
    from adapter.validation.tree import Node

CORE = "http://hl7.org/fhir/StructureDefinition/"


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile."""

    url: str
    type: str
    """The type it constrains."""
    tree: Node


class Profiles:
    """All profiles at hand, read once per canonical and version, whatever thread asks first."""

    def __init__(self, library: Library, navigator: Navigator) -> None:
        self.types: TypeTable = navigator.types
        self.library = library
        self._navigator = navigator
        self._known: dict[str, Profile | None] = {}
        self._open: set[str] = set()
        self._reading = RLock()
        self.faults: dict[str, ConfigurationError] = {}
        """Profiles that are there and cannot be read, with the reason."""

    def get(self, canonical: str) -> Profile | None:
        """Return the profile, or None if it is not at hand, is a plain type of R4, or is in `faults`."""
        if canonical in self._known:
            return self._known[canonical]
        with self._reading:
            if canonical in self._known or canonical in self._open:
                return self._known.get(canonical)
            self._open.add(canonical)
            found = None
            try:
                found = self._read(canonical)
            except ConfigurationError as fault:
                self.faults[canonical] = fault
            finally:
                self._open.discard(canonical)
            self._known[canonical] = found
            return found

    def core_type(self, canonical: str) -> str | None:
        """Return the type whose own definition `canonical` is, or None."""
        url = canonical.partition("|")[0]
        name = url.removeprefix(CORE)
        return name if name != url and self.types.type(name) is not None else None

    def type_of(self, canonical: str) -> str:
        """Return the type a profile constrains; `Resource` if the profile is not at hand."""
        core = self.core_type(canonical)
        if core is not None:
            return core
        known = self.get(canonical)
        return known.type if known is not None else "Resource"

    def is_known(self, canonical: str) -> bool:
        """Return True if the profile is at hand, or is a type of the core."""
        return self.core_type(canonical) is not None or self.get(canonical) is not None

    def _read(self, canonical: str) -> Profile | None:
        whole, _, part = canonical.partition("#")
        if part:
            return self._part(canonical, self.get(whole), part)
        definition = self.library.structure(canonical)
        if definition is None:
            return None
        type_name = definition.get("type")
        if not isinstance(type_name, str):
            return None
        if definition.get("kind") == "logical":
            type_name = type_name.rpartition("/")[2]
        if self.types.type(type_name) is None:
            return None
        url = definition.get("url") or canonical
        return Profile(url, type_name, self.tree_of(definition))

    def tree_of(self, definition: dict[str, Any]) -> Node:
        """Return all a definition says, its bases merged in.

        Raises ConfigurationError if it or a base cannot be read.
        """
        return self._tree(definition, ())

    def _part(self, canonical: str, whole: Profile | None, part: str) -> Profile | None:
        """Return one element of a profile as a profile of its own. R4 elementdefinition-profile-element."""
        node = whole.tree.find(part) if whole is not None else None
        if whole is None or node is None:
            return None
        kind = whole.type
        for step in part.split(".")[1:]:
            element = self._navigator.element(kind, step.partition(":")[0])
            if element is None:
                return None
            kind = element.types[0]
        return Profile(canonical, kind, node)

    def _tree(self, definition: dict[str, Any], above: tuple[str, ...]) -> Node:
        url = definition.get("url", "")
        snapshot = definition.get("snapshot", {}).get("element")
        if snapshot:
            return tree.from_snapshot(snapshot)
        elements = definition.get("differential", {}).get("element", ())
        base_url = definition.get("baseDefinition", "")
        type_name = definition.get("type", "")
        if url in above:
            raise ConfigurationError("VA205", at=url, params={"base": base_url})
        base_definition = None
        if self.core_type(base_url) is None or self.core_type(base_url) != type_name:
            base_definition = self.library.structure(base_url)
        if base_definition is None:
            if self.core_type(base_url) is None:
                raise ConfigurationError("VA204", at=url, params={"base": base_url})
            return tree.merged(tree.Node(type_name), elements)
        return tree.merged(self._tree(base_definition, (*above, url)), elements)
