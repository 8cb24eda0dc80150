"""Delivery on PostgreSQL against queues of the field, one dead recipient of five, and memory.

SILTA_PEERS names a folder with the virtual environment `queues/` (pgqueuer 1.6.0, procrastinate 3.10.0):
without it those two rows are left out. All three deliver the same bodies from one durable server to the same
receiver with the same client, which is ours, 16 at once; what is measured is the time from the start of the
work to the last arrival. The receiver counts, so nobody is believed.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.relay import delivery
from adapter.relay.clock import CountedIds, SystemClock
from adapter.relay.transport import HttpTransport
from tests.benchmarks import journey
from tests.benchmarks.delivery import AT_ONCE, _Copies, _fill, _messages, _row, _until, of_rounds
from tests.relay.cluster import running_cluster
from tests.relay.world import World, new_delivery, open_store, partner, settle_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapter.relay.store import Store
    from tests.relay.cluster import Cluster

ROUNDS = 3
MESSAGES = int(os.environ.get("SILTA_BENCH_MESSAGES", "500"))
BACKLOG = int(os.environ.get("SILTA_BENCH_BACKLOG", "100000"))
SOME = 50
WHILE = 5.0
"""Seconds."""
PATIENCE = 300
"""Seconds in which a peer has to be ready with all of it."""
FIVE = tuple(f"urn:oid:1.2.246.10.{number}" for number in range(2, 7))

_WORKERS = {
    "pgqueuer": r"""
import asyncpg
from pgqueuer import AsyncpgDriver, PgQueuer
async def main():
    connection = await asyncpg.connect(address)
    queue = PgQueuer(AsyncpgDriver(connection))
    await queue.connection.execute("SELECT 1")
    from pgqueuer.queries import Queries
    queries = Queries(queue.connection)
    await queries.install()
    await queries.enqueue(["post"] * count, [body] * count, [0] * count)
    async with wire() as session:
        @queue.entrypoint("post", concurrency_limit=16)
        async def post(job):
            await send(session, job.payload)
        ready()
        await queue.run(batch_size=16)
""",
    "procrastinate": r"""
import procrastinate
async def main():
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=address))
    held = {}
    @app.task(name="post")
    async def post(text):
        await send(held["session"], text.encode())
    async with app.open_async(), wire() as session:
        held["session"] = session
        await app.schema_manager.apply_schema_async()
        await post.batch_defer_async(*({"text": body.decode()} for _ in range(count)))
        ready()
        await app.run_worker_async(concurrency=16, install_signal_handlers=False)
""",
}
"""What each library does, as its own documentation shows it, after all jobs were put in."""
_FRAME = r"""
import asyncio, sys
from contextlib import aclosing
address, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.path += sys.argv[4:]
from adapter.relay.transport import HttpTransport, Outbound
body = b'{"entry":[{"resource":{"id":"x"}}],"filler":"' + b"x" * 4000 + b'"}'
def wire():
    return aclosing(HttpTransport())
async def send(session, payload):
    headers = {"Content-Type": "application/fhir+json"}
    answer = await session.send(Outbound(url=url, headers=headers, body=payload, deadline_seconds=30))
    if answer.status != 200:
        raise ValueError(answer.status)
def ready():
    print("ready", flush=True)
    sys.stdin.readline()
