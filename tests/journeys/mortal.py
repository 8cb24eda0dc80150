"""An adapter that can be told to die between a commit and its answer.

    python -m tests.journeys.mortal SETTINGS DATABASE

For each line `sqlite armed`, `postgresql sound` and so on: fork a child that runs the adapter of SETTINGS on
its file or on DATABASE, and prints its process and its port; `ended` once it is dead. An armed one is killed
by SIGKILL in the writer's thread, right after the first commit that makes something due and before anybody is
told of it. Forking saves the seconds of reading maps and profiles, and of compiling them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from adapter import config
from adapter.cli.demo import BEGINS
from adapter.cli.stage import RunningClock
from adapter.config.build import build
from adapter.config.run import running
from adapter.relay import intake
from adapter.server.listen import bind
from adapter.shipped import folder
from tests.relay.site import submission_of


async def serve(settings: config.Settings, *, armed: bool) -> None:
    """Run until killed."""
    listener = bind("127.0.0.1", 0)
    clock = RunningClock(BEGINS, time.monotonic())
    async with running(settings, listener, clock=clock) as adapter:
        if armed:
            adapter.deployment.store.on_work(lambda: os.kill(os.getpid(), signal.SIGKILL))
        print(os.getpid(), listener.getsockname()[1], flush=True)  # noqa: T201 - this is how it speaks
        await asyncio.Event().wait()


def _warm(settings: config.Settings) -> None:
    clock = RunningClock(BEGINS, time.monotonic())
    deployment = build(settings, clock=clock)
    with deployment.store:
        body = (folder("fixtures") / "notification" / "back-surgery.hl7").read_bytes()
        submission = submission_of(body, "application/hl7-v2")
        intake.accept(replace(submission, source="ehr1", received_at=clock.now()), deployment.relay)


def main(file: Path, database: str) -> None:
    """Fork a child per command."""
    settings = config.load(file)
    stores = {"sqlite": settings, "postgresql": replace(settings, store_url=database)}
    _warm(replace(settings, store_url=f"sqlite:///{file.with_name('warm.db')}"))
    for line in sys.stdin:
        engine, how = line.split()
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(serve(stores[engine], armed=how == "armed"))
            finally:
                os._exit(1)
        os.waitpid(child, 0)
        print("ended", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
