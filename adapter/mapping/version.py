"""Which version of a map did it: a digest of its text, the maps it imports and the code tables it names."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapter.mapping.conceptmap import ConceptMap
    from adapter.mapping.map import Map

SHOWN = 12
"""Digits that tell versions of a map apart for a person."""


def version_of(one: Map) -> str:
    """Return the version, 64 hexadecimal digits; the same for the same texts and rows, wherever they lie."""
    known = one.library.versions.get(id(one.file))
    if known is None:
        known = one.library.versions[id(one.file)] = _digest(one)
    return known


def _digest(one: Map) -> str:
    files = one.library.visible(one.file)
    said = hashlib.sha256()
    for text in (one.file.text.content, *sorted(file.text.content for file in files if file is not one.file)):
        said.update(hashlib.sha256(text.encode()).digest())
    for table in _named(one, "\n".join(file.text.content for file in files)):
        rows = [(row.source_system, row.source_code, row.target_system, row.target_code, row.equivalence,
                 row.display, row.version) for row in table.rows]  # fmt: skip
        said.update(repr((table.url, rows, list(table.unmapped.items()))).encode())
    return said.hexdigest()


def uri_of(version: str) -> str:
    """Write a version as a URI. RFC 6920, section 7."""
    return f"nih:sha-256;{version}"


def _named(one: Map, text: str) -> list[ConceptMap]:
    """Return the tables that the texts name, and those that these tables go on to, by url."""
    known: dict[str, ConceptMap] = {}
    waiting = [table for table in one.library.concept_maps if table.url and table.url in text]
    while waiting:
        table = waiting.pop()
        if table.url not in known:
            known[table.url] = table
            urls = [rest.url for rest in table.unmapped.values() if rest.url]
            waiting += [other for url in urls if (other := one.library.concept_maps.find(url)) is not None]
    return [known[url] for url in sorted(known)]
