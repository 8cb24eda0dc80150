"""String functions. Patterns run on RE2, in time linear in the text.

FHIRPath 2.0.0, "String Manipulation"; encode, escape, split, join and trim of 2.1 as R4's tests use them.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import re2  # type: ignore[import-untyped]

from adapter.errors import AdapterError
from adapter.fhirpath.code import BOOLEAN, INTEGER, STRING, Code, Static
from adapter.fhirpath.operators import integer_of, said, system_many
from adapter.fhirpath.plain import system_of
from adapter.fhirpath.signature import Site, function

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item

    Text = Callable[[Item, Run], str | None]

_PATTERN_LENGTH = 4_096
_MATCH_STEPS = 20
"""What a match costs beside the length of its text: the pattern may be a new one each time."""


def text(site: Site, code: Code) -> Text:
    """A closure that gives a string or nothing; another type is an error, FP303 (FP208 when compiled)."""
    inner = site.system(code)
    types = code.static.types
    systems = None if types is None else {system_of(kind) for kind in types}
    if systems == {"String"} and code.constant is not None:
        return inner
    if site.compiler.strict and systems and "String" not in systems:
        open_ended = any(site.compiler.is_open(kind) for kind in types or ())
        if not open_ended:
            raise site.fault("FP208", function=site.name, expected="String", found=str(code.static.one))

    def one(this: Item, run: Run) -> str | None:
        item = inner(this, run)
        if item is None or item.__class__ is str:
            return item
        if isinstance(item, str):
            return str(item)
        raise site.fault("FP303", function=site.name, expected="String", found=said(item))

    return one


def _of_input(name: str, static: Static, compute: Callable[[str], Any]) -> None:
    """Enter a function of the input string alone."""

    @function(name)
    def build(site: Site) -> Code:
        source = text(site, site.input())

        def one(this: Item, run: Run) -> Item | None:
            said_text = source(this, run)
            return None if said_text is None else compute(said_text)

        return Code(static, one=one)


def _of_two(name: str, static: Static, compute: Callable[[str, str], Any]) -> None:
    """Enter a function of the input string and one more."""

    @function(name, 1)
    def build(site: Site) -> Code:
        source = text(site, site.input())
        argument = site.argument(0)
        if argument.constant:
            value = argument.constant[0]
            if isinstance(value, str):

                def with_constant(this: Item, run: Run) -> Item | None:
                    said_text = source(this, run)
                    return None if said_text is None else compute(said_text, value)

                return Code(static, one=with_constant)
        other = text(site, argument)

        def one(this: Item, run: Run) -> Item | None:
            said_text = source(this, run)
            if said_text is None:
                return None
            second = other(this, run)
            return None if second is None else compute(said_text, second)

        return Code(static, one=one)


_of_input("length", INTEGER, len)
_of_input("upper", STRING, str.upper)
_of_input("lower", STRING, str.lower)
_of_input("trim", STRING, str.strip)
_of_two("startsWith", BOOLEAN, str.startswith)
_of_two("endsWith", BOOLEAN, str.endswith)
_of_two("contains", BOOLEAN, str.__contains__)
_of_two("indexOf", INTEGER, str.find)
_of_two("lastIndexOf", INTEGER, str.rfind)


@function("toChars")
def to_chars(site: Site) -> Code:
    """Every character as an item."""
    source = text(site, site.input())

    def many(this: Item, run: Run) -> list[Item]:
        said_text = source(this, run) or ""
        run.hold(len(said_text))
        return list(said_text)

    return Code(Static(("System.String",)), many=many)


@function("substring", 1, 2)
def substring(site: Site) -> Code:
    """The part from a place on, counted from 0; nothing if it starts outside of the string."""
    source = text(site, site.input())
    begin = integer_of(site.compiler, site.value(0), site.tree.arguments[0], site.name)
    size: Any = None
    if site.count == 2:
        size = integer_of(site.compiler, site.value(1), site.tree.arguments[1], site.name)

    def one(this: Item, run: Run) -> Item | None:
        said_text = source(this, run)
        start = begin(this, run)
        if said_text is None or start is None or not 0 <= start < len(said_text):
            return None
        length = None if size is None else size(this, run)
        if length is None:
            return said_text[start:]
        return said_text[start : start + length] if length > 0 else ""

    return Code(STRING, one=one)


@function("replace", 2)
def replace(site: Site) -> Code:
    """Every occurrence replaced; an empty pattern stands between all characters."""
    source, old, new = text(site, site.input()), text(site, site.argument(0)), text(site, site.argument(1))

    def one(this: Item, run: Run) -> Item | None:
        said_text, pattern, other = source(this, run), old(this, run), new(this, run)
        if said_text is None or pattern is None or other is None:
            return None
        found = said_text.count(pattern)
        run.write(len(said_text) + found * len(other))
        return said_text.replace(pattern, other)

    return Code(STRING, one=one)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:  # noqa: ANN401
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    options.max_mem = 8 << 20
    return re2.compile(pattern, options=options)


def _pattern(site: Site, pattern: str) -> Any:  # noqa: ANN401
    """Compile a pattern. Raises Malformed FP308 for one that RE2 does not know (it has no lookaround)."""
    if len(pattern) > _PATTERN_LENGTH:
        raise site.fault("FP308", function=site.name)
    try:
        return _compiled(pattern)
    except re2.error as fault:
        raise site.fault("FP308", function=site.name) from fault


def _matching(site: Site, *, whole: bool) -> Code:
    source = text(site, site.input())
    argument = site.argument(0)
    if site.count > 1:
        text(site, site.argument(1))
    first: Any = argument.constant[0] if argument.constant else None
    other = text(site, argument)
    known = None
    if isinstance(first, str):
        try:
            known = _pattern(site, first)
        except AdapterError:
            if site.compiler.strict:
                raise

    def one(this: Item, run: Run) -> Item | None:
        said_text, pattern = source(this, run), other(this, run)
        if said_text is None or pattern is None:
            return None
        run.write(len(said_text))
        run.charge(_MATCH_STEPS)
        matcher = known if known is not None else _pattern(site, pattern)
        # Bytes, because the library would count the characters before each match.
        octets = said_text.encode("utf-8", "surrogatepass")
        found = matcher.fullmatch(octets) if whole else matcher.search(octets)
        return found is not None

    if isinstance(first, str) and not whole and first.replace("/", "").replace(" ", "").isalnum():

        def literally(this: Item, run: Run) -> Item | None:
            said_text = source(this, run)
            return None if said_text is None else first in said_text

        return Code(BOOLEAN, one=literally)
    return Code(BOOLEAN, one=one)


@function("matches", 1, 2)
def matches(site: Site) -> Code:
    """True if the pattern is found in the string. The dot takes line ends too."""
    return _matching(site, whole=False)


@function("matchesFull", 1, 2)
def matches_full(site: Site) -> Code:
    """True if the pattern takes the whole string."""
    return _matching(site, whole=True)


@function("replaceMatches", 2, 3)
def replace_matches(site: Site) -> Code:
    """Every match replaced; `$1` and `${name}` stand for groups. An empty pattern changes nothing."""
    source, old, new = text(site, site.input()), text(site, site.argument(0)), text(site, site.argument(1))

    def one(this: Item, run: Run) -> Item | None:
        said_text, pattern, other = source(this, run), old(this, run), new(this, run)
        if said_text is None or pattern is None or other is None:
            return None
        if pattern == "":
            return said_text
        run.charge(_MATCH_STEPS)
        matcher = _pattern(site, pattern)
        out: list[str] = []
        place = length = 0
        for match in matcher.finditer(said_text):
            piece = said_text[place : match.start()] + _filled(other, match)
            out.append(piece)
            length += len(piece)
            run.write(length)
            place = match.end()
        out.append(said_text[place:])
        return "".join(out)

    return Code(STRING, one=one)


def _filled(template: str, match: Any) -> str:  # noqa: ANN401
    """Put the groups of a match into `$1`, `$12` and `${name}`."""
    if "$" not in template:
        return template
    out: list[str] = []
    place = 0
    while place < len(template):
        character = template[place]
        if character == "$" and place + 1 < len(template):
            name, after = _group_name(template, place + 1)
            if name is not None:
                try:
                    out.append(match.group(int(name) if name.isdigit() else name) or "")
                    place = after
                    continue
                except (IndexError, KeyError, re2.error):
                    pass
        out.append(character)
        place += 1
    return "".join(out)


def _group_name(template: str, place: int) -> tuple[str | None, int]:
    if template[place] == "{":
        end = template.find("}", place)
        return (template[place + 1 : end] or None, end + 1) if end > 0 else (None, place)
    end = place
    while end < len(template) and end - place < 2 and template[end] in "0123456789":
        end += 1
    return (template[place:end] or None, end)


@function("split", 1)
def split(site: Site) -> Code:
    """The parts between a separator."""
    source, separator = text(site, site.input()), text(site, site.argument(0))

    def many(this: Item, run: Run) -> list[Item]:
        said_text, mark = source(this, run), separator(this, run)
        if said_text is None or mark is None:
            return []
        parts: list[Item] = list(said_text) if mark == "" else list(said_text.split(mark))
        run.hold(len(parts))
        return parts

    return Code(Static(("System.String",)), many=many)


@function("join", 0, 1)
def join(site: Site) -> Code:
    """The strings as one, with a separator between them; nothing of an empty collection."""
    several = system_many(site.compiler, site.target)
    separator = text(site, site.argument(0)) if site.count else None

    def one(this: Item, run: Run) -> Item | None:
        items = several(this, run)
        if not items:
            return None
        for item in items:
            if not isinstance(item, str):
                raise site.fault("FP303", function="join", expected="String", found=said(item))
        mark = "" if separator is None else separator(this, run) or ""
        run.write(sum(map(len, items)) + len(mark) * len(items))
        return mark.join(items)

    return Code(STRING, one=one)


def _hex(value: str) -> str:
    return value.encode().hex()


_ENCODINGS: dict[str, Callable[[str], str]] = {
    "hex": _hex,
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "urlbase64": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
}
_DECODINGS: dict[str, Callable[[str], str]] = {
    "hex": lambda value: bytes.fromhex(value).decode(),
    "base64": lambda value: base64.b64decode(_padded(value), validate=True).decode(),
    "urlbase64": lambda value: base64.b64decode(_padded(value), altchars=b"-_", validate=True).decode(),
}


def _padded(value: str) -> str:
    return value + "=" * (-len(value) % 4)


_JSON_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_JSON_PLAIN = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}


def _unescaped_json(value: str) -> str:
    """Undo JSON's escapes; a quote that needed one and has none stays as it is."""
    plain = _JSON_ESCAPE.sub(_json_character, value)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16")


