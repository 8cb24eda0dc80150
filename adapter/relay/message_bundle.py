"""A message Bundle with its entries by address: what its references lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.relay.directory import key_of
from adapter.relay.element import child, children, numbered, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.relay.element import Element


class Message:
    """A Bundle with its entries by address."""

    def __init__(self, bundle: Element) -> None:
        self.bundle = bundle
        self.entries: list[tuple[str, Element]] = []
        self._by_address: dict[str, Element] = {}
        for index, entry in numbered(bundle, "entry"):
            resource = child(entry, "resource")
            if not resource:
                continue
            self.entries.append((f"Bundle.entry[{index}].resource", resource))
            address, name = text(entry, "fullUrl"), text(resource, "id")
            if address:
                self._by_address[address] = resource
            if name:
                self._by_address.setdefault(f"{text(resource, 'resourceType')}/{name}", resource)

    def of(self, kind: str) -> Iterator[tuple[str, Element]]:
        """Yield every resource of a type, with its FHIRPath."""
        return ((at, each) for at, each in self.entries if each.get("resourceType") == kind)

    def first(self, kind: str) -> Element:
        """Return the first resource of a type, or an empty one."""
        return next((each for _, each in self.of(kind)), {})

    def resolve(self, reference: Element) -> Element:
        """Return what a Reference points at within the Bundle, or an empty resource."""
        return self._by_address.get(text(reference, "reference") or "", {})

    def organisation(self, reference: Element) -> str | None:
        """Return the key of the organisation a Reference names, by its target or by its identifier.

        A PractitionerRole speaks for its organisation.
        """
        target = self.resolve(reference)
        if target.get("resourceType") == "PractitionerRole":
            # One step only: a role that points at a role names nobody.
            target = self.resolve(child(target, "organization"))
        if target.get("resourceType") == "Organization":
            keys = [key_of(each) for each in children(target, "identifier")]
            return next((key for key in keys if key), None)
        return key_of(child(reference, "identifier"))
