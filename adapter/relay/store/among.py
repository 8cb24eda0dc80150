"""One of several values, as one parameter: the same words for every engine, however many values there are.

`column IN (?, ?, …)` is another statement for every count, which neither the driver nor the database can keep
prepared. PostgreSQL takes an array instead, SQLite a JSON list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Boolean, ColumnElement, String, Text, bindparam
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.types import TypeEngine


class Several(TypeDecorator["Sequence[Any]"]):
    """A list of values of one type as one parameter."""

    impl = Text
    cache_ok = True

    def __init__(self, of: TypeEngine[Any]) -> None:
        super().__init__()
        self.of = of

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return an array where the engine has one."""
        return dialect.type_descriptor(ARRAY(self.of) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> Any:  # noqa: ANN401
        """Write the list."""
        if value is None or dialect.name == "postgresql":
            return value
        return orjson.dumps(value).decode()


class Among(ColumnElement[bool]):
    """The condition that a column holds one of the values of a parameter, which is a list."""

    inherit_cache = False
    type = Boolean()

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        self.column = column
        self.values = bindparam(
            name, type_=Several(column.type if column.type.python_type is int else String())
        )

    def self_group(self, against: object = None) -> Among:
        """Return itself: no engine needs it compared with true, and SQLite would not use an index then."""
        return self


@compiles(Among, "postgresql")
def _in_array(element: Among, compiler: SQLCompiler, **how: Any) -> str:  # noqa: ANN401
    return f"{compiler.process(element.column, **how)} = ANY ({compiler.process(element.values, **how)})"


@compiles(Among)
def _in_list(element: Among, compiler: SQLCompiler, **how: Any) -> str:  # noqa: ANN401
    column, values = (compiler.process(part, **how) for part in (element.column, element.values))
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - both parts are compiled
