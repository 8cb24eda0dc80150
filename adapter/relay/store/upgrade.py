"""Leading the database to the newest schema, whole or not at all.

A database with content walks every step. One that is empty may take the tables as the steps leave them, which
costs a tenth: `migrations/sqlite.sql` is drawn from the steps by `tools/draw_schema.py`, and a test holds
the two equal.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import inspect

from adapter.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from adapter.relay.store.ground import Ground

STEPS = Path(__file__).parent / "migrations"


def configuration(steps: Path = STEPS) -> Config:
    """Return Alembic's settings for the steps in a folder."""
    config = Config()
    config.set_main_option("script_location", str(steps).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(ground: Ground, steps: Path = STEPS) -> None:
    """Run the missing steps in one transaction, one node at a time.

    Raises StoreError ST102 if a step fails: the database is then as it was. ST109 if the database is of a
    newer version than this program.
    """
    config = configuration(steps)
    try:
        with ground.writing.begin() as connection:
            ground.lock_schema(connection)
            _begin(connection, steps)
            if not _is_newest(connection, steps):
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
    except CommandError as exc:
        raise StoreError("ST109") from exc
    except Exception as exc:
        raise StoreError("ST102", params={"error": exc.__class__.__name__}) from exc


def _begin(connection: Connection, steps: Path) -> None:
    """Make the tables as the steps leave them, if that is drawn for this kind of database and it is empty."""
    drawn = steps / f"{connection.dialect.name}.sql"
    if drawn.exists() and not inspect(connection).get_table_names():
        for statement in _statements(drawn.read_text("utf-8")):
            connection.exec_driver_sql(statement)


def _is_newest(connection: Connection, steps: Path) -> bool:
    """Return True if no step is missing; to walk none of them costs as much as to read them all."""
    return MigrationContext.configure(connection).get_current_heads() == (_last(steps),)


@cache
def _last(steps: Path) -> str | None:
    """Return the last of the steps in a folder: a program's steps stay while it runs."""
    return newest(steps)


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script of SQLite's; a trigger has semicolons within it."""
    begun = ""
    for line in script.splitlines(keepends=True):
        begun += line
        if sqlite3.complete_statement(begun):
            yield begun.strip()
            begun = ""


def newest(steps: Path = STEPS) -> str | None:
    """Return the revision that `upgrade` leads to."""
    return ScriptDirectory.from_config(configuration(steps)).get_current_head()
