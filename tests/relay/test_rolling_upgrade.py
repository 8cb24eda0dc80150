"""Rolling upgrade: an older node beside a newer one on one PostgreSQL, and steps that only ever add."""

from __future__ import annotations

import ast
import shutil
import subprocess
import tarfile
import time
from contextlib import ExitStack
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from adapter.errors import StoreError
from adapter.relay.clock import SetClock
from adapter.relay.store.upgrade import STEPS
from tests.relay import torture
from tests.relay.torture import ROOT, Victim, process
from tests.relay.world import NOON, World, open_store, settle_on

if TYPE_CHECKING:
    from pathlib import Path

    from tests.relay.cluster import Cluster

ADDS = {"create_table", "create_index", "add_column", "execute", "f", "get_bind"}
WIDENS = {"batch_alter_table", "drop_constraint", "create_check_constraint"}
"""A check that lets more in than before: the older program never writes what is new, and reads its own."""
NEXT_STEP = '''"""A step of a version to come."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{newest}"
branch_labels = depends_on = None


def upgrade() -> None:
    op.add_column("delivery", sa.Column("weather", sa.String(), nullable=True))
    op.add_column("message", sa.Column("mood", sa.Integer(), server_default="0", nullable=False))
    op.create_table("tide", sa.Column("name", sa.String(), primary_key=True))
    op.create_index("ix_delivery_weather", "delivery", ["weather"])
'''


def released() -> list[Path]:
    """The steps after the first, in order."""
    return sorted((STEPS / "versions").glob("v*.py"))[1:]


@pytest.mark.parametrize("step", released(), ids=lambda step: step.stem)
def test_a_step_of_the_schema_only_adds(step: Path) -> None:
    """Nothing an older program writes or reads goes away or becomes required while it runs beside a newer."""
    calls = [
        node
        for node in ast.walk(ast.parse(step.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    made = {node.func.attr for node in calls if _is_of(node, "op", "table")}  # type: ignore[union-attr]
    columns = [
        ast.unparse(node)
        for node in calls
        if _is_of(node, "op") and ast.unparse(node.func) == "op.add_column"
    ]
    assert made <= ADDS | WIDENS
    assert all("nullable=True" in column or "server_default" in column for column in columns)


def _is_of(call: ast.Call, *names: str) -> bool:
    return isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) in names


def newer_steps(place: Path) -> Path:
    """The steps of a version to come: ours and one more."""
    shutil.copytree(STEPS, place)
    newest = (STEPS / "versions" / released()[-1].name).read_text("utf-8")
    revision = newest.split('revision = "')[1].split('"')[0]
    (place / "versions" / "v9999_next.py").write_text(NEXT_STEP.format(newest=revision), "utf-8")
    return place


def test_an_older_node_goes_on_beside_a_newer_one(tmp_path: Path, cluster: Cluster) -> None:
    """The schema grows under a running node; each delivers what the other took; no older one starts then."""
    settle_on(tmp_path, cluster.database())
    clock = SetClock(NOON)
    with ExitStack() as stack:
        older = World(store=stack.enter_context(open_store(tmp_path, clock)), clock=clock)
        before = older.take(1)
        newer = World(
            store=stack.enter_context(open_store(tmp_path, clock, steps=newer_steps(tmp_path / "steps"))),
            clock=clock,
        )
        after, beside = older.take(2, subject="2" * 64), newer.take(3, subject="3" * 64)
        assert (newer.due(limit=1), older.due()) == (1, 2)
        assert {older.state(new).value for new in (before, after, beside)} == {"acknowledged"}
        assert newer.store.verify_audit() is None
        with pytest.raises(StoreError, match="ST109"):
            open_store(tmp_path, clock)


def release_before(place: Path) -> Path:
    """The program as it was before the newest step of the schema, from the history of the repository."""
    newest = released()[-1].relative_to(ROOT).as_posix()
    log = ("git", "log", "-1", "--format=%H", "--diff-filter=A", "--", newest)
    asked = subprocess.run(log, cwd=ROOT, capture_output=True, text=True, check=False)
    commit = asked.stdout.strip()
    parts = ("adapter", "tests", "mappings", "profiles", "fixtures")
    archive = subprocess.run(
        ("git", "archive", f"{commit}~1", *parts), cwd=ROOT, capture_output=True, check=False
    )
    if not commit or archive.returncode:
        pytest.skip("the history of the repository is not here: there is no older program to run")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as found:
        found.extractall(place, filter="data")
    return place


@pytest.mark.long
def test_the_program_before_the_newest_step_and_this_one_lose_nothing_together(
    tmp_path: Path, durable: Cluster
) -> None:
    """Both under load on one PostgreSQL while the schema grows, both killed: all arrives as it was taken."""
    before = release_before(tmp_path / "before")
    folder = tmp_path / "shared"
    folder.mkdir()
    settle_on(folder, durable.database(migrated=False))
    port = folder / "port"
    with process("tests.relay.receiver", str(folder / "log"), str(port)), ExitStack() as stack:
        while not port.exists():
            time.sleep(0.01)
        relays = [
            Victim(
                stack.enter_context(
                    process("tests.relay.victim", str(folder), port.read_text(), str(node), cwd=cwd)
                )
            )
            for node, cwd in enumerate([before, ROOT])
        ]
        for relay in relays:
            relay.do("load")
            _until_accepted(folder / f"accepted-{relays.index(relay)}", 10)
        _until_accepted(folder / "accepted-0", 30)
        for relay in relays:
            relay.kill()
        relays[1].do("drain")
        relays[1].ended()
    found = torture.compared(folder, 2, relays)
    assert found.accepted >= 40
    assert found.faults == {}


def _until_accepted(log: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while not log.exists() or log.read_text().count("\n") < count:
        assert time.monotonic() < deadline, log
        time.sleep(0.05)
