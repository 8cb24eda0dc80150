"""String functions. FHIRPath 2.0.0, "String Manipulation"; split, join and trim of 2.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhirpath.code import BOOLEAN, INTEGER, STRING, Code, Static
from adapter.fhirpath.functions.arguments import of_input, of_two, text
from adapter.fhirpath.operands import said, system_many
from adapter.fhirpath.signature import Site, function

if TYPE_CHECKING:
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item

of_input("length", text, INTEGER, len)
of_input("upper", text, STRING, str.upper)
of_input("lower", text, STRING, str.lower)
of_input("trim", text, STRING, str.strip)
of_two("startsWith", text, BOOLEAN, str.startswith)
of_two("endsWith", text, BOOLEAN, str.endswith)
of_two("contains", text, BOOLEAN, str.__contains__)
of_two("indexOf", text, INTEGER, str.find)
of_two("lastIndexOf", text, INTEGER, str.rfind)


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
    begin = site.integer(0)
    size = site.integer(1) if site.count == 2 else None

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
    several = system_many(site.target)
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
