"""Draw the finished schema of an empty SQLite store from the migrations.

Run after a new migration: `python tools/draw_schema.py`. A test says when it is not true any more.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

from adapter.relay.store.sqlite import SqliteGround
from adapter.relay.store.upgrade import STEPS, upgrade

FILE = STEPS / "sqlite.sql"


def drawn() -> str:
    """Walk every step on an empty file; return what stands there then, as SQL."""
    with tempfile.TemporaryDirectory() as place:
        steps = Path(place) / "migrations"
        shutil.copytree(STEPS, steps, ignore=shutil.ignore_patterns(FILE.name, "__pycache__"))
        file = Path(place) / "store.db"
        ground = SqliteGround(make_url(f"sqlite:///{file}"))
        upgrade(ground, steps)
        ground.close()
        with closing(sqlite3.connect(file)) as connection:
            found = [each for each in connection.iterdump() if each not in ("BEGIN TRANSACTION;", "COMMIT;")]
    found.sort(key=lambda each: (not each.startswith(("CREATE TABLE", "INSERT")), each))
    found.sort(key=lambda each: each.startswith("INSERT"))
    return "".join(f"{_in_order(each)}\n" for each in found)


def _in_order(statement: str) -> str:
    """Put a table's constraints in the order of their names: a step that rebuilds it leaves them in any."""
    lines = [line.rstrip().removesuffix(",") for line in statement.splitlines()]
    named = sorted(line for line in lines if line.startswith("\tCONSTRAINT"))
    if not named:
        return "\n".join(line.rstrip() for line in statement.splitlines())
    first, *columns = [line for line in lines[:-1] if line not in named]
    return "\n".join([first, ",\n".join([*columns, *named]), lines[-1]])


if __name__ == "__main__":
    FILE.write_text(drawn(), "utf-8")
