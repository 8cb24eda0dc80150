"""One statement for many rows: each parameter becomes a column of what is given.

PostgreSQL answers every row of a driver's `executemany` by itself. Given the values as one array for each
parameter, it plans and runs the statement once, however many rows there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, Insert, Update, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import visitors
from sqlalchemy.types import NullType, TypeDecorator

from adapter.relay.store.arrays import kind_of
from adapter.relay.store.prepared import into

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import FromClause
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

    from adapter.relay.store.arrays import Array


class Columns:
    """An Insert or Update of one row, made one for as many as are given."""

    def __init__(self, statement: Insert | Update, dialect: Dialect, keys: Sequence[str]) -> None:
        types = _types_of(statement, keys)
        given = (
            select(*(func.unnest(_array(name, type_, dialect)).label(name) for name, type_ in types.items()))
        ).subquery("given")
        compiled: Any = _of_columns(statement, given).compile(dialect=dialect)
        self.sql: str = str(compiled)
        self._converts = {name: into(type_, dialect) for name, type_ in types.items()}
        self._kinds = {name: kind_of(_kept(type_, dialect)) for name, type_ in types.items()}
        self._names: list[str] = compiled.positiontup
        self._fixed = {name: compiled.params[name] for name in self._names if name not in types}

    def bound(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return the value of each parameter, in the order of the SQL, as the driver wants it."""
        return [
            self._fixed[name] if name in self._fixed else self._column(name, rows) for name in self._names
        ]

    def _column(self, name: str, rows: Sequence[Mapping[str, Any]]) -> Array:
        values = [row[name] for row in rows]
        convert = self._converts[name]
        return self._kinds[name].of(values if convert is None else [convert(value) for value in values])


def _types_of(statement: Insert | Update, keys: Sequence[str]) -> dict[str, TypeEngine[Any]]:
    """Return the type of each parameter: as the statement says it, else of its column."""
    said = {
        each.key: each.type
        for each in visitors.iterate(statement)
        if isinstance(each, BindParameter) and not isinstance(each.type, NullType)
    }
    return {key: said[key] if key in said else statement.table.c[key].type for key in keys}


def _array(name: str, type_: TypeEngine[Any], dialect: Dialect) -> BindParameter[Any]:
    """Return the parameter; its values are converted one by one, before they are put together."""
    return BindParameter(name, type_=ARRAY(_kept(type_, dialect)))


def _kept(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Return the type as the database keeps it."""
    kept = type_.dialect_impl(dialect)
    return kept.impl_instance if isinstance(kept, TypeDecorator) else type_


def _of_columns(statement: Insert | Update, given: FromClause) -> Insert | Update:
    if isinstance(statement, Insert):
        return statement.from_select(list(given.c.keys()), select(given)).inline()
    replaced: list[str] = []

    def column(element: Any) -> Any:  # noqa: ANN401
        if not isinstance(element, BindParameter) or element.key not in given.c:
            return None
        replaced.append(element.key)
        return given.c[element.key]

    changed: Update = visitors.replacement_traverse(statement, {}, column)  # type: ignore[call-overload]
    further = {name: given.c[name] for name in given.c.keys() if name not in replaced}  # noqa: SIM118
    return changed.values(further) if further else changed
