"""FHIR JSON: bytes to values and back, with every digit kept.

Reading is the standard library's C scanner between two nets. Before it, a linear look at the bytes bounds
how much can be built, and asks for lone surrogates and NUL where an escape makes them possible; inside it,
hooks refuse NaN and overlong numbers; after it, lost keys, depth and text length are looked for. Whenever
anything is wrong, the slow reader in `json_tokens` reads again to say what and where.

Writing is orjson, which writes our decimals by their text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from adapter.errors import Malformed, TooCostly
from adapter.fhir import json_tokens
from adapter.fhir.budget import DEFAULT
from adapter.fhir.decimals import ExactDecimal
from adapter.fhir.types import r4

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from adapter.fhir.budget import Budget

Json: TypeAlias = Any
"""FHIR's JSON shape: dict, list, str, bool, int, None, and ExactDecimal for every other number."""

Resource: TypeAlias = dict[str, Any]
"""A resource in that shape, with its `resourceType`."""

ObjectHook: TypeAlias = "Callable[[list[tuple[str, Json]]], dict[str, Json]]"

_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = (b"\xff\xfe", b"\xfe\xff")
_SUSPECT_ESCAPE = re.compile(r"\\u(?:[dD][89a-fA-F]|0000|003[aA])")
"""Escapes that may be half a character, NUL, or a colon, which would be counted where there is none."""
_LARGE = 1_000_000
_BEFORE_VALUE = (b",", b"[", b"{")
"""Each value but the root is preceded by one of these."""
_CERTAIN = frozenset((str, int, bool, NoneType, ExactDecimal))
"""Kinds that are neither a container nor a float."""
_WRITER_DEPTH = 254
_LARGEST_INTEGER = 2**64 - 1
_SMALLEST_INTEGER = -(2**63)
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


class _Fault(ValueError):
    """Something a hook will not take; the slow reader says what it is."""


def read(body: bytes, budget: Budget = DEFAULT) -> Json:
    """Read one JSON document: bytes of UTF-8, a byte order mark allowed.

    Integers become int, other numbers (and `-0`) ExactDecimal. Stricter than RFC 8259 in what FHIR has no use
    for: duplicate keys and NUL are refused.

    Raises Malformed with line and column, or TooCostly beyond the budget; never anything else for bytes.
    RFC 8259; FHIR R4 json.html.
    """
    if len(body) > budget.bytes:
        raise TooCostly("FH120", params={"limit": budget.bytes})
    text = _decoded(body)
    if _may_hold_too_many(body, budget) or _SUSPECT_ESCAPE.search(text):
        _raise_fault(text, budget)
    try:
        value = _with_unique_keys(body, text, budget)
    except (ValueError, RecursionError):
        _raise_fault(text, budget)
        raise Malformed("FH102") from None
    if _is_deeper(value, budget.depth) or (len(body) > budget.text and _has_long_text(value, budget.text)):
        _raise_fault(text, budget)
    return value


def read_resource(body: bytes, budget: Budget = DEFAULT) -> Resource:
    """Read one FHIR resource: a JSON object whose `resourceType` is one of R4.

    Raises as `read`, and Malformed for any other JSON.
    """
    resource = read(body, budget)
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(resource, dict) or not isinstance(name, str) or not r4().is_resource(name):
        raise Malformed("FH140", line=1, column=1)
    return resource


def write(value: Json, *, pretty: bool = False) -> bytes:
    """Write a value as UTF-8 JSON, compact or indented by two spaces.

    Keys keep their order, an ExactDecimal its text. Raises Malformed if `value` holds what JSON cannot say:
    NaN, a lone surrogate, an object of no JSON kind; TooCostly if it is nested deeper than a writer goes.
    """
    options = _OPTIONS | (orjson.OPT_INDENT_2 if pretty else 0)
    try:
        written = orjson.dumps(value, default=_fragment, option=options)
    except TypeError as problem:
        if not str(problem).startswith("Integer exceeds"):
            raise _unwritable(problem) from None
        return write(_with_long_integers_as_text(value), pretty=pretty)
    if b"null" in written and type(value) not in _CERTAIN and _has_not_a_number(value):
        raise Malformed("FH106")
    return written


def _decoded(body: bytes) -> str:
    if body[:2] in _OTHER_BOMS or b"\x00" in body[:4]:
        raise Malformed("FH110", line=1, column=1)
    try:
        return str(body.removeprefix(_BOM), "utf-8")
    except UnicodeDecodeError as problem:
        before = body[: problem.start].decode("utf-8", "replace")
        line, column = json_tokens.place_of(before, len(before))
        raise Malformed("FH109", line=line, column=column) from None


