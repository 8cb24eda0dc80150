"""The engine running: woken by work, over a real socket, and stopped without leaving anything behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from adapter.errors import StoreError
from adapter.relay import delivery
from adapter.relay.clock import SystemClock
from adapter.relay.message import DeliveryState
from adapter.relay.transport import HttpTransport, Inbound, Outbound
from tests.patience import PATIENCE
from tests.relay.receiver import Receiver
from tests.relay.world import CLINIC, HOSPITAL, OTHER_CLINIC, World, intake, ok_reply, open_store, partner

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

S = DeliveryState


async def until(asked: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until `asked` is true, and not for ever."""
    async with asyncio.timeout(seconds):
        while not asked():  # noqa: ASYNC110 - the store is asked from outside
            await asyncio.sleep(0.01)


def running(folder: Path, body: Callable[[World, asyncio.Event], Awaitable[None]], **changes: Any) -> None:
    """Run the engine while `body` does something, then stop it and see that it stops."""

    async def both() -> None:
        clock: Any = SystemClock()
        with open_store(folder, clock) as store:
            world = World(store=store, clock=clock, **changes)
            stop = asyncio.Event()
            relay: Any = world
            engine = asyncio.create_task(delivery.run(relay, stop, pace=world.pace, decisions=world.decided))
            try:
                await body(world, stop)
            finally:
                stop.set()
                await asyncio.wait_for(engine, 20)

    asyncio.run(both())


async def accept(world: World, number: int, *recipients: str, **changes: Any) -> Any:
    """Accept as a door does, off the loop."""
    new = intake(number, recipients or (CLINIC,), at=world.clock.now(), **changes)
    await asyncio.to_thread(world.store.commit_intake, new)
    return new


def test_what_is_accepted_goes_out_over_a_real_socket(tmp_path: Path) -> None:
    """Twenty messages to a receiver on loopback; all acknowledged, without waiting for a poll."""

    async def body(world: World, _: asyncio.Event) -> None:
        server = await asyncio.start_server(Receiver(None).serve, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fhir"
        for key in (CLINIC, HOSPITAL):
            world.partners[key] = replace(partner(key), endpoint=address)
        wire = world.transport = HttpTransport()
        for number in range(1, 21):
            await accept(world, number, subject=f"{number % 5:064x}")
        await until(lambda: world.store.counts()["deliveries"] == {"acknowledged": 20})
        await wire.aclose()
        server.close()
        await asyncio.sleep(0.05)

    running(tmp_path, body)


class Slow:
    """A wire on which everything takes its time; one recipient never answers."""

    def __init__(self, seconds: float, dead: str | None = None) -> None:
        self.seconds = seconds
        self.dead = dead
        self.on_the_wire = 0

    async def send(self, request: Outbound) -> Inbound:
        self.on_the_wire += 1
        await asyncio.sleep(3_600 if self.dead is not None and self.dead in request.url else self.seconds)
        self.on_the_wire -= 1
        return ok_reply(request)


def test_a_stop_lets_what_is_on_the_wire_finish(tmp_path: Path) -> None:
    """Stopped in the middle of a send: its answer is still written down, and nothing new is claimed."""
    wire = Slow(0.4)
    made: list[Any] = []

    async def body(world: World, stop: asyncio.Event) -> None:
        made.append(await accept(world, 1))
        await until(lambda: wire.on_the_wire == 1)
        stop.set()
        made.append(await accept(world, 2))

    running(tmp_path, body, transport=wire)

    with open_store(tmp_path) as store:
        states = [store.delivery(each.deliveries[0].id).state for each in made]
    assert states == [S.ACKNOWLEDGED, S.QUEUED]


def test_a_recipient_that_hangs_leaves_the_others_their_share(tmp_path: Path) -> None:
    """Fifty messages to one that never answers do not stop fifty to another."""
    wire = Slow(0.001, dead="//2.example")

    async def body(world: World, stop: asyncio.Event) -> None:
        for number in range(1, 51):
            await accept(world, number, CLINIC, OTHER_CLINIC, subject=f"{number:064x}")
        await until(lambda: world.store.counts()["deliveries"].get("acknowledged", 0) == 50)
        stop.set()
        for task in asyncio.all_tasks():  # a second signal: what hangs is cut off
            if task.get_coro().__qualname__.endswith("_kept"):  # type: ignore[union-attr]
                task.cancel()

    running(tmp_path, body, transport=wire)


def test_a_fault_in_one_delivery_does_not_end_the_engine(tmp_path: Path) -> None:
    """The store fails once in the middle of a delivery: its lease ends, and it is delivered after all."""
    failures = iter([StoreError("ST111")])

    def fail_once() -> None:
        for failure in failures:
            raise failure

    second = timedelta(seconds=1)
    pace = delivery.Pace(lease=second, deadline=second / 4, margin=second / 4, poll=second / 10)

    async def body(world: World, _: asyncio.Event) -> None:
        world.decided.when_asked = fail_once
        new = await accept(world, 1)
        await until(lambda: world.state(new) is S.ACKNOWLEDGED)

    running(tmp_path, body, pace=pace)
