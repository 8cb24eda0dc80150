"""Elements of a resource whose shape nobody has checked yet: what is not of the right kind is absent."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from zoneinfo import ZoneInfo

Element: TypeAlias = "Mapping[str, Any]"
Code: TypeAlias = tuple[str, str]
"""System and code; an absent system is empty."""

_DAY = 10
"""Characters of a FHIR date that names its day."""


def child(parent: Element, name: str) -> Element:
    """Return the element `name` of `parent`; an empty one if it is absent or not an element."""
    found = parent.get(name)
    return found if isinstance(found, dict) else {}


def children(parent: Element, name: str) -> Iterator[Element]:
    """Yield the elements of the list `name` of `parent`."""
    found = parent.get(name)
    if isinstance(found, list):
        yield from (each for each in found if isinstance(each, dict))


def numbered(parent: Element, name: str) -> Iterator[tuple[int, Element]]:
    """Yield the elements of the list `name` of `parent`, each with its index in the list."""
    found = parent.get(name)
    if isinstance(found, list):
        yield from ((index, each) for index, each in enumerate(found) if isinstance(each, dict))


def text(parent: Element, name: str) -> str | None:
    """Return the string `name` of `parent`, None if it is absent, empty or not a string."""
    found = parent.get(name)
    return found if isinstance(found, str) and found else None


def codes(concept: Element) -> Iterator[Code]:
    """Yield system and code of each coding of a CodeableConcept."""
    for coding in children(concept, "coding"):
        code = text(coding, "code")
        if code:
            yield (text(coding, "system") or "", code)


def extension(parent: Element, url: str) -> Element:
    """Return the extension of that url, or an empty one."""
    return next((each for each in children(parent, "extension") if each.get("url") == url), {})


def day_of(value: str | None) -> date | None:
    """Return the day of a FHIR date or dateTime, None if it does not name one."""
    try:
        return date.fromisoformat(value[:_DAY]) if value and len(value) >= _DAY else None
    except ValueError:
        return None


def moment_of(value: str | None, zone: ZoneInfo) -> datetime | None:
    """Return the first moment of a FHIR dateTime that names its day, None for any other."""
    try:
        if value and "T" in value:
            found = datetime.fromisoformat(value)
            return found if found.tzinfo else found.replace(tzinfo=zone)
    except ValueError:
        return None
    day = day_of(value)
    return datetime.combine(day, time.min, zone) if day else None
