"""Which of FHIR's two formats a media type names."""

from __future__ import annotations

from typing import Literal

from adapter.errors import Unsupported

Format = Literal["json", "xml"]

FORMATS: dict[str, Format] = {
    "application/fhir+json": "json",
    "application/json": "json",
    "application/json+fhir": "json",
    "text/json": "json",
    "json": "json",
    "application/fhir+xml": "xml",
    "application/xml": "xml",
    "application/xml+fhir": "xml",
    "text/xml": "xml",
    "xml": "xml",
}
"""R4 http.html, sections 2.21.0.6 and 2.21.0.6.1 (`_format`); `+fhir` last is how older senders say it."""

MEDIA_TYPES: dict[Format, str] = {"json": "application/fhir+json", "xml": "application/fhir+xml"}
"""What we call our own answers."""

_UTF_8 = {"utf-8", "utf8", "us-ascii"}
_R4 = {"4.0", "4.0.1"}


def format_of(media_type: str) -> Format:
    """Return the format a media type names; parameters and letter case do not matter.

    Raises Unsupported for another type, for a `charset` other than UTF-8 and a `fhirVersion` other than R4.
    """
    name, *parameters = (part.strip() for part in media_type.split(";"))
    found = FORMATS.get(name.lower())
    if found is None:
        raise Unsupported("FH130")
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        _check(key.strip().lower(), value.strip().strip("\"'").lower())
    return found


def _check(name: str, value: str) -> None:
    if name == "charset" and value not in _UTF_8:
        raise Unsupported("FH131")
    if name == "fhirversion" and value not in _R4:
        is_version = len(value) < len("10.10.10") and all(part.isdecimal() for part in value.split("."))
        raise Unsupported("FH132", params={"version": value if is_version else "?"})
