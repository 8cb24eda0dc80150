"""Leading the database to the newest schema, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from adapter.errors import StoreError

if TYPE_CHECKING:
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
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as exc:
        raise StoreError("ST109") from exc
    except Exception as exc:
        raise StoreError("ST102", params={"error": exc.__class__.__name__}) from exc


def newest(steps: Path = STEPS) -> str | None:
    """Return the revision that `upgrade` leads to."""
    return ScriptDirectory.from_config(configuration(steps)).get_current_head()
