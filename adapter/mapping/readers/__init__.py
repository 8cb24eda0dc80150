"""Bytes of a sender's own format become a source tree, one file per format."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from adapter.errors import Unsupported
from adapter.fhir.budget import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhir.budget import Budget
    from adapter.mapping.nodes import Format, SourceTree

Option: TypeAlias = Any
"""What a format's own reader takes beside the bytes."""

FORMATS: dict[str, Format] = {
    "application/hl7-v2": "hl7v2",
    "application/hl7-v2+er7": "hl7v2",
    "x-application/hl7-v2+er7": "hl7v2",
    "application/x-hl7": "hl7v2",
    "text/hl7v2": "hl7v2",
    "application/xml": "xml",
    "text/xml": "xml",
    "application/cda+xml": "xml",
    "application/hl7-cda+xml": "xml",
    "application/json": "json",
    "text/json": "json",
    "application/fhir+json": "fhir",
    "application/fhir+xml": "fhir",
    "text/csv": "csv",
}
"""Media type to format."""
OF_SUFFIX = {
    ".hl7": "application/hl7-v2", ".er7": "application/hl7-v2", ".xml": "application/xml",
    ".json": "application/json", ".csv": "text/csv",
}  # fmt: skip
"""File name to media type, for the command line."""
LOOKED_AT = 4096
"""Bytes within which a root element begins."""
_FHIR_XML = re.compile(rb"""<[A-Z]\w*\s[^>]*xmlns\s*=\s*["']http://hl7\.org/fhir["']""")


def format_of(media_type: str) -> Format:
    """Name the format behind a media type, whose parameters do not matter here.

    Raises Unsupported (SR001) for a media type no reader takes.
    """
    plain = media_type.partition(";")[0].strip().lower()
    known = FORMATS.get(plain)
    if known is None:
        known = "xml" if plain.endswith("+xml") else "json" if plain.endswith("+json") else None
    if known is None:
        raise Unsupported("SR001", params={"media_type": plain if plain.isascii() else "?"})
    return known


def charset_of(media_type: str) -> str | None:
    """Return the charset parameter of a media type, if it has one."""
    for part in media_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"') or None
    return None


def read(
    body: bytes, media_type: str, *, budget: Budget = DEFAULT, charset: str | None = None, **options: Option
) -> SourceTree:
    """Read `body` by the reader of its media type.

    `charset` is what the source is known to use where the message itself does not say. `options` go to the
    reader (`csv.read`: `dialect`, `key`).

    Raises Malformed, Unsupported or TooCostly; never anything else for bytes.
    """
    format_ = format_of(media_type)
    charset = charset_of(media_type) or charset
    return _reader(format_)(body, media_type, budget, charset, options)


def _reader(format_: Format) -> Callable[[bytes, str, Budget, str | None, dict[str, Option]], SourceTree]:
    return {"hl7v2": _hl7v2, "xml": _xml, "json": _json, "fhir": _fhir, "csv": _csv}[format_]


def _hl7v2(
    body: bytes, _: str, budget: Budget, charset: str | None, options: dict[str, Option]
) -> SourceTree:
    from adapter.mapping.readers import hl7v2

    return hl7v2.read(body, budget=budget, charset=charset, **options)


def _xml(body: bytes, _: str, budget: Budget, __: str | None, options: dict[str, Option]) -> SourceTree:
    from adapter.mapping.readers import xml

    return xml.read(body, budget=budget, **options)


def _json(body: bytes, _: str, budget: Budget, __: str | None, options: dict[str, Option]) -> SourceTree:
    from adapter.mapping.readers import json

    return json.read(body, budget=budget, **options)


def _fhir(
    body: bytes, media_type: str, budget: Budget, __: str | None, options: dict[str, Option]
) -> SourceTree:
    from adapter.mapping.readers import json

    return json.read_fhir(body, media_type, budget=budget, **options)


def _csv(body: bytes, _: str, budget: Budget, charset: str | None, options: dict[str, Option]) -> SourceTree:
    from adapter.mapping.readers import csv

    return csv.read(body, budget=budget, charset=charset, **options)


def media_type_of(name: str, body: bytes) -> str:
    """Tell the media type of a file by its name, else by its first character."""
    if name.endswith((".fhir.json", ".fhir.xml")):
        return "application/fhir+json" if name.endswith("json") else "application/fhir+xml"
    _, dot, suffix = name.rpartition(".")
    known = OF_SUFFIX.get(f".{suffix.lower()}") if dot else None
    if known:
        return known
    start = body.lstrip(b"\xef\xbb\xbf \r\n\t\x0b")[:1]
    return {b"<": "application/xml", b"{": "application/json", b"[": "application/json"}.get(
        start, "application/hl7-v2"
    )


def fhir_media_type(body: bytes, media_type: str) -> str:
    """Return the media type of FHIR for JSON or XML that says it is a resource, else `media_type`."""
    format_ = format_of(media_type)
    if format_ == "xml" and _FHIR_XML.search(body[:LOOKED_AT]):
        return "application/fhir+xml"
    if format_ == "json" and b'"resourceType"' in body:
        from adapter.fhir import json as fhir_json

        resource = fhir_json.read(body)
        if isinstance(resource, dict) and "resourceType" in resource:
            return "application/fhir+json"
    return media_type
