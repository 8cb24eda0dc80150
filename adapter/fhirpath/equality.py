"""When two items are the same, alike, or in order: `=`, `~`, `<` and the keys of sets.

Everything here takes plain items (see `plain.py`): a FHIR primitive is its System value already.
FHIRPath 2.0.0, "Equality", "Comparison", "Collections".
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Any

from adapter.fhirpath import temporal, units
from adapter.fhirpath.temporal import Temporal
from adapter.fhirpath.values import Quantity

if TYPE_CHECKING:
    from collections.abc import Hashable

    from adapter.fhirpath.values import Item

_TWELVE = Context(prec=12)
_ROOMY = Context(prec=40)
_ALL_DIGITS = Context(prec=2_000, Emax=9_999, Emin=-9_999)


class NotComparable(Exception):
    """The two items have no order: the caller says where."""


def equal(left: Item, right: Item) -> bool | None:
    """`=` of two items; None where precision leaves it open."""
    if left is right:
        return True
    one, other = left.__class__, right.__class__
    if one is str and other is str:
        return bool(left == right)
    if one is bool or other is bool:
        return one is other and left is right
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        return _equal_quantities(as_quantity(left), as_quantity(right))
    if isinstance(left, Temporal) or isinstance(right, Temporal):
        if not (isinstance(left, Temporal) and isinstance(right, Temporal)):
            return False
        if (left.kind == "Time") != (right.kind == "Time"):
            return False
        order = temporal.compare(left, right)
        return None if order is None else order == 0
    return bool(left == right)


def as_quantity(item: Item) -> Quantity | None:
    """An Integer or Decimal is a Quantity of unit 1."""
    if isinstance(item, Quantity):
        return item
    if isinstance(item, (int, Decimal)) and not isinstance(item, bool):
        return Quantity(Decimal(item), "1")
    return None


def _equal_quantities(left: Quantity | None, right: Quantity | None) -> bool | None:
    if left is None or right is None:
        return False
    if left.unit == right.unit and left.is_calendar == right.is_calendar:
        return left.value == right.value
    pair = _in_base(left, right)
    if pair is None:
        # Unlike dimensions are unequal; a calendar year and a UCUM year simply cannot be held together.
        return None if _is_undecided(left, right) else False
    return _near(*pair)


def _is_undecided(left: Quantity, right: Quantity) -> bool:
    return left.is_calendar != right.is_calendar and _measures_time(left) and _measures_time(right)


def _measures_time(quantity: Quantity) -> bool:
    if quantity.is_calendar:
        return True
    known = units.measure(quantity.unit)
    return known is not None and known.dimension == "[time]"


def _near(left: Decimal, right: Decimal) -> bool:
    return left == right or _TWELVE.plus(left) == _TWELVE.plus(right)


_INDEFINITE = frozenset({"year", "month"})


def _in_base(left: Quantity, right: Quantity, *, loose: bool = False) -> tuple[Decimal, Decimal] | None:
    """Both values in one unit, or None if they measure different things.

    A calendar year or month has no length in seconds, so it meets only another calendar unit, unless
    `loose`: then it is as long as UCUM says.
    """
    if left.is_calendar != right.is_calendar and not loose:
        calendar = left if left.is_calendar else right
        other = right if left.is_calendar else left
        if calendar.unit in _INDEFINITE or other.unit in ("a", "mo"):
            return None
    if left.is_calendar and right.is_calendar:
        pair = _in_months(left, right)
        if pair is not None:
            return pair
    one, other_measure = _measure(left, loose=loose), _measure(right, loose=loose)
    if one is None or other_measure is None or one.dimension != other_measure.dimension:
        return None
    return (
        _ROOMY.add(_ROOMY.multiply(left.value, one.factor), one.offset),
        _ROOMY.add(_ROOMY.multiply(right.value, other_measure.factor), other_measure.offset),
    )


def _in_months(left: Quantity, right: Quantity) -> tuple[Decimal, Decimal] | None:
    """Years and months among themselves: a year is 12 months, not 365 days."""
    if left.unit not in _INDEFINITE or right.unit not in _INDEFINITE:
        return None
    one, other = (q.value * (12 if q.unit == "year" else 1) for q in (left, right))
    return one, other


def _measure(quantity: Quantity, *, loose: bool = False) -> units.Measure | None:
    if not quantity.is_calendar:
        return units.measure(quantity.unit)
    if loose:
        return units.measure(units.UCUM_OF_CALENDAR[quantity.unit])
    return units.calendar_measure(quantity.unit)


def is_comparable(left: Quantity, right: Quantity) -> bool:
    """True if both units measure the same thing. R4 comparable()."""
    if left.unit == right.unit and left.is_calendar == right.is_calendar:
        return True
    return _in_base(left, right, loose=True) is not None


def converted(value: Quantity, unit: str) -> Quantity | None:
    """Express a quantity in another unit; None if it measures something else."""
    if value.unit == unit:
        return value
    one = _measure(value)
    other = units.calendar_measure(unit) if unit in units.UCUM_OF_CALENDAR else units.measure(unit)
    if one is None or other is None or one.dimension != other.dimension:
        return None
    amount = _ROOMY.divide(_ROOMY.multiply(value.value, one.factor) + one.offset - other.offset, other.factor)
    return Quantity(_TWELVE.plus(amount), unit, unit in units.UCUM_OF_CALENDAR)


def collections_equal(left: list[Item], right: list[Item]) -> bool | None:
    """`=` of two collections of plain items, in order; None if one is empty."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    answer: bool | None = True
    for one, other in zip(left, right, strict=True):
        same = equal(one, other)
        if same is False:
            return False
        if same is None:
            answer = None
    return answer


