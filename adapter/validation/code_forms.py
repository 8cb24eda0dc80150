"""Code systems that nobody carries whole, and the form that all their codes have: what has it not is no code.

LOINC ends in a mod 10 check digit (LOINC Users' Guide), an identifier of SNOMED CT in a Verhoeff one (SNOMED
CT Release File Specifications, 6.3); an expression of SNOMED CT is left alone. ISO 3166-1 has two letters,
three letters or three digits, ISO 3166-2 a country and up to three signs, ISO 4217 three letters, UN M49
three digits. Units of UCUM are expressions, read by the grammar.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Form = Callable[[str], bool]

_LOINC = re.compile(r"[0-9]{1,7}-[0-9]")
_LOINC_PART = re.compile(r"(?:LA|LG|LL|LP|MTHU)[0-9]+-?[0-9]?")
_SCTID = re.compile(r"[1-9][0-9]{5,17}")

_TURN = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 5, 7, 6, 2, 8, 3, 0, 9, 4),
    (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
    (8, 9, 1, 6, 0, 4, 3, 5, 2, 7),
    (9, 4, 5, 3, 1, 2, 6, 8, 7, 0),
    (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
    (2, 7, 9, 3, 8, 0, 6, 4, 1, 5),
    (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)
"""Verhoeff's permutations, by the place of a digit from the right."""


def _joined(one: int, other: int) -> int:
    """Return the product of two digits in the dihedral group of the pentagon, as Verhoeff numbers it."""
    if one < 5:
        return (one + other) % 5 + (5 if other >= 5 else 0)
    return (one - other) % 5 + (0 if other >= 5 else 5)


def is_verhoeff(digits: str) -> bool:
    """Return True if the last digit is the check digit of those before."""
    sum_ = 0
    for place, digit in enumerate(reversed(digits)):
        sum_ = _joined(sum_, _TURN[place % 8][int(digit)])
    return sum_ == 0


def is_mod_10(digits: str) -> bool:
    """Return True if the last digit is the mod 10 check digit of those before."""
    doubled = [int(digit) * 2 for digit in reversed(digits[:-1])][::2]
    plain = [int(digit) for digit in reversed(digits)][::2]
    return (sum(plain) + sum(number - 9 if number > 9 else number for number in doubled)) % 10 == 0


@lru_cache(maxsize=4096)
def _is_loinc(code: str) -> bool:
    if _LOINC.fullmatch(code):
        return is_mod_10(code.replace("-", ""))
    return _LOINC_PART.fullmatch(code) is not None


@lru_cache(maxsize=4096)
def _is_snomed(code: str) -> bool:
    if not code.isdigit():
        return any(sign in code for sign in ":+=|<{")
    return _SCTID.fullmatch(code) is not None and is_verhoeff(code)


UCUM = "http://unitsofmeasure.org"
_LOGARITHMIC = re.compile(r"d?B(?:\[[^\]]+\])?|Np|\[pH\]|\[p'diop\]|\[hp'_[XCMQ]\]|\[m/s2/Hz\^0\.5\]")
"""Special units of UCUM that our table of units leaves out, since they convert by a function."""


@lru_cache(maxsize=4096)
def is_unit(code: str) -> bool:
    """Return False for what is no expression of UCUM, such as `mmHg` for `mm[Hg]`. UCUM, 2 to 4."""
    from adapter.fhirpath.units import measure

    return measure(code) is not None or _LOGARITHMIC.fullmatch(code) is not None


def _of(pattern: str) -> Form:
    fits = re.compile(pattern).fullmatch
    return lambda code: fits(code) is not None


FORMS: dict[str, Form] = {
    "http://loinc.org": _is_loinc,
    "http://snomed.info/sct": _is_snomed,
    "urn:iso:std:iso:3166": _of(r"[A-Z]{2,3}|[0-9]{3}|[A-Z]{2}-[A-Z0-9]{1,3}"),
    "urn:iso:std:iso:3166:-2": _of(r"[A-Z]{2}-[A-Z0-9]{1,3}"),
    "http://unstats.un.org/unsd/methods/m49/m49.htm": _of(r"[0-9]{3}"),
    "urn:iso:std:iso:4217": _of(r"[A-Z]{3}"),
}
"""Code system -> whether a text can be one of its codes, in whatever version."""
