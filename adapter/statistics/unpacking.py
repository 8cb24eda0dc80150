"""Resources out of Bundles, as reports read them: messages stay whole, other Bundles are opened."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from adapter.fhir import bundles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapter.fhir.json import Resource


def unpacked(resources: Iterable[Resource]) -> Iterator[Resource]:
    """Yield message Bundles and resources that are no Bundle, in the order they come in."""
    for one in resources:
        if one.get("resourceType") == "Bundle" and one.get("type") != "message":
            yield from unpacked(content(one))
        else:
            yield one


def moment(stated: object) -> str:
    """Return a moment as text that puts moments of any zone in order; a date comes before its moments."""
    text = str(stated or "")
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat() if "T" in text else text
    except ValueError:
        return text


def content(bundle: Resource) -> list[Resource]:
    """Return the resources of a Bundle's entries."""
    return [entry["resource"] for entry in bundles.entries(bundle) if isinstance(entry.get("resource"), dict)]
