"""A relay that is stopped in the middle of a delivery, as a machine that swaps or a laptop that sleeps is.

    python -m tests.relay.sleeper FOLDER PORT [--in-decision]

Opens the store of FOLDER and delivers to the receiver at PORT. With `--in-decision` it sends itself SIGSTOP
the first time it asks whether a copy may go: claimed, and not yet on the wire.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from adapter.relay import delivery, transport
from adapter.relay.clock import SystemClock
from tests.relay.world import CLINIC, HOSPITAL, World, open_store, partner

LEASE = timedelta(seconds=2)
PACE = delivery.Pace(
    lease=LEASE, deadline=timedelta(seconds=1), margin=timedelta(seconds=0.3), poll=timedelta(seconds=0.2)
)


async def serve(folder: Path, port: int, stop: asyncio.Event, *, in_decision: bool = False) -> None:
    """Deliver until `stop` is set."""
    clock: Any = SystemClock()
    wire = transport.HttpTransport()
    address = f"http://127.0.0.1:{port}/fhir"
    with open_store(folder, clock) as store:
        world: Any = World(store=store, clock=clock, transport=wire)
        world.partners = {key: replace(partner(key), endpoint=address) for key in (CLINIC, HOSPITAL)}

        def sleep_once() -> None:
            world.decided.when_asked = None
            os.kill(os.getpid(), signal.SIGSTOP)

        world.decided.when_asked = sleep_once if in_decision else None
        await delivery.run(world, stop, pace=PACE, decisions=world.decided)
        await wire.aclose()


if __name__ == "__main__":
    asyncio.run(
        serve(Path(sys.argv[1]), int(sys.argv[2]), asyncio.Event(), in_decision="--in-decision" in sys.argv)
    )
