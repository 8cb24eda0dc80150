"""Statements compiled once: SQLAlchemy writes the SQL and the conversions, the driver runs them.

Executing a Core statement costs some 80 microseconds of bookkeeping each time, ten times what SQLite needs
for the row; an intake has eleven statements, a delivery some fifteen. So a statement is compiled on its
first use, for the engine at hand, and run on the driver's own cursor from then on. SQL is still written by
Core alone, and stays the same for every engine.
"""

from __future__ import annotations

from collections import namedtuple
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import LargeBinary, Select
from sqlalchemy.sql.dml import Insert, UpdateBase

from adapter.relay.store.among import Several
from adapter.relay.store.arrays import kind_of
from adapter.relay.store.schema import Moment, read_moment, write_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Dialect
    from sqlalchemy.engine.interfaces import DBAPICursor
    from sqlalchemy.sql import ClauseElement
    from sqlalchemy.types import TypeEngine

Row = Any
"""A named tuple with the statement's columns, converted."""


class Prepared:
    """One statement for one engine and one set of parameters."""

    def __init__(self, statement: ClauseElement, dialect: Dialect, keys: Iterable[str]) -> None:
        columns = None if isinstance(statement, Select) else list(keys)
        if isinstance(statement, Insert) and not statement.exported_columns:
            statement = statement.inline()  # nobody asks for the number that it gets
        compiled: Any = statement.compile(dialect=dialect, column_keys=columns)
        self.sql: str = str(compiled)
        if "POSTCOMPILE" in self.sql:
            raise AssertionError("a list of values must stand in the statement as text")
        names: Sequence[str] = compiled.positiontup or ()
        types = {name: bind.type for bind, name in compiled.bind_names.items()}
        given = set(keys)
        self._fixed = {name: compiled.params[name] for name in names if name not in given}
        self._values = _values_of(names)
        converts = ((index, into(types[name], dialect)) for index, name in enumerate(names))
        self._converts = [(index, convert) for index, convert in converts if convert is not None]
        self._row, self._conversions = _rows_of(statement, dialect)

    def bound(self, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """Return the parameters in the order of the SQL, as the driver wants them."""
        row = self._values({**self._fixed, **parameters} if self._fixed else parameters)
        if not self._converts:
            return row
        values = list(row)
        for index, convert in self._converts:
            values[index] = convert(values[index])
        return values

    def rows(self, cursor: DBAPICursor) -> list[Row]:
        """Return what the cursor has, as named tuples."""
        make, conversions = self._row._make, self._conversions
        found = cursor.fetchall()
        if not conversions:
            return [make(row) for row in found]
        converted = []
        for row in found:
            values = list(row)
            for index, convert in conversions:
                if row[index] is not None:
                    values[index] = convert(row[index])
            converted.append(make(values))
        return converted


def _values_of(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return what takes these values out of a mapping, in order."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda parameters: tuple(parameters[name] for name in names)


def into(type_: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what makes a value one for the driver, or None if it is one already."""
    if isinstance(type_, Moment):
        return write_moment  # the same without SQLAlchemy's detours
    if isinstance(type_, LargeBinary):
        return None  # every driver here takes bytes as they are
    if isinstance(type_, Several) and dialect.name == "postgresql":
        return kind_of(type_.of).of  # the same without the driver's
    convert: Callable[[Any], Any] | None = type_.dialect_impl(dialect).bind_processor(dialect)
    return convert


def _out_of(type_: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what makes a driver's value, if there is one, ours; None if it is that already."""
    if isinstance(type_, Moment):
        return read_moment
    convert: Callable[[Any], Any] | None = type_.dialect_impl(dialect).result_processor(dialect, None)
    return convert


def _rows_of(
    statement: ClauseElement, dialect: Dialect
) -> tuple[Any, list[tuple[int, Callable[[Any], Any]]]]:
    """Return the named tuple of the statement's rows, and the conversions its columns need."""
    columns: Sequence[ColumnElement[Any]] = ()
    if isinstance(statement, Select):
        columns = list(statement.selected_columns)
    elif isinstance(statement, UpdateBase) and statement.exported_columns:
        columns = list(statement.exported_columns)
    names = [str(getattr(column, "key", None) or "") for column in columns]
    conversions: list[tuple[int, Callable[[Any], Any]]] = []
    for index, column in enumerate(columns):
        convert = _out_of(column.type, dialect)
        if convert is not None:
            conversions.append((index, convert))
    return namedtuple("Row", names, rename=True), conversions
