"""End to end: messages accepted and delivered per second, against a bare loop of the same POSTs.

The adapter and the receiver are processes of their own; the client is this one. Ours: a v2 message posted to
`/ingest`, mapped, validated, decided, committed, delivered to the receiver as a FHIR message and settled. The
peer: the same client posts the same bytes straight to the same receiver. The ratio says what all of that
costs on top of the bare wire.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from adapter.cli import site
from adapter.server.listen import bind
from adapter.shipped import folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MESSAGES = int(os.environ.get("SILTA_BENCH_MESSAGES", "150"))
AT_ONCE = 8
MEDIA_TYPE = "x-application/hl7-v2+er7"
TARGET = None
"""No peer does the same work; the ratio is watched, not gated."""


def run() -> list[dict[str, Any]]:
    """Measure once and return the row."""
    with tempfile.TemporaryDirectory(prefix="silta-bench-") as place:
        port, receiver_port = _free_port(), _free_port()
        receiver = f"http://127.0.0.1:{receiver_port}"
        places = site.Places(listen=f"127.0.0.1:{port}", oh=f"{receiver}/fhir", hospital=f"{receiver}/fhir")
        settings = site.make(Path(place) / "site", places)
        token = (Path(place) / "site" / "tokens" / "tuulilahti.token").read_text("utf-8").strip()
        serve = [sys.executable, "-m", "adapter.cli", "serve", "--config", str(settings)]
        receive = [sys.executable, "-m", "tests.benchmarks.receiver", str(receiver_port)]
        with _process(receive, receiver), _process(serve, f"http://127.0.0.1:{port}/healthz"):
            return [asyncio.run(_measure(f"http://127.0.0.1:{port}", receiver, token))]


async def _measure(adapter: str, receiver: str, token: str) -> dict[str, Any]:
    headers = {"Content-Type": MEDIA_TYPE, "Authorization": f"Bearer {token}"}
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(trust_env=False, timeout=60, headers=headers, limits=limits) as client:
        await _through(client, adapter, receiver, "warm", 20)
        ours = await _through(client, adapter, receiver, "run", MESSAGES)
        began = time.perf_counter()
        await _post(client, f"{receiver}/fhir", bodies("bare", MESSAGES))
        peer = MESSAGES / (time.perf_counter() - began)
    return {
        "name": "v2 message accepted, mapped, validated, delivered and settled",
        "ours": ours,
        "peer": peer,
        "peer_name": "bare loop of the same POSTs by the same client",
        "ratio": ours / peer,
        "target": TARGET,
        "unit": "messages/s",
    }


async def _through(client: httpx.AsyncClient, adapter: str, receiver: str, name: str, number: int) -> float:
    """Return messages per second from the first POST to the last arrival at the receiver."""
    before = int((await client.get(receiver)).text)
    began = time.perf_counter()
    await _post(client, f"{adapter}/ingest/ehr1", bodies(name, number))
    while int((await client.get(receiver)).text) < before + number:
        if time.perf_counter() - began > 120:
            raise TimeoutError("not everything arrived")
        await asyncio.sleep(0.01)
    return number / (time.perf_counter() - began)


async def _post(client: httpx.AsyncClient, url: str, messages: list[bytes]) -> None:
    waiting = iter(messages)

    async def worker() -> None:
        for body in waiting:
            answer = await client.post(url, content=body)
            answer.raise_for_status()

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


def bodies(name: str, number: int) -> list[bytes]:
    """Return as many messages as asked for, each about an episode of its own."""
    body = (folder("fixtures") / "notification" / "back-surgery.hl7").read_bytes()
    return [
        body.replace(b"OB260302-0001", f"{name}-{count}".encode()).replace(
            b"V2603-118", f"V-{name}-{count}".encode()
        )
        for count in range(number)
    ]


def _free_port() -> int:
    with bind("127.0.0.1", 0) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def _process(command: list[str], address: str) -> Iterator[None]:
    """Run a process while the block runs, from when it answers at `address`."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _until(lambda: _answers(address), 30)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _until(is_so: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for _ in itertools.count():
        if is_so():
            return
        if time.monotonic() > deadline:
            raise TimeoutError("a process did not start")
        time.sleep(0.1)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, trust_env=False, timeout=1).status_code == 200
    except httpx.TransportError:
        return False
