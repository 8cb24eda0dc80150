"""End to end: messages accepted and delivered per second, against what is to be had without the rest.

The adapter and the receiver are processes of their own; the client is this one. Ours: a v2 message posted to
`/ingest`, mapped, validated, decided, committed, delivered to the receiver as a FHIR message and settled. One
peer only maps and validates the same bytes, in one process and without a wire: the ratio says what the relay
and HTTP leave of it. The other is the same client posting the same bytes straight to the same receiver. As in
a feed, the messages are about many people: what is about one goes out in order.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx

from adapter.cli import site
from adapter.config.validator import door_validator
from adapter.fhir.hetu import check_character
from adapter.mapping.mapset import MapSet
from adapter.relay.artefact import MESSAGE_PROFILE, Artefact
from adapter.relay.transport import HttpTransport, Outbound
from adapter.server.listen import bind
from adapter.shipped import folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MESSAGES = int(os.environ.get("SILTA_BENCH_MESSAGES", "150"))
AT_ONCE = 8
MEDIA_TYPE = "x-application/hl7-v2+er7"
ROUNDS = 3
EVERY_SECONDS = 0.05
"""How often the receiver is asked how much has come."""
PERSON = "120574-902Y"
"""Identity code of the message that all others are made from, with her birth date and record number."""
BIRTH_DATE, RECORD = "19740512", "70411"
PEOPLE = [
    f"{day:02}0574-{individual}{check_character(f'{day:02}0574{individual}')}"
    for day in range(1, 29)
    for individual in range(900, 1000, 2)
][:200]
"""Invented: individual numbers 900-999 belong to nobody."""


def run() -> list[dict[str, Any]]:
    """Measure in interleaved turns and return the rows."""
    with tempfile.TemporaryDirectory(prefix="silta-bench-") as place, served(Path(place)) as (_, wire):
        ours, alone, bare = asyncio.run(_measure(wire))
    name = "v2 message accepted, mapped, validated, delivered and settled"
    return [
        _row(name, ours, alone, "mapping and validation of the same bytes alone, one process", ">= 0.5"),
        _row(name, ours, bare, "bare loop of the same POSTs by the same client", None),
    ]


def _row(
    name: str, ours: list[float], peer: list[float], peer_name: str, target: str | None
) -> dict[str, Any]:
    return {
        "name": name,
        "ours": median(ours),
        "peer": median(peer),
        "peer_name": peer_name,
        "ratio": median(one / other for one, other in zip(ours, peer, strict=True)),
        "target": target,
        "unit": "messages/s",
    }


@dataclass(frozen=True, slots=True)
class Wire:
    """Where adapter and receiver answer, and what a hospital shows the adapter."""

    adapter: str
    receiver: str
    token: str


@contextmanager
def served(place: Path) -> Iterator[tuple[subprocess.Popen[bytes], Wire]]:
    """Run `silta serve` and a receiver while the block runs; gives the adapter's process."""
    port, receiver_port = _free_port(), _free_port()
    receiver = f"http://127.0.0.1:{receiver_port}"
    places = site.Places(listen=f"127.0.0.1:{port}", oh=f"{receiver}/fhir", hospital=f"{receiver}/fhir")
    settings = site.make(place / "site", places)
    _permit(place / "site" / "consents")
    token = (place / "site" / "tokens" / "tuulilahti.token").read_text("utf-8").strip()
    serve = [sys.executable, "-m", "adapter.cli", "serve", "--config", str(settings)]
    receive = [sys.executable, "-m", "tests.benchmarks.receiver", str(receiver_port)]
    with (
        _process(receive, receiver),
        _process(serve, f"http://127.0.0.1:{port}/healthz") as adapter,
    ):
        yield adapter, Wire(f"http://127.0.0.1:{port}", receiver, token)


def _permit(consents: Path) -> None:
    """Let everybody have given the consent that the first one gave."""
    first = next(file for file in consents.iterdir() if PERSON in file.read_text("utf-8"))
    for number, person in enumerate(PEOPLE):
        consent = json.loads(first.read_text("utf-8"))
        consent["id"] = consent["identifier"][0]["value"] = f"bench-{number}"
        consent["patient"]["identifier"]["value"] = person
        (consents / f"bench-{number}.json").write_text(json.dumps(consent), "utf-8")


