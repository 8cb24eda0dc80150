"""The rules of R4's primitive types: JSON kind, form and range.

Every rule takes a value and returns None, or the code of the finding. R4 datatypes.html; regular expressions
as there, anchored. `Resource.id` is `id` here, though the R4 snapshot calls it a FHIRPath String.
"""

from __future__ import annotations

import re
from calendar import monthrange
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhir.json import Json

    Judge = Callable[[Any], str | None]

KIND = "VA115"
FORM = "VA116"
RANGE = "VA117"
NO_SUCH_DAY = "VA118"
CONTROL = "VA119"
EMPTY = "VA120"
TOO_LONG = "VA121"

LONGEST_STRING = 1024 * 1024
"""R4 string: at most 1 MB of characters."""

_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"

_DATE = re.compile(r"([0-9]{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01]))?)?")
_DATE_TIME = re.compile(
    rf"([0-9]{{4}})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01])(?:T{_CLOCK}{_ZONE})?)?)?"
)
_INSTANT = re.compile(rf"([0-9]{{4}})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T{_CLOCK}{_ZONE}")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_NOT_BASE64 = re.compile(r"[^0-9A-Za-z+/=\s]")


def _text(value: Json) -> str | None:
    if not isinstance(value, str):
        return KIND
    if not value:
        return EMPTY
    if value.isprintable():
        return TOO_LONG if len(value) > LONGEST_STRING else None
    if _CONTROLS.search(value):
        return CONTROL
    return TOO_LONG if len(value) > LONGEST_STRING else None


def _formed(pattern: str) -> Judge:
    """Make the rule of a type that is a string of one form."""
    fits = re.compile(pattern).fullmatch

    def judge(value: Json) -> str | None:
        if not isinstance(value, str):
            return KIND
        if fits(value):
            return None
        return FORM if value else EMPTY

    return judge


def _calendar(pattern: re.Pattern[str]) -> Judge:
    """Make the rule of a type that names a day: its form, and that the day exists."""
    fits = pattern.fullmatch

    def judge(value: Json) -> str | None:
        if not isinstance(value, str):
            return KIND
        match = fits(value)
        if match is None:
            return FORM if value else EMPTY
        year, month, day = match.group(1, 2, 3)
        if year == "0000":
            return FORM
        if day is not None and day > "28" and int(day) > monthrange(int(year), int(month))[1]:
            return NO_SUCH_DAY
        return None

    return judge


def _whole(least: int) -> Judge:
    """Make the rule of a 32-bit integer that is at least `least`."""

    def judge(value: Json) -> str | None:
        if type(value) is not int:
            return KIND
        return None if least <= value <= 2147483647 else RANGE

    return judge


def _boolean(value: Json) -> str | None:
    return None if value is True or value is False else KIND


def _decimal(value: Json) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return KIND
    return None


def _base64(value: Json) -> str | None:
    if not isinstance(value, str):
        return KIND
    if not value:
        return EMPTY
    if _NOT_BASE64.search(value):
        return FORM
    signs = value if not re.search(r"\s", value) else re.sub(r"\s", "", value)
    body = signs.rstrip("=")
    padding = len(signs) - len(body)
    return FORM if "=" in body or padding > 2 or len(signs) % 4 else None


def _xhtml(value: Json) -> str | None:
    if not isinstance(value, str):
        return KIND
    return None if value else EMPTY


_URI = (
    r"(?!urn:(?:uuid|oid):)\S+|urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+"
    r"|urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
"""R4 datatypes.html, uri: "UUIDs must be lowercase"; an OID has arcs without leading zeros."""

_CODE = r"[^\s]+(?:[ ][^\s]+)*"
_ID = r"[A-Za-z0-9\-.]{1,64}"

JUDGES: dict[str, Judge] = {
    "base64Binary": _base64,
    "boolean": _boolean,
    "canonical": _formed(_URI),
    "code": _formed(_CODE),
    "date": _calendar(_DATE),
    "dateTime": _calendar(_DATE_TIME),
    "decimal": _decimal,
    "id": _formed(_ID),
    "instant": _calendar(_INSTANT),
    "integer": _whole(-2147483648),
    "markdown": _text,
    "oid": _formed(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+"),
    "positiveInt": _whole(1),
    "string": _text,
    "time": _formed(_CLOCK),
    "unsignedInt": _whole(0),
    "uri": _formed(_URI),
    "url": _formed(_URI),
    "uuid": _formed(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    "xhtml": _xhtml,
}
"""The rule of each primitive type by its name."""

_SURE_DAY = r"(?!0000)[0-9]{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|1[0-9]|2[0-8])"

EASY: dict[str, Callable[[str], object]] = {
    "canonical": re.compile(_URI).fullmatch,
    "code": re.compile(_CODE).fullmatch,
    "date": re.compile(rf"{_SURE_DAY})?)?").fullmatch,
    "dateTime": re.compile(rf"{_SURE_DAY}(?:T{_CLOCK}{_ZONE})?)?)?").fullmatch,
    "id": re.compile(_ID).fullmatch,
    "markdown": str.isprintable,
    "string": str.isprintable,
    "uri": re.compile(_URI).fullmatch,
    "url": re.compile(_URI).fullmatch,
}
"""A question in C over a text, not empty and not too long: true if it is surely right. What is not surely
right, such as a day after the 28th, goes to the rule in `JUDGES`."""

SYSTEM_TYPES = {
    "http://hl7.org/fhirpath/System.String": "string",
    "http://hl7.org/fhirpath/System.Boolean": "boolean",
    "http://hl7.org/fhirpath/System.Integer": "integer",
    "http://hl7.org/fhirpath/System.Decimal": "decimal",
    "http://hl7.org/fhirpath/System.Date": "date",
    "http://hl7.org/fhirpath/System.DateTime": "dateTime",
    "http://hl7.org/fhirpath/System.Time": "time",
}
"""FHIRPath's names of the types that R4 snapshots give to `id`, `url` and `value`."""

JSON_KIND = {
    "boolean": "true or false",
    "integer": "a number",
    "positiveInt": "a number",
    "unsignedInt": "a number",
    "decimal": "a number",
}
"""What a primitive type is in JSON where it is not a string."""


FORMS = {
    "base64Binary": "AAAA",
    "code": "final, in-progress",
    "date": "2026, 2026-01, 2026-01-31",
    "dateTime": "2026-01-31, 2026-01-31T12:00:00+02:00",
    "id": "A-Z a-z 0-9 - . (1-64)",
    "instant": "2026-01-31T12:00:00.000+02:00",
    "oid": "urn:oid:1.2.3",
    "time": "12:00:00",
    "uuid": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
}
"""What right values look like, by type."""

ADDRESS = "https://a.example/b, urn:oid:1.2.3, urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
"""The same for all that are addresses."""


def kind_of(value: Json) -> str:
    """Name the JSON kind of a value, never the value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    return "a number"