def _raise_fault(text: str, budget: Budget) -> None:
    """Raise what is wrong with a text; return if on a closer look nothing is."""
    found = json_tokens.fault(text, budget)
    if found is not None:
        raise found


def _may_hold_too_many(body: bytes, budget: Budget) -> bool:
    """Return False only if the number of values is certainly within the budget.

    Memory follows it, so it is asked before anything is built.
    """
    return len(body) > budget.elements and sum(map(body.count, _BEFORE_VALUE)) >= budget.elements


def _with_unique_keys(body: bytes, text: str, budget: Budget) -> Json:
    """Return what a text says. Raises _Fault if a key stands twice in one object.

    A hook on every object is a third of the time for a message. Instead, the value is written again: where it
    has as many colons as the text, no key was lost, for escaped colons were not let this far. For a large
    document the copy would cost more memory than the hook costs time.
    """
    if len(body) < _LARGE:
        value = _decoder(budget, None).decode(text)
        try:
            if orjson.dumps(value, default=float).count(b":") == body.count(b":"):
                return value
        except TypeError:  # an integer or a depth beyond this writer: the hook decides
            pass
    return _decoder(budget, _object).decode(text)


def _is_deeper(value: Json, depth: int) -> bool:
    """Return True if the objects and arrays of `value` nest more than `depth` levels."""
    kind = type(value)
    if kind is not dict and kind is not list:
        return False
    if depth == 0:
        return True
    for item in value.values() if kind is dict else value:
        inside = type(item)
        if (inside is dict or inside is list) and _is_deeper(item, depth - 1):
            return True
    return False


def _has_long_text(value: Json, limit: int) -> bool:
    """Return True if a string of more than `limit` characters stands anywhere."""
    if isinstance(value, str):
        return len(value) > limit
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_has_long_text(item, limit) for item in inside)


@lru_cache(maxsize=16)
def _decoder(budget: Budget, object_hook: ObjectHook | None) -> json.JSONDecoder:
    """Return the C scanner with hooks that refuse what RFC 8259 or the budget does."""

    def decimal(text: str) -> ExactDecimal:
        if len(text) > budget.digits or _exponent(text) > budget.exponent:
            raise _Fault
        return ExactDecimal.of(text)

    def integer(text: str) -> int | ExactDecimal:
        if len(text) > budget.digits:
            raise _Fault
        return ExactDecimal.of(text) if text == "-0" else int(text)

    return json.JSONDecoder(
        parse_float=decimal,
        parse_int=integer,
        parse_constant=_refuse_constant,
        object_pairs_hook=object_hook,
    )


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Fault
    return made


def _refuse_constant(text: str) -> Json:
    raise _Fault


def _exponent(text: str) -> int:
    """Return how large the exponent of a number text is, without its sign."""
    _, _, digits = text.lower().partition("e")
    return abs(int(digits)) if digits else 0


def _fragment(value: object) -> orjson.Fragment | dict[str, Json]:
    """Write what orjson does not know: our decimals, and mappings that are no dict."""
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError("not of a JSON kind")


def _unwritable(problem: TypeError) -> Malformed | TooCostly:
    said = str(problem)
    if "ecursion" in said:
        return TooCostly("FH121", params={"limit": _WRITER_DEPTH})
    return Malformed("FH104" if "surrogates" in said else "FH150")


def _has_not_a_number(value: Json) -> bool:
    """Return True if a float that is no number stands anywhere; orjson would have written it as null."""
    kind = type(value)
    if kind is dict:
        inside: Iterable[Json] = value.values()
    elif kind is list:
        inside = value
    elif isinstance(value, Mapping):
        inside = value.values()
    else:
        inside = value if isinstance(value, list | tuple) else ()
    for item in inside:
        kind = type(item)
        if kind is str or kind in _CERTAIN:
            continue
        if _has_not_a_number(item):
            return True
    return isinstance(value, float) and not isfinite(value)


def _with_long_integers_as_text(value: Json) -> Json:
    """Copy a value so that integers beyond 64 bits are written by their text."""
    if isinstance(value, Mapping):
        return {key: _with_long_integers_as_text(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_long_integers_as_text(item) for item in value]
    if isinstance(value, int) and not _SMALLEST_INTEGER <= value <= _LARGEST_INTEGER:
        return orjson.Fragment(str(value))
    return value
