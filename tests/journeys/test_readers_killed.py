"""An adapter whose reading processes are killed again and again while messages come in."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from adapter.cli import site
from adapter.server.listen import bind
from tests.benchmarks.journey import MEDIA_TYPE, bodies
from tests.journeys.test_nodes import answers, until
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGES = 24
EVERY_SECONDS = 0.3


def children(process: int) -> list[int]:
    """The processes that a process has started."""
    try:
        return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except FileNotFoundError:
        return []


def reading(adapter: int) -> Iterator[int]:
    """The processes that read for an adapter, beside the one that starts them."""
    for starter in children(adapter):
        yield from children(starter)


def test_no_message_is_lost_or_refused_when_what_reads_it_is_killed(tmp_path: Path) -> None:
    """Each is accepted, at the latest when its sender comes again, and no other process has to go."""
    with bind("127.0.0.1", 0) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    places = site.Places(
        listen=address.removeprefix("http://"), oh="http://127.0.0.1:9", hospital="http://127.0.0.1:9"
    )
    settings = site.make(tmp_path / "site", places)
    token = (tmp_path / "site" / "tokens" / "tuulilahti.token").read_text("utf-8").strip()
    headers = {"Content-Type": MEDIA_TYPE, "Authorization": f"Bearer {token}"}
    killed, is_over, chance = [0], threading.Event(), random.Random(7)  # noqa: S311 - not for secrets

    def kill(adapter: int) -> None:
        while not is_over.wait(EVERY_SECONDS):
            if found := [*reading(adapter)]:
                os.kill(chance.choice(found), signal.SIGKILL)
                killed[0] += 1

    def post(body: bytes) -> int:
        """Send it, and again as long as the adapter asks for that."""
        with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
            for _ in range(int(PATIENCE)):
                told = client.post(f"{address}/ingest/ehr1", content=body, headers=headers)
                if told.status_code != 503:
                    break
        return told.status_code

    words = [sys.executable, "-m", "adapter.cli", "serve", "--config", str(settings)]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as adapter, ThreadPoolExecutor(5) as pool:
        try:
            until(lambda: answers(f"{address}/readyz"))
            assassin = pool.submit(kill, adapter.pid)
            told = [*pool.map(post, bodies("killed", MESSAGES))]
            is_over.set()
            assassin.result()
            is_ready = answers(f"{address}/readyz")
        finally:
            is_over.set()
            adapter.terminate()

    assert killed[0] > 0
    assert (told, is_ready, adapter.returncode) == ([200] * MESSAGES, True, 0)
