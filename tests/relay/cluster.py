"""A PostgreSQL of the tests' own: in a temporary folder, on a Unix socket, run by an unprivileged user."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy.engine import make_url

from adapter.relay.store.postgres import PostgresGround
from adapter.relay.store.upgrade import upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator

SUPERUSER = "silta"
TEMPLATE = "migrated"
STRATEGIES_SINCE = 150000
"""The version from which on `CREATE DATABASE` may be told how; those before copy files."""

NOT_DURABLE = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=64MB",
)
"""Nothing here has to survive a power cut; where a test kills the database itself, it says so."""


IN_MEMORY = "/dev/shm"  # noqa: S108 - a folder of a name nobody can guess is made in it


def binaries() -> Path:
    """The folder of the newest server on this machine; without one the tests fail, they are not skipped."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise AssertionError(
            "there is no PostgreSQL on this machine: apt-get install postgresql, or make setup"
        )
    return found[-1] if found else Path(str(on_path)).parent


def _unprivileged() -> dict[str, int | list[int]]:
    """Whom the server runs as: it refuses to be run by root."""
    if os.geteuid() != 0:
        return {}
    names = {user.pw_name: user for user in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class Cluster:
    """One server. `durable`: it syncs as in production."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._folder = folder
        self._durable = durable
        self._as = _unprivileged()
        self._server: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        self._desk: psycopg.Connection | None = None
        if self._as:
            os.chown(folder, self._as["user"], self._as["group"])  # type: ignore[arg-type]
        self._run("initdb", "-D", "data", "-A", "trust", "-U", SUPERUSER, "-E", "UTF8", "--locale=C", "-N")
        self.start()

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [str(binaries() / name), *arguments],
            cwd=self._folder,
            check=True,
            capture_output=True,
            **self._as,
        )

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = () if self._durable else NOT_DURABLE
        options = [part for each in ("listen_addresses=", *settings) for part in ("-c", each)]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [str(binaries() / "postgres"), "-D", "data", "-k", str(self._folder), *options],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                **self._as,  # type: ignore[call-overload]
            )
        deadline = time.monotonic() + 60
        while True:
            with suppress(psycopg.OperationalError):
                self._desk = psycopg.connect(self.address("postgres"), autocommit=True)
                return
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends every session in order, SIGKILL is a crash of the whole server."""
        assert self._server is not None
        if self._desk is not None:
            self._desk.close()
            self._desk = None
        self._server.send_signal(how)
        self._server.wait(60)
        self._server = None

    def end(self) -> None:
        """Stop it where nobody will start it again."""
        if self._server is not None:
            self.stop(signal.SIGINT if self._durable else signal.SIGQUIT)

    def crash(self) -> None:
        """Kill the server's first process; the others notice that it is gone and end."""
        self.stop(signal.SIGKILL)

    def address(self, database: str) -> str:
        """The URL of a database."""
        return f"postgresql://{SUPERUSER}@/{database}?host={self._folder}"

    def database(self, *, migrated: bool = True) -> str:
        """A fresh database, with the tables of the newest schema; its URL."""
        name = f"store{next(self._numbers)}"
        if migrated and not self._has(TEMPLATE):
            self._make(TEMPLATE, "template0")
            ground = PostgresGround(make_url(self.address(TEMPLATE)))
            upgrade(ground)
            ground.abandon()
        self._make(name, TEMPLATE if migrated else "template0")
        return self.address(name)

    def drop(self, address: str) -> None:
        """Let a database go, whoever is in it."""
        self._order(f"DROP DATABASE {make_url(address).database} WITH (FORCE)")

    def _has(self, name: str) -> bool:
        found = self._order("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        return found.fetchone() is not None

    def _make(self, name: str, template: str) -> None:
        # To copy the template's files costs a third of logging their pages; who syncs would wait for them.
        may_copy = self._at_desk().info.server_version >= STRATEGIES_SINCE and not self._durable
        how = "STRATEGY FILE_COPY" if may_copy else ""
        self._order(f"CREATE DATABASE {name} TEMPLATE {template} {how}")

    def terminate_sessions(self, address: str) -> int:
        """End every session of a database, as an administrator would; how many there were."""
        ended = self._order(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (make_url(address).database,),
        )
        return len(ended.fetchall())

    def _at_desk(self) -> psycopg.Connection:
        """The administrator's session, one for all orders: to begin one costs as much as an order."""
        assert self._desk is not None, "the server does not run"
        return self._desk

    def _order(self, statement: str, values: tuple[str, ...] | None = None) -> psycopg.Cursor:
        return self._at_desk().execute(statement.encode(), values)


@contextmanager
def running_cluster(*, durable: bool = False) -> Iterator[Cluster]:
    """A server while the block runs, in a folder whose path is short enough for a socket."""
    memory = None if durable or not os.access(IN_MEMORY, os.W_OK) else IN_MEMORY
    with tempfile.TemporaryDirectory(prefix="silta-pg-", dir=memory, ignore_cleanup_errors=True) as folder:
        cluster = Cluster(Path(folder), durable=durable)
        try:
            yield cluster
        finally:
            cluster.end()
