"""Arrays as PostgreSQL reads them: in binary, written in one pass.

A driver finds out of every value what it is and quotes it, at some microseconds each. Here the type of the
column is known before. PostgreSQL source, `array_recv` (`src/backend/utils/adt/arrayfuncs.c`).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, Integer, LargeBinary, String

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy.types import TypeEngine

_HEAD = struct.Struct(">iiiii")
"""Dimensions, whether there are nulls, type of an element, how many, number of the first."""
_LENGTH = struct.Struct(">i")
_NULL = _LENGTH.pack(-1)


class Array(bytes):
    """A whole array for the driver to send as it is; one class for each type of element."""

    oid: int
    """Of the array's type, as `pg_type.dat` numbers it."""
    element: int
    """Of the element's type."""
    written: Callable[[Any], bytes]
    """Writes one value."""

    @classmethod
    def of(cls, values: Sequence[Any]) -> Array:
        """Write these values; None is null."""
        return cls(_HEAD.pack(1, None in values, cls.element, len(values), 1) + cls._body(values))

    @classmethod
    def _body(cls, values: Iterable[Any]) -> bytes:
        written, length = cls.written, _LENGTH.pack
        parts: list[bytes] = []
        for value in values:
            if value is None:
                parts.append(_NULL)
            else:
                part = written(value)
                parts += (length(len(part)), part)
        return b"".join(parts)


class Texts(Array):
    """`text[]`."""

    oid, element, written = 1009, 25, str.encode


class Integers(Array):
    """`integer[]`."""

    oid, element, written = 1007, 23, _LENGTH.pack


class Truths(Array):
    """`boolean[]`."""

    oid, element, written = 1000, 16, struct.Struct(">?").pack


class Bytes(Array):
    """`bytea[]`."""

    oid, element, written = 1001, 17, bytes


KINDS = (Texts, Integers, Truths, Bytes)
_BY_TYPE: Mapping[type[TypeEngine[Any]], type[Array]] = {
    Boolean: Truths,
    Integer: Integers,
    LargeBinary: Bytes,
    String: Texts,
}


def kind_of(type_: TypeEngine[Any]) -> type[Array]:
    """Return how arrays of a column's type are written."""
    return next(kind for base, kind in _BY_TYPE.items() if isinstance(type_, base))