def _json_character(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) > 1:
        return chr(int(escape[1:], 16))
    if escape not in _JSON_PLAIN:
        raise ValueError("not an escape of JSON")
    return _JSON_PLAIN[escape]


_ESCAPES: dict[str, Callable[[str], str]] = {
    "html": lambda value: html.escape(value).replace("&#x27;", "&#39;"),
    "json": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
}
_UNESCAPES: dict[str, Callable[[str], str]] = {"html": html.unescape, "json": _unescaped_json}


def _translated(name: str, table: dict[str, Callable[[str], str]]) -> None:
    """Enter a function that turns a string by a named scheme; nothing of an unknown one or a bad text."""

    @function(name, 1)
    def build(site: Site) -> Code:
        source, scheme = text(site, site.input()), text(site, site.argument(0))

        def one(this: Item, run: Run) -> Item | None:
            said_text, wanted = source(this, run), scheme(this, run)
            turn = None if wanted is None else table.get(wanted)
            if said_text is None or turn is None:
                return None
            run.write(len(said_text) * 2)
            try:
                return turn(said_text)
            except (ValueError, binascii.Error):
                return None

        return Code(STRING, one=one)


_translated("encode", _ENCODINGS)
_translated("decode", _DECODINGS)
_translated("escape", _ESCAPES)
_translated("unescape", _UNESCAPES)
