"""The allow-list of a copy: which elements of a message go, and the copying of what is listed.

The lists are tables in `tables/`. What is not in a table does not go: unknown elements, extensions, contained
resources, resources of other types. Nothing is removed from the sender's message; a new one is built and the
listed elements are copied into it. All ids are derived from the id of the copy, and say nothing of the
sender's.
"""

from __future__ import annotations

import csv
import io
import uuid
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from adapter.relay.element import child, children, codes, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from adapter.relay.element import Element
    from adapter.relay.message import Level
    from adapter.relay.message_bundle import Message

Resource = dict[str, Any]

ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_ABSENT = frozenset(
    ("unknown", "asked-unknown", "temp-unknown", "not-asked", "asked-declined", "masked", "not-applicable")
)
_CONCEPTS = ("CodeableConcept", "CodedConcept", "Words")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of a table: an element that goes."""

    type: str
    """A resource type, or a shape that other lines name."""
    element: str
    """Its JSON name; a dot goes one element deeper. `*` is the resource itself."""
    shape: str
    """`value` for primitives; `Reference`, or a name that ends so, for what leads to a resource of the copy;
    else the shape whose lines say what goes of it."""
    levels: frozenset[Level]
    goes_under_turvakielto: bool
    only: frozenset[str]
    """Systems, urls or codes it is restricted to; empty for no restriction."""
    note: str


def rows_of(table: str) -> Iterator[dict[str, str]]:
    """Yield the lines of a table that travels with the package."""
    source = (files("adapter.relay") / "tables" / table).read_text("utf-8")
    yield from csv.DictReader(io.StringIO(source))


class Urls:
    """Addresses within a copy: derived from its own id, by kind and number."""

    def __init__(self, bundle_id: str) -> None:
        self._space = uuid.UUID(bundle_id)
        self._given: dict[int, str] = {}
        self._count: dict[str, int] = {}
        self.patient: str | None = None

    def new(self, kind: str) -> str:
        """Return the next address of a kind."""
        self._count[kind] = self._count.get(kind, 0) + 1
        return f"urn:uuid:{uuid.uuid5(self._space, f'{kind}/{self._count[kind]}')}"

    def give(self, resource: Element) -> None:
        """Give a resource of the sender its address in the copy."""
        self._given[id(resource)] = self.new(str(resource["resourceType"]))
        if resource["resourceType"] == "Patient":
            self.patient = self._given[id(resource)]

    def of(self, resource: Element) -> str:
        """The address of a resource in the copy."""
        return self._given[id(resource)]

    def find(self, resource: Element) -> str | None:
        """The address in the copy of what a reference pointed at, None if it is not in the copy."""
        return self._given.get(id(resource))


class Picker:
    """Copies the listed elements.

    `lines`: the lines of a type or shape for this recipient.
    """

    def __init__(
        self,
        message: Message,
        lines: Callable[[str], Iterable[Listed]],
        urls: Urls,
        *,
        under_turvakielto: bool,
    ) -> None:
        self.message = message
        self.urls = urls
        self._lines = lines
        self._under_turvakielto = under_turvakielto

    def lines(self, kind: str) -> Iterator[Listed]:
        """Yield the lines that hold for this person."""
        for line in self._lines(kind):
            if line.goes_under_turvakielto or not self._under_turvakielto:
                yield line

    def resource(self, kind: str, resource: Element) -> Resource:
        """The listed elements of a resource."""
        return {"resourceType": kind, **self.elements(kind, resource)}

    def elements(self, kind: str, value: Element, only: frozenset[str] = frozenset()) -> Resource:
        """The listed elements of one value; `only` restricts the codings of a concept."""
        taken: Resource = {}
        for line in self.lines(kind):
            path = line.element.split(".") if "." in line.element else [line.element]
            if path[0] in value or f"_{path[0]}" in value:  # most of what may go is not there
                self._take(taken, value, line, path, line.only or only)
        return taken

    def _take(
        self, taken: Resource, value: Element, line: Listed, path: list[str], only: frozenset[str]
    ) -> None:
        name = path[0]
        if len(path) > 1:
            inner: Resource = {}
            self._take(inner, child(value, name), line, path[1:], only)
            if inner:
                taken.setdefault(name, {}).update(inner)
            return
        found = value.get(name)
        picked = self._value(found, line.shape, only)
        if isinstance(picked, list) and isinstance(taken.get(name), list):
            picked = [*taken[name], *(each for each in picked if each not in taken[name])]
        if picked is not None:
            taken[name] = picked
        elif line.shape == "value" and found is None:
            absent = absent_reason(value.get(f"_{name}"))
            if absent:
                taken[f"_{name}"] = absent

    def _value(self, found: object, shape: str, only: frozenset[str]) -> Any:  # noqa: ANN401
        if isinstance(found, list):
            picked = [self._value(each, shape, only) for each in found if not isinstance(each, list)]
            return [each for each in picked if each is not None] or None
        if shape == "value":
            return found if isinstance(found, str | bool | int | Decimal) else None
        if not isinstance(found, dict):
            return None
        if shape.endswith("Reference"):
            return self._reference(found, shape)
        if not _is_within(found, shape, only):
            return None
        return self.elements(shape, found, only) or None

    def _reference(self, reference: Element, shape: str) -> Resource | None:
        url = self.urls.find(self.message.resolve(reference))
        beside = self.elements(shape, reference)
        if url:
            return {**beside, "reference": url}
        # A reference by identifier or in words leads nowhere, and says what its lines let it say.
        says = any(name in beside for name in ("identifier", "display"))
        return beside if says else None


def _is_within(value: Element, shape: str, only: frozenset[str]) -> bool:
    """Whether a value is one of those that the line is restricted to."""
    if not only:
        return True
    if shape in ("Identifier", "Coding", "Code"):
        return text(value, "system") in only or text(value, "code") in only
    if shape.endswith("Extension"):
        return text(value, "url") in only
    if shape.endswith("Component"):
        return any(code in only for _, code in codes(child(value, "code")))
    if shape in _CONCEPTS:
        return has_one(value, only)
    if shape == "Participant":
        return any(has_one(role, only) for role in children(value, "role"))
    if shape == "Agent":
        return has_one(child(value, "type"), only)
    if shape == "Activity":
        return "reference" in value or has_one(child(child(value, "detail"), "code"), only)
    return True


def has_one(concept: Element, only: frozenset[str]) -> bool:
    """Return True if a concept has a code of one of these systems, or one of these codes."""
    return any(system in only or code in only for system, code in codes(concept))


def absent_reason(extended: object) -> Resource | None:
    """Say why a value is absent, as far as it is said by a code of the standard. R4 data-absent-reason."""
    for each in children(extended, "extension") if isinstance(extended, dict) else ():
        if each.get("url") == ABSENT_REASON and each.get("valueCode") in _ABSENT:
            return {"extension": [{"url": ABSENT_REASON, "valueCode": each["valueCode"]}]}
    return None


MASKED: Resource = {"extension": [{"url": ABSENT_REASON, "valueCode": "masked"}]}
"""What must stand in a resource and does not go to this recipient."""
