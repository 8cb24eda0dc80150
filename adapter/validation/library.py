"""Definitions at hand: those of the packages given, by canonical and version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable


class Source(Protocol):
    """What holds definitions: a package, a folder, or a handful of resources."""

    def resource(self, canonical: str) -> dict[str, Any] | None:
        """Return the definition at `url` or `url|version`, or None."""


class Loose:
    """Definitions given one by one, such as the profiles that stand beside a test."""

    def __init__(self, resources: Iterable[dict[str, Any]]) -> None:
        self._by_url: dict[str, dict[str, Any]] = {}
        for resource in resources:
            if not isinstance(resource.get("url"), str):
                continue
            self._by_url.setdefault(resource["url"], resource)
            version = str(resource.get("version", ""))
            for end in range(len(version), 0, -1):
                if end == len(version) or version[end] == ".":
                    self._by_url.setdefault(f"{resource['url']}|{version[:end]}", resource)

    def resource(self, canonical: str) -> dict[str, Any] | None:
        """Return the definition at `url` or `url|version`, or None."""
        return self._by_url.get(canonical)


def _source(given: Source | str | Path) -> Source:
    if isinstance(given, str | Path):
        from adapter.fhir.packages import load

        return load(Path(given))
    return given


class Library:
    """All sources together; what was given first is found first. A path is a package or folder to load."""

    def __init__(self, sources: Iterable[Source | str | Path]) -> None:
        self._sources = tuple(_source(one) for one in sources)
        self._found: dict[str, dict[str, Any] | None] = {}

    def find(self, canonical: str) -> dict[str, Any] | None:
        """Return the definition at `url` or `url|version`.

        A version that is not at hand is met by another version of the same definition, since a partner's
        package seldom carries the very version its profile names.
        """
        if canonical not in self._found:
            self._found[canonical] = self._seek(canonical)
        return self._found[canonical]

    def structure(self, canonical: str) -> dict[str, Any] | None:
        """Return a StructureDefinition, or None."""
        found = self.find(canonical)
        return found if found is not None and found.get("resourceType") == "StructureDefinition" else None

    def _seek(self, canonical: str) -> dict[str, Any] | None:
        url = canonical.partition("|")[0]
        for wanted in dict.fromkeys((canonical, url)):
            for source in self._sources:
                found = source.resource(wanted)
                if found is not None:
                    return found
        return None
