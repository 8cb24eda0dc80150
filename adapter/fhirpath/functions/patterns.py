"""Functions of regular expressions, which run on RE2: in time linear in the text.

FHIRPath 2.0.0, "String Manipulation"; matchesFull and flags of 2.1.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import re2  # type: ignore[import-untyped]

from adapter.errors import AdapterError
from adapter.fhirpath.code import BOOLEAN, STRING, Code
from adapter.fhirpath.functions.arguments import text
from adapter.fhirpath.signature import Site, function

if TYPE_CHECKING:
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item

_PATTERN_LENGTH = 4_096
_MATCH_STEPS = 20
"""What a match costs beside the length of its text: the pattern may be a new one each time."""


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:  # noqa: ANN401
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    options.max_mem = 8 << 20
    return re2.compile(pattern, options=options)


def takes_whole(pattern: str, text: str) -> bool | None:
    """Return True if the pattern takes the whole text; None for one too long, or one that RE2 does not know.

    For patterns of anybody: what a Questionnaire or a value set asks for may come with the message itself.
    """
    if len(pattern) > _PATTERN_LENGTH:
        return None
    try:
        return _compiled(pattern).fullmatch(text.encode("utf-8", "surrogatepass")) is not None
    except (re2.error, UnicodeError):
        return None


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
            if site.compilation.strict:
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
