"""Decimals keep the digits they were written with."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal

import pytest

from adapter import fhir
from adapter.errors import ContentError
from adapter.fhir.decimals import ExactDecimal, number


@pytest.mark.parametrize("text", ["1.50", "1e2", "1E+2", "-0", "-0.0", "0.0000000001", "100", "1.0e-245"])
def test_a_decimal_says_what_was_written(text):
    """`str`, an f-string, a copy and a pickle all give the text back."""
    value = ExactDecimal(text)
    said = (str(value), f"{value}", str(copy.deepcopy(value)), str(pickle.loads(pickle.dumps(value))))  # noqa: S301
    assert said == (text,) * 4


@pytest.mark.parametrize(
    "text", ["", "NaN", "Infinity", "+1", "01", "1.", ".5", "1e", "0x1", "١", "1_0", " 1"]
)
def test_only_json_numbers_are_decimals(text):
    """What RFC 8259 does not call a number is refused."""
    with pytest.raises(ValueError, match="JSON number"):
        ExactDecimal(text)


def test_a_decimal_compares_by_value():
    """Two spellings of one number are equal and hash alike, as with any Decimal."""
    assert (ExactDecimal("1.50") == Decimal("1.5"), hash(ExactDecimal("1e2")) == hash(100)) == (True, True)


def test_computing_gives_a_plain_decimal():
    """A sum has no text of its own to keep."""
    assert type(ExactDecimal("1.50") + 1) is Decimal


@pytest.mark.parametrize(
    ("text", "kind"), [("0", int), ("-1", int), ("9" * 40, int), ("-0", ExactDecimal), ("1.0", ExactDecimal)]
)
def test_a_number_is_an_int_where_that_loses_nothing(text, kind):
    """`-0` is kept exactly, because an int forgets its sign."""
    assert (type(number(text)), str(number(text))) == (kind, text)


def test_an_exponent_beyond_a_decimal_is_a_value_error():
    """Numbers no Decimal can hold do not become infinite."""
    with pytest.raises(ValueError, match="exponent"):
        ExactDecimal("1e9999999999999999999999")


def test_a_format_is_that_of_the_number():
    """A format specification shows the number; none shows the text it came with."""
    number = ExactDecimal("1e2")

    assert (f"{number:f}", f"{number}") == ("100", "1e2")


NUMBERS = {
    "J3 1.10": ("1.10", None),
    "J3 -0": ("-0", None),
    "J3 128 digits": ("1" * 128, None),
    "J3 128 characters with a point": ("0." + "1" * 126, None),
    "J3 129 digits": ("1" * 129, "FH107"),
    "J3 129 characters with a point": ("0." + "1" * 127, "FH107"),
    "J3 5,000 digits": ("1" * 5_000, "FH107"),
    "J3 an exponent of 400": ("1e400", None),
    "J3 an exponent of 401": ("1e401", "FH108"),
    "J3 an exponent of a million": ("1e1000000", "FH108"),
}
SHAPES = {
    "application/fhir+json": '{"resourceType":"Observation","valueQuantity":{"value":%s}}',
    "application/fhir+xml": '<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="%s"/>'
    "</valueQuantity></Observation>",
}


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize(("number", "code"), NUMBERS.values(), ids=NUMBERS)
def test_j3_a_number_is_kept_to_its_last_digit_or_refused(number, code, kind):
    """J3: in the budget each digit comes back; beyond it a finding; nothing is ever rounded."""
    body = (SHAPES[kind] % number).encode()
    if code is not None:
        with pytest.raises(ContentError, match=code):
            fhir.decode(body, kind)
    else:
        assert number.encode() in fhir.encode(fhir.decode(body, kind), kind)
