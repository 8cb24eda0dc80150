"""The Finnish personal identity code (henkilötunnus, PIC): what its eleven characters say.

Day, month, year in two digits each, a sign of the century, an individual number (odd for men, even for
women; 900-999 for tests) and a check character. Nothing here decides what a wrong one means, and nothing
here ever quotes one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal

SYSTEM = "urn:oid:1.2.246.21"
"""Identifier.system of the code. Finnish base profiles, fi-base-patient, slice PIC."""

_SHAPE = re.compile(r"(\d{2})(\d{2})(\d{2})([-+A-FU-Y])(\d{3})([0-9A-Y])", re.ASCII)
_CENTURY = {"+": 1800} | dict.fromkeys("-UVWXY", 1900) | dict.fromkeys("ABCDEF", 2000)
_CHECK = "0123456789ABCDEFHJKLMNPRSTUVWXY"

FIRST_INDIVIDUAL, FIRST_TEST, LAST_TEST = 2, 900, 999
"""Individual numbers begin at 002; 900-999 belong to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hetu:
    """What a code says of its person."""

    birth_date: date
    sex: Literal["male", "female"]
    """FHIR administrative-gender."""
    individual: int
    check_agrees: bool
    """False where the last character is not the one the digits call for."""

    @property
    def is_test(self) -> bool:
        """True for the range that is given to nobody."""
        return FIRST_TEST <= self.individual <= LAST_TEST

    @property
    def is_given_out(self) -> bool:
        """False for the individual numbers 000 and 001, which nobody has."""
        return self.individual >= FIRST_INDIVIDUAL


def read(text: str) -> Hetu | None:
    """Take a code apart, or return None if it has not the shape of one or its day does not exist."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        return None
    day, month, year, sign, individual, check = match.groups()
    try:
        born = date(_CENTURY[sign] + int(year), int(month), int(day))
    except ValueError:
        return None
    return Hetu(
        birth_date=born,
        sex="male" if int(individual) % 2 else "female",
        individual=int(individual),
        check_agrees=check == check_character(f"{day}{month}{year}{individual}"),
    )


def check_character(digits: str) -> str:
    """Return the check character of nine digits: birth date and individual number, modulo 31."""
    return _CHECK[int(digits) % len(_CHECK)]