async def _measure(wire: Wire) -> tuple[list[float], list[float], list[float]]:
    """Messages per second in each round: through everything, only mapped and validated, only posted."""
    alone = _alone()
    await through(wire, "warm", 20)
    whole, judged, bare = [], [], []
    for turn in range(ROUNDS):
        whole.append(await through(wire, f"run{turn}", MESSAGES))
        judged.append(alone(bodies(f"alone{turn}", MESSAGES)))
        bare.append(await _bare(wire, f"bare{turn}", MESSAGES))
    return whole, judged, bare


def _alone() -> Callable[[list[bytes]], float]:
    """Return what maps and validates as the doors do, one after the other, and tells messages per second."""
    one = MapSet.load(folder("mappings"))["notification-from-v2"]
    validator = door_validator()

    def judged(messages: list[bytes]) -> float:
        began = time.perf_counter()
        for body in messages:
            outcome = one.run(body, media_type=MEDIA_TYPE, charset="latin-1")
            validator.validate(outcome.resources[0], MESSAGE_PROFILE[Artefact.NOTIFICATION])
        return len(messages) / (time.perf_counter() - began)

    judged(bodies("warm", 5))
    return judged


async def through(wire: Wire, name: str, number: int) -> float:
    """Return messages per second from the first POST to the last arrival at the receiver."""
    async with aclosing(HttpTransport()) as client:
        before = await _arrived(client, wire)
        messages = bodies(name, number)
        began = time.perf_counter()
        await _post(client, f"{wire.adapter}/ingest/ehr1", wire, messages)
        while await _arrived(client, wire) < before + number:
            if time.perf_counter() - began > 120:
                raise TimeoutError("not everything arrived")
            await asyncio.sleep(EVERY_SECONDS)
        return number / (time.perf_counter() - began)


async def _bare(wire: Wire, name: str, number: int) -> float:
    """Return messages per second of the POSTs alone."""
    async with aclosing(HttpTransport()) as client:
        await _arrived(client, wire)
        messages = bodies(name, number)
        began = time.perf_counter()
        await _post(client, f"{wire.receiver}/fhir", wire, messages)
        return number / (time.perf_counter() - began)


async def _arrived(client: HttpTransport, wire: Wire) -> int:
    asked = Outbound(url=wire.receiver, method="GET", headers={}, body=b"", deadline_seconds=60)
    return int((await client.send(asked)).body)


async def _post(client: HttpTransport, url: str, wire: Wire, messages: list[bytes]) -> None:
    waiting = iter(messages)
    headers = {"Content-Type": MEDIA_TYPE, "Authorization": f"Bearer {wire.token}"}

    async def worker() -> None:
        for body in waiting:
            answer = await client.send(Outbound(url=url, headers=headers, body=body, deadline_seconds=60))
            if answer.status != 200:
                raise ValueError(answer.status)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


def bodies(name: str, number: int) -> list[bytes]:
    """Return as many messages as asked for, each an episode of its own, of one person after the other."""
    body = (folder("fixtures") / "notification" / "back-surgery.hl7").read_text("latin-1")
    return [
        _about(body, PEOPLE[count % len(PEOPLE)])
        .replace("OB260302-0001", f"{name}-{count}")
        .replace("V2603-118", f"V-{name}-{count}")
        .encode("latin-1")
        for count in range(number)
    ]


def _about(body: str, person: str) -> str:
    """Tell the message of somebody else."""
    birth_date = f"19{person[4:6]}{person[2:4]}{person[:2]}"
    return body.replace(PERSON, person).replace(BIRTH_DATE, birth_date).replace(RECORD, person[:10])


def _free_port() -> int:
    with bind("127.0.0.1", 0) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def _process(command: list[str], address: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process while the block runs, from when it answers at `address`."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _until(lambda: _answers(address), 30)
            yield process
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