"""


def run() -> list[dict[str, Any]]:
    """Measure everything; one row per figure."""
    with tempfile.TemporaryDirectory(prefix="silta-bench-") as folder:
        place = Path(folder)
        return [*_queues(place), _dead(place), *_memory(place)]


# -- against queues of the field -----------------------------------------------------------------------


def _queues(place: Path) -> Iterator[dict[str, Any]]:
    python = Path(os.environ.get("SILTA_PEERS", "/nowhere")) / "queues" / "bin" / "python"
    if not python.exists():
        return
    targets = {"pgqueuer": ">= 1.5", "procrastinate": ">= 5"}
    ours: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in _WORKERS}
    with running_cluster(durable=True) as cluster, _receiver(place / "queues") as receiver:
        for turn in range(ROUNDS):
            ours.append(_ours(cluster, place / f"pg{turn}", receiver))
            for name, rates in theirs.items():
                rates.append(_peer(python, name, cluster, receiver))
    for name, rates in theirs.items():
        yield of_rounds("delivery on PostgreSQL, 16 at once", ours, rates, name, targets[name], "messages/s")


def _ours(cluster: Cluster, folder: Path, receiver: _Receiver) -> float:
    folder.mkdir()
    settle_on(folder, cluster.database())
    with open_store(folder, SystemClock()) as store:  # type: ignore[arg-type]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(store.commit_intake, _messages(1, MESSAGES)))
        wanted = receiver.count() + MESSAGES
        world = _world(store, dict.fromkeys(FIVE, receiver.address))
        return asyncio.run(_delivered(world, lambda: receiver.count() >= wanted, MESSAGES))


def _peer(python: Path, name: str, cluster: Cluster, receiver: _Receiver) -> float:
    address = cluster.database(migrated=False)
    script = f"{_FRAME}{_WORKERS[name]}\nasyncio.run(main())\n"
    ours = [str(Path(__file__).parents[2]), sysconfig.get_path("purelib")]
    command = [str(python), "-c", script, address, receiver.address, str(MESSAGES), *ours]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise ChildProcessError(name)
        wanted = receiver.count() + MESSAGES
        process.stdin.write("go\n")
        process.stdin.flush()
        started = time.perf_counter()
        while receiver.count() < wanted:
            if time.perf_counter() - started > PATIENCE:
                process.kill()
                raise TimeoutError(name)
            time.sleep(0.02)
        took = time.perf_counter() - started
        process.kill()
    return MESSAGES / took


@dataclass(frozen=True, slots=True)
class _Receiver:
    """Where to post to, and how much has come."""

    address: str
    log: Path

    def count(self) -> int:
        """One line for each request."""
        return self.log.read_bytes().count(b"\n")


@contextmanager
def _receiver(place: Path) -> Iterator[_Receiver]:
    """A receiver in a process of its own."""
    place.mkdir(exist_ok=True)
    port, log = place / "port", place / "log"
    port.unlink(missing_ok=True)
    log.touch()
    command = [sys.executable, "-m", "tests.relay.receiver", str(log), str(port)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
        try:
            while not port.exists():
                time.sleep(0.01)
            yield _Receiver(f"http://127.0.0.1:{port.read_text()}/fhir", log)
        finally:
            process.terminate()


def _world(store: Store, addresses: dict[str, str]) -> World:
    return World(
        store=store,
        clock=SystemClock(),  # type: ignore[arg-type]
        transport=HttpTransport(),
        decided=_Copies(),
        partners={key: replace(partner(key), endpoint=at) for key, at in addresses.items()},
    )


async def _delivered(world: World, is_done: Callable[[], bool], count: int) -> float:
    """Return deliveries per second from the start of the engine until `is_done`."""
    stop = asyncio.Event()
    started = time.perf_counter()
    running = asyncio.create_task(delivery.run(world, stop, decisions=world.decided))  # type: ignore[arg-type]
    await _until(is_done, 0.02)
    took = time.perf_counter() - started
    stop.set()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await world.transport.aclose()  # type: ignore[union-attr]
    return count / took


# -- one dead recipient of five ------------------------------------------------------------------------


def _dead(place: Path) -> dict[str, Any]:
    """Four living recipients, with and without work for a fifth that takes connections and never answers."""
    alone, beside = [], []
    with (
        _receiver(place / "living") as receiver,
        socket.create_server(("127.0.0.1", 0), backlog=512) as mute,
    ):
        silent = f"http://127.0.0.1:{mute.getsockname()[1]}/fhir"
        addresses = {**dict.fromkeys(FIVE[:4], receiver.address), FIVE[4]: silent}
        for turn in range(ROUNDS):
            sides = ((alone, FIVE[:4]), (beside, FIVE))
            for rates, whom in sides if turn % 2 else reversed(sides):
                folder = place / f"dead{turn}-{len(whom)}"
                folder.mkdir()
                rates.append(_rate_of_the_living(folder, whom, addresses))
    return of_rounds(
        "the other four, one recipient of five taking connections and never answering",
        beside,
        alone,
        "the four alone",
        ">= 0.9",
        "messages/s",
    )


def _rate_of_the_living(folder: Path, whom: tuple[str, ...], addresses: dict[str, str]) -> float:
    with open_store(folder, SystemClock()) as store:  # type: ignore[arg-type]
        each = MESSAGES // 4
        for number in range(1, each + 1):
            new = _messages(number, 1)[0]
            ids = CountedIds(number)
            to = tuple(new_delivery(ids, one, SystemClock().now(), subject=new.subject) for one in whom)
            store.commit_intake(replace(new, deliveries=to))
        living = each * 4
        world = _world(store, addresses)
        return asyncio.run(
            _delivered(world, lambda: store.counts()["deliveries"].get("acknowledged", 0) >= living, living)
        )


# -- memory --------------------------------------------------------------------------------------------

_IMPORTS = """
import sys
import adapter.cli.serve, adapter.config.run, adapter.mapping.mapset, adapter.validation.validator
import adapter.relay.delivery, adapter.relay.ways, adapter.server.app, adapter.server.inbox
import adapter.server.mllp, adapter.relay.overdue
print("ready", flush=True)
sys.stdin.read()
"""


def _memory(place: Path) -> Iterator[dict[str, Any]]:
    """Resident memory: of `silta serve` above its bare imports, and of the engine at a backlog above none."""
    bare, served = _bare_memory(), _served_memory(place / "served")
    yield _row("memory of a working adapter above its imports", served - bare, 80, "80 MB", "<= 1", "MB")
    empty, full = (_engine_memory(place / f"memory{backlog}", backlog) for backlog in (0, BACKLOG))
    yield _row(f"memory more at a backlog of {BACKLOG}", full - empty, 16, "16 MB", "<= 1", "MB")


def _bare_memory() -> float:
    command = [sys.executable, "-c", _IMPORTS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = megabytes(process.pid)
        process.kill()
    return found


def _served_memory(place: Path) -> float:
    """After some messages went through: mapped, validated, delivered."""
    with journey.served(place) as (process, wire):
        asyncio.run(journey.through(wire, "memory", SOME))
        return megabytes(process.pid)


def _engine_memory(folder: Path, backlog: int) -> float:
    """Of an engine that has worked for a while on a backlog of which nothing leaves."""
    folder.mkdir()
    if backlog:
        with open_store(folder, SystemClock()) as store:  # type: ignore[arg-type]
            _fill(store, backlog)
    command = [sys.executable, "-m", "tests.benchmarks.queues", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = float(process.stdout.readline())
        process.kill()
    return found


def megabytes(process: int) -> float:
    """Return the resident memory of a process."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


async def _work(store: Store, silent: str) -> None:
    world = _world(store, dict.fromkeys(FIVE, silent))
    with suppress(TimeoutError):
        async with asyncio.timeout(WHILE):
            await delivery.run(world, asyncio.Event(), decisions=world.decided)  # type: ignore[arg-type]


def main() -> None:
    """Work on the store of a folder for a while, with recipients that never answer, and tell the memory."""
    mute = socket.create_server(("127.0.0.1", 0), backlog=512)
    with open_store(Path(sys.argv[1]), SystemClock()) as store:  # type: ignore[arg-type]
        asyncio.run(_work(store, f"http://127.0.0.1:{mute.getsockname()[1]}/fhir"))
        print(megabytes(os.getpid()), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
