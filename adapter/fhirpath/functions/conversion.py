"""Conversions between System types: `toX()` and `convertsToX()`.

FHIRPath 2.0.0, "Conversion".
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from adapter.fhirpath import equality, numbers
from adapter.fhirpath.code import BOOLEAN, Code, single
from adapter.fhirpath.functions.arguments import of_input, system
from adapter.fhirpath.operands import UNIT_STEPS, system_one
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.temporal import Temporal, parse_moment, parse_time
from adapter.fhirpath.tree import CALENDAR_UNITS
from adapter.fhirpath.values import Quantity

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item

_INTEGER = re.compile(r"[+-]?\d{1,10}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,64}(?:\.\d{1,64})?", re.ASCII)
_QUANTITY = re.compile(r"([+-]?\d{1,64}(?:\.\d{1,64})?)(?:\s*'([^']*)'|\s+([a-zA-Z]+))?", re.ASCII)
_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})


def to_boolean(item: Item) -> bool | None:
    """Read a Boolean out of any simple value."""
    if isinstance(item, bool):
        return item
    if isinstance(item, str):
        word = item.lower()
        return True if word in _TRUE else False if word in _FALSE else None
    if isinstance(item, (int, Decimal)):
        return True if item == 1 else False if item == 0 else None
    return None


def to_integer(item: Item) -> int | None:
    """Read an Integer; a decimal is none, however whole."""
    if isinstance(item, bool):
        return int(item)
    if isinstance(item, int):
        return item
    if isinstance(item, str) and _INTEGER.fullmatch(item):
        return numbers.integer(int(item))
    return None


def to_decimal(item: Item) -> Decimal | None:
    """Read a Decimal."""
    if isinstance(item, (bool, int)):
        return Decimal(item) if not isinstance(item, bool) else Decimal(f"{int(item)}.0")
    if isinstance(item, Decimal):
        return item
    return Decimal(item) if isinstance(item, str) and _DECIMAL.fullmatch(item) else None


def to_string(item: Item) -> str | None:
    """Write a simple value as FHIRPath does."""
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, str):
        return item
    if isinstance(item, int):
        return str(item)
    if isinstance(item, Decimal):
        return numbers.written(item)
    if isinstance(item, Temporal):
        return str(item)
    if isinstance(item, Quantity):
        return quantity_text(item)
    return None


def quantity_text(item: Quantity) -> str:
    """`1 'mg'`, or `2 days`."""
    amount = numbers.written(item.value)
    if not item.is_calendar:
        return f"{amount} '{item.unit}'"
    return f"{amount} {item.unit}{'' if item.value == 1 else 's'}"


def to_quantity(item: Item) -> Quantity | None:
    """Read a Quantity; a bare number has the unit 1."""
    if isinstance(item, Quantity):
        return item
    if isinstance(item, bool):
        return Quantity(Decimal(f"{int(item)}.0"), "1")
    if isinstance(item, (int, Decimal)):
        return Quantity(Decimal(item), "1")
    match = _QUANTITY.fullmatch(item) if isinstance(item, str) else None
    if match is None:
        return None
    value, unit, word = match.groups()
    if word is not None:
        known = CALENDAR_UNITS.get(word)
        return None if known is None else Quantity(Decimal(value), known, is_calendar=True)
    return Quantity(Decimal(value), unit if unit is not None else "1")


def to_date(item: Item) -> Temporal | None:
    """Read a Date; of a DateTime its day."""
    moment = parse_moment(item) if isinstance(item, str) else item
    if not isinstance(moment, Temporal) or moment.kind == "Time":
        return None
    return Temporal("Date", moment.parts[:3])


def to_date_time(item: Item) -> Temporal | None:
    """Read a DateTime; a Date is one without time."""
    moment = parse_moment(item) if isinstance(item, str) else item
    if not isinstance(moment, Temporal) or moment.kind == "Time":
        return None
    return moment if moment.kind == "DateTime" else replace(moment, kind="DateTime")


def to_time(item: Item) -> Temporal | None:
    """Read a Time."""
    moment = parse_time(item.removeprefix("T")) if isinstance(item, str) else item
    return moment if isinstance(moment, Temporal) and moment.kind == "Time" else None


_CONVERSIONS: dict[str, Callable[[Item], Item | None]] = {
    "Boolean": to_boolean,
    "Integer": to_integer,
    "Decimal": to_decimal,
    "String": to_string,
    "Date": to_date,
    "DateTime": to_date_time,
    "Time": to_time,
}


def _converts(convert: Callable[[Item], Item | None], item: Item) -> bool:
    return convert(item) is not None


for _kind, _convert in _CONVERSIONS.items():
    of_input(f"to{_kind}", system, single(f"System.{_kind}"), _convert)
    of_input(f"convertsTo{_kind}", system, BOOLEAN, partial(_converts, _convert))


def _quantity(site: Site) -> Callable[[Item, Run], Quantity | None]:
    """Compile the conversion to a Quantity, of a certain unit if one is asked for."""
    source = system_one(site.input())
    unit = system_one(site.argument(0)) if site.count else None

    def one(this: Item, run: Run) -> Quantity | None:
        item = source(this, run)
        found = None if item is None else to_quantity(item)
        wanted = None if unit is None else unit(this, run)
        if found is None or not isinstance(wanted, str):
            return found
        run.charge(UNIT_STEPS)
        return equality.converted(found, CALENDAR_UNITS.get(wanted, wanted))

    return one


@function("toQuantity", 0, 1)
def build_to_quantity(site: Site) -> Code:
    """The value as a Quantity, converted to a unit if one is named."""
    return Code(single("System.Quantity"), one=_quantity(site))


@function("convertsToQuantity", 0, 1)
def build_converts_to_quantity(site: Site) -> Code:
    """True if the value can be read as a Quantity."""
    source, convert = site.input().one, _quantity(site)

    def one(this: Item, run: Run) -> bool | None:
        return None if source(this, run) is None else convert(this, run) is not None

    return Code(BOOLEAN, one=one)
