"""Two adapters on one PostgreSQL: what one took in the other delivers when the first is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import httpx

from adapter.cli import site
from adapter.server.listen import bind
from adapter.shipped import folder
from tests.patience import PATIENCE
from tests.relay.cluster import running_cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECONDS = 90


def free_port() -> int:
    """A port nobody listens on now."""
    with bind("127.0.0.1", 0) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process while the block runs."""
    with subprocess.Popen(
        [sys.executable, "-m", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        try:
            yield running
        finally:
            running.terminate()


def until(asked: Callable[[], bool]) -> None:
    """Wait until it is so, and not for ever."""
    deadline = time.monotonic() + SECONDS
    while not asked():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.1)


def answers(address: str, status: int = 200) -> bool:
    """Say whether something answers there."""
    try:
        return httpx.get(address, trust_env=False, timeout=PATIENCE).status_code == status
    except httpx.TransportError:
        return False


def test_two_adapters_share_one_store_and_one_may_be_killed(tmp_path: Path) -> None:
    """The same message at both gets the same answer; what a killed one had taken arrives all the same."""
    receiver = free_port()
    places = site.Places(
        first="1s",
        longest="2s",
        oh=f"http://127.0.0.1:{receiver}/fhir",
        hospital=f"http://127.0.0.1:{receiver}/fhir",
    )
    with running_cluster() as cluster, ExitStack() as stack:
        settings = site.make(tmp_path / "site", places)
        written = settings.read_text("utf-8").replace("sqlite:///silta.db", cluster.database(migrated=False))
        token = (tmp_path / "site" / "tokens" / "tuulilahti.token").read_text("utf-8").strip()
        nodes = []
        for name in ("one", "two"):
            port = free_port()
            own = settings.with_name(f"{name}.toml")
            own.write_text(written.replace("127.0.0.1:8080", f"127.0.0.1:{port}"), "utf-8")
            running = stack.enter_context(process("adapter.cli", "serve", "--config", str(own)))
            nodes.append((f"http://127.0.0.1:{port}", running))
        for address, _ in nodes:
            until(lambda where=address: answers(f"{where}/readyz"))  # type: ignore[misc]
        body = (folder("fixtures") / "notification" / "back-surgery.hl7").read_bytes()
        headers = {"Content-Type": "x-application/hl7-v2+er7", "Authorization": f"Bearer {token}"}

        told = [
            httpx.post(
                f"{address}/ingest/ehr1", content=body, headers=headers, trust_env=False, timeout=PATIENCE
            )
            for address, _ in nodes
        ]
        nodes[0][1].send_signal(signal.SIGKILL)
        with process("tests.benchmarks.receiver", str(receiver)):
            arrived = f"http://127.0.0.1:{receiver}"
            until(
                lambda: answers(arrived) and httpx.get(arrived, trust_env=False, timeout=PATIENCE).text != "0"
            )

        assert [answer.status_code for answer in told] == [200, 200]
        assert told[0].content == told[1].content
        assert answers(f"{nodes[1][0]}/readyz")
