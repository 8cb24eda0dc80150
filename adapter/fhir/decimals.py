"""Decimals that keep the digits they were written with.

FHIR gives meaning to trailing zeros: `1.50` says more than `1.5`. And `1e2` shall go out as `1e2`.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Context
    from typing import Self

JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
"""A whole number text of RFC 8259, section 6."""


class ExactDecimal(Decimal):
    """A decimal whose `str()` is the text it was read from.

    It compares, hashes and computes as any Decimal; what is computed from it is a plain Decimal.
    FHIR R4 decimal: precision is significant. Raises ValueError if `text` is not a JSON number.
    """

    __slots__ = ("lexeme",)
    lexeme: str

    def __new__(cls, text: str) -> Self:
        """Make one from a number text, which is kept."""
        if JSON_NUMBER.fullmatch(text) is None:
            raise ValueError("not the text of a JSON number")
        return cls.of(text)

    @classmethod
    def of(cls, text: str) -> Self:
        """Make one from a text that is known to be a JSON number.

        Raises ValueError if the exponent is beyond what a Decimal can hold.
        """
        try:
            made = Decimal.__new__(cls, text)
        except InvalidOperation as problem:
            raise ValueError("the exponent is beyond a Decimal") from problem
        if not made.is_finite():
            raise ValueError("the exponent is beyond a Decimal")
        made.lexeme = text
        return made

    def __str__(self) -> str:
        return self.lexeme

    def __repr__(self) -> str:
        return f"ExactDecimal({self.lexeme!r})"

    def __format__(self, specification: str, context: Context | None = None, /) -> str:
        if not specification:
            return self.lexeme
        # Decimal.__format__ takes no None for a context that was not given.
        given = () if context is None else (context,)
        return Decimal(self).__format__(specification, *given)

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.lexeme,)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object, /) -> Self:
        return self


def number(text: str) -> int | ExactDecimal:
    """Return the value of a JSON number text: an int where that loses nothing, else an ExactDecimal.

    `-0` is an ExactDecimal, because an int forgets its sign. Raises ValueError for any other text.
    """
    if text.lstrip("-").isdecimal() and text.isascii() and text != "-0" and JSON_NUMBER.fullmatch(text):
        return int(text)
    return ExactDecimal(text)
