"""`silta demo`: the main job on shipped fixtures, with two stub patient systems and real HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

BEGINS = datetime(2026, 4, 2, 6, 0, tzinfo=UTC)
"""What the demo's clock shows at its start: some days after the last of the fixtures."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "demo",
        help="run the main job on shipped fixtures and show what happens",
        description="Starts two stub patient systems and the adapter on free ports of this machine, relays "
        "the shipped fixtures about invented people, and shows what came in, who got what and why, and who "
        "got nothing and why.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Play the story and tell it; return the exit code."""
    from adapter.server import log

    log.to_stderr(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="silta-demo-") as folder:
        return asyncio.run(_play(Path(folder), as_json=arguments.json, keeps=arguments.keep))


async def _play(folder: Path, *, as_json: bool, keeps: bool) -> int:
    from adapter.cli import INCOMPLETE, INTERNAL, OK, telling
    from adapter.cli.stage import RunningClock, arrived, send, world
    from adapter.cli.story import BUSY_RECEIVER, STEPS
    from adapter.conformance.actors.script import Act, Rule, Script

    stop = asyncio.Event()
    if keeps:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    clock = RunningClock(BEGINS, time.monotonic())
    busy = Rule(receiver=BUSY_RECEIVER, answers=(Act.STATUS_503, Act.OK))
    async with world(folder, clock, Script((busy, Rule(answers=(Act.OK,))))) as running:
        sent = [await send(running, step) for step in STEPS]
        has_arrived = await arrived(running.deployment)
        if as_json:
            json.dump(telling.document(running, sent), sys.stdout, ensure_ascii=False, indent=2)
            print(flush=True)
        else:
            for line in telling.lines(running, sent):
                print(line, flush=True)
        if keeps:
            print(telling.kept(running), file=sys.stderr, flush=True)
            await stop.wait()
    unexpected = [one.step.fixture for one in sent if one.answered.status != one.step.status]
    if unexpected:
        print(f"silta demo: not answered as expected: {', '.join(unexpected)}", file=sys.stderr)
        return INTERNAL
    return OK if has_arrived else INCOMPLETE
