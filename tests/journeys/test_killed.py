"""SIGKILL between commit and answer: the sender knows nothing, sends again, and gets what was stored."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest

from adapter.cli import site
from adapter.shipped import folder
from tests.journeys.test_nodes import until
from tests.patience import PATIENCE
from tests.relay.cluster import running_cluster
from tests.relay.torture import process

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A receiver, and an adapter that can be started on either engine, armed or sound, and killed."""

    mortal: subprocess.Popen[str]
    log: Path
    token: str

    def _line(self) -> str:
        assert self.mortal.stdout is not None
        return self.mortal.stdout.readline().strip()

    @contextmanager
    def running(self, engine: str, how: str) -> Iterator[str]:
        """One that runs while the block does, and is dead afterwards; its address."""
        assert self.mortal.stdin is not None
        self.mortal.stdin.write(f"{engine} {how}\n")
        self.mortal.stdin.flush()
        child, port = self._line().split()
        yield f"http://127.0.0.1:{port}"
        if how == "sound":
            os.kill(int(child), signal.SIGKILL)
        assert self._line() == "ended"

    def send(self, address: str) -> httpx.Response:
        """Send the notification, always the same."""
        return httpx.post(
            f"{address}/ingest/ehr1",
            content=(folder("fixtures") / "notification" / "back-surgery.hl7").read_bytes(),
            headers={
                "Content-Type": "x-application/hl7-v2+er7",
                "Authorization": f"Bearer {self.token}",
            },
            trust_env=False,
            timeout=PATIENCE,
        )

    def arrived(self) -> list[str]:
        """The ids under which something has arrived, in order."""
        return [line.split()[0] for line in self.log.read_text().splitlines()]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The stage, with a deployment that knows its receiver."""
    place = tmp_path_factory.mktemp("killed")
    port, log = place / "port", place / "log"
    with process("tests.relay.receiver", str(log), str(port)), running_cluster() as cluster:
        until(port.exists)
        receiver = f"http://127.0.0.1:{port.read_text()}/fhir"
        settings = site.make(place / "site", site.Places(oh=receiver, hospital=receiver))
        token = (place / "site" / "tokens" / "tuulilahti.token").read_text("utf-8").strip()
        with process("tests.journeys.mortal", str(settings), cluster.database()) as mortal:
            yield Stage(mortal=mortal, log=log, token=token)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_kill_between_commit_and_answer_is_healed_by_the_senders_retry(stage: Stage, engine: str) -> None:
    """No answer came; the repeat gets the stored one, twice the same bytes, and one copy arrives once."""
    before = len(stage.arrived())
    with stage.running(engine, "armed") as address, pytest.raises(httpx.TransportError):
        stage.send(address)
    assert len(stage.arrived()) == before
    with stage.running(engine, "sound") as address:
        answers = [stage.send(address) for _ in range(2)]
        until(lambda: len(stage.arrived()) > before)
        time.sleep(0.3)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert len(stage.arrived()) == before + 1