def equivalent(left: Item, right: Item) -> bool:
    """`~` of two items."""
    if left is right:
        return True
    one, other = left.__class__, right.__class__
    if one is str and other is str:
        return bool(left == right or _folded(left) == _folded(right))
    if one is bool or other is bool:
        return one is other and left is right
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        return _equivalent_quantities(as_quantity(left), as_quantity(right))
    if isinstance(left, Temporal) and isinstance(right, Temporal):
        return temporal.is_equivalent(left, right)
    if isinstance(left, (int, Decimal)) and isinstance(right, (int, Decimal)):
        return _equivalent_numbers(Decimal(left), Decimal(right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_alike(left[key], right[key]) for key in left)
    return bool(left == right)


def _alike(left: Any, right: Any) -> bool:  # noqa: ANN401
    if isinstance(left, list) and isinstance(right, list):
        return collections_equivalent(left, right)
    return equivalent(left, right)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _equivalent_numbers(left: Decimal, right: Decimal) -> bool:
    """Compare at the precision of the less precise one; closing zeros are no precision."""
    if left == right:
        return True
    places = min(_places(left), _places(right))
    step = Decimal(1).scaleb(-places)
    one, other = (value.quantize(step, ROUND_HALF_UP, _ALL_DIGITS) for value in (left, right))
    return one == other


def _places(value: Decimal) -> int:
    exponent = value.normalize(_ALL_DIGITS).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _equivalent_quantities(left: Quantity | None, right: Quantity | None) -> bool:
    if left is None or right is None:
        return False
    if left.unit == right.unit and left.is_calendar == right.is_calendar:
        return _equivalent_numbers(left.value, right.value)
    pair = _in_base(left, right, loose=left.is_calendar != right.is_calendar)
    if pair is None:
        return False
    factors = [units_of.factor for q in (left, right) if (units_of := _measure(q, loose=True)) is not None]
    coarse = max(factors)
    one, other = (_TWELVE.plus(_ROOMY.divide(value, coarse)) for value in pair)
    return _equivalent_numbers(one, other)


def collections_equivalent(left: list[Item], right: list[Item]) -> bool:
    """`~` of two collections of plain items, in any order."""
    if len(left) != len(right):
        return False
    rest = list(right)
    for item in left:
        at = next((place for place, other in enumerate(rest) if equivalent(item, other)), None)
        if at is None:
            return False
        del rest[at]
    return True


def order(left: Item, right: Item) -> int | None:
    """Negative, zero or positive; None where precision or units leave it open.

    Raises NotComparable for types without a common order.
    """
    one, other = left.__class__, right.__class__
    if one is str and other is str:
        return -1 if left < right else int(left > right)
    if one is bool or other is bool:
        raise NotComparable
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        return _quantity_order(as_quantity(left), as_quantity(right))
    if isinstance(left, Temporal) and isinstance(right, Temporal):
        if (left.kind == "Time") != (right.kind == "Time"):
            raise NotComparable
        return temporal.compare(left, right)
    if isinstance(left, (int, Decimal)) and isinstance(right, (int, Decimal)):
        return -1 if left < right else int(left > right)
    raise NotComparable


def _quantity_order(left: Quantity | None, right: Quantity | None) -> int | None:
    if left is None or right is None:
        raise NotComparable
    if left.unit == right.unit and left.is_calendar == right.is_calendar:
        return (left.value > right.value) - (left.value < right.value)
    pair = _in_base(left, right)
    if pair is None:
        return None
    return 0 if _near(*pair) else (pair[0] > pair[1]) - (pair[0] < pair[1])


def key(item: Item) -> Hashable:
    """A key that two plain items share exactly if they are equal."""
    kind = item.__class__
    if kind is str:
        return str(item)
    if kind is bool:
        return (bool, item)
    if isinstance(item, (int, Decimal)):
        return (Quantity, "", item)
    if isinstance(item, Temporal):
        return _temporal_key(item)
    if isinstance(item, Quantity):
        return _quantity_key(item)
    if isinstance(item, dict):
        return (dict, frozenset((name, key(value)) for name, value in item.items()))
    if isinstance(item, list):
        return (list, tuple(key(value) for value in item))
    return (kind, item)


def _temporal_key(item: Temporal) -> Hashable:
    known = item.offset is not None and len(item.parts) > 3
    same = temporal.in_utc(item) if known else item
    return (Temporal, item.kind == "Time", known, same.parts, item.fraction.rstrip("0"))


def _quantity_key(item: Quantity) -> Hashable:
    if item.is_calendar and item.unit in _INDEFINITE:
        return (Quantity, "month", item.value * (12 if item.unit == "year" else 1))
    known = _measure(item)
    if known is None:
        return (Quantity, "?" + item.unit, item.value)
    amount = _ROOMY.add(_ROOMY.multiply(item.value, known.factor), known.offset)
    return (Quantity, known.dimension, _TWELVE.plus(amount))
