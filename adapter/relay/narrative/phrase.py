"""What several narratives say alike: who somebody is, which day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhir import hetu
from adapter.relay.element import children, text
from adapter.relay.narrative.wording import label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapter.outcome import Language
    from adapter.relay.element import Element


def of_type(resources: Iterable[Element], kind: str) -> Iterator[Element]:
    """Yield the resources of one type."""
    return (each for each in resources if each.get("resourceType") == kind)


def person(patient: Element, language: Language) -> str:
    """Name, birth date and identity code of a Patient."""
    names = [_name(each) for each in children(patient, "name")]
    said = [next((name for name in names if name), "")]
    if born := text(patient, "birthDate"):
        said.append(f"{label('born', language)} {day(born)}")
    said += [
        f"{label('code', language)} {text(each, 'value')}"
        for each in children(patient, "identifier")
        if text(each, "system") == hetu.SYSTEM
    ]
    return ", ".join(each for each in said if each)


def _name(name: Element) -> str:
    given = name.get("given")
    first = " ".join(each for each in given if isinstance(each, str)) if isinstance(given, list) else ""
    return text(name, "text") or f"{first} {text(name, 'family') or ''}".strip()


def day(value: str | None) -> str:
    """The day as it is written in Finland; what is not a whole day stays as it is."""
    if not value:
        return ""
    parts = value.partition("T")[0].split("-")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return value
    return f"{int(parts[2])}.{int(parts[1])}.{parts[0]}"
