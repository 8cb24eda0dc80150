"""The stage of the demo and the journeys: two stub patient systems and an adapter between them, running."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from adapter.relay.message import LIVE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime
    from pathlib import Path

    from adapter.cli.story import Step
    from adapter.config import Deployment
    from adapter.conformance.actors.app import Stub
    from adapter.conformance.actors.script import Script
    from adapter.conformance.actors.send import Answered
    from adapter.relay.clock import Clock
    from adapter.validation import Validator

LONGEST_WAIT = 30.0
"""Seconds until the demo gives up waiting for what should have arrived."""


@dataclass(frozen=True, slots=True)
class RunningClock:
    """A clock that starts at a given time and runs as fast as the real one."""

    begins: datetime
    started: float

    def now(self) -> datetime:
        """Return the time in the story, UTC."""
        return self.begins + timedelta(seconds=time.monotonic() - self.started)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One step of the story as it went."""

    step: Step
    size: int
    answered: Answered
    message: str | None
    """Id of the message it became, or was known as; None if nothing was stored."""
    is_repeat: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The three systems of the demo, running."""

    folder: Path
    adapter: str
    hospital: str
    oh: str
    deployment: Deployment
    hospital_stub: Stub
    oh_stub: Stub

    def token(self, caller: str) -> str:
        """Return the token that a caller shows."""
        return (self.folder / "site" / "tokens" / f"{caller}.token").read_text("utf-8").strip()


@asynccontextmanager
async def world(
    folder: Path,
    clock: Clock,
    script: Script,
    *,
    give_up: str = "5d",
    acknowledgement: str = "reply",
    change: Callable[[Path], None] = lambda _file: None,
) -> AsyncIterator[World]:
    """Run two stubs and an adapter between them while the block runs.

    `script`: how occupational health answers. The deployment is what `silta init` makes, with a shorter wait
    before the second attempt. `change`: is given its settings file before it is read.
    """
    from adapter import config
    from adapter.cli import site
    from adapter.config.run import running
    from adapter.conformance.actors.app import Later
    from adapter.conformance.actors.script import Script as Plain
    from adapter.server.listen import address_of, bind, listening

    listeners = [bind("127.0.0.1", 0) for _ in range(3)]
    base, hospital_base, oh_base = map(address_of, listeners)
    places = site.Places(
        listen=base.removeprefix("http://"),
        oh=f"{oh_base}/fhir",
        hospital=f"{hospital_base}/fhir",
        first="300ms",
        longest=give_up,
        give_up=give_up,
        acknowledgement=acknowledgement,
    )
    file = site.make(folder / "site", places)
    change(file)
    settings = config.load(file)
    hospital = _stub("Stub hospital", hospital_base, Plain(), clock)
    oh = _stub("Stub occupational health", oh_base, script, clock)
    if acknowledgement != "reply":
        token = (folder / "site" / "tokens" / "kaskela.token").read_text("utf-8").strip()
        oh.inbox.replies = False
        oh.later = Later(address=f"{base}/fhir/$process-message", token=token, after=0.1)
    async with (
        listening(hospital.app(), listeners[1]),
        listening(oh.app(), listeners[2]),
        running(settings, listeners[0], clock=clock) as adapter,
    ):
        yield World(
            folder=folder,
            adapter=base,
            hospital=hospital_base,
            oh=oh_base,
            deployment=adapter.deployment,
            hospital_stub=hospital,
            oh_stub=oh,
        )


@cache
def _checker() -> Validator:
    """Return the validator of both stubs: what it has compiled once serves every world of the process."""
    from adapter.config.validator import door_validator

    return door_validator()


def _stub(name: str, address: str, script: Script, clock: Clock) -> Stub:
    from adapter.conformance.actors.app import Stub
    from adapter.conformance.actors.inbox import Inbox
    from adapter.conformance.actors.reply import Party

    inbox = Inbox(
        party=Party(name=name, address=address),
        script=script,
        checker=_checker(),
        now=clock.now,
        new_id=lambda: str(uuid.uuid4()),
    )
    return Stub(inbox=inbox, show=lambda _text: None)


async def send(world: World, step: Step) -> Sent:
    """Send one step of the story, as the stub hospital does."""
    from adapter.conformance.actors.send import Door, media_type_of
    from adapter.conformance.actors.send import send as post

    if step.waits:
        await arrived(world.deployment)
    store = world.deployment.store
    before = {row.id for row in await asyncio.to_thread(store.messages, limit=500)}
    body = step.path.read_bytes()
    door = Door(address=world.adapter, source=step.source, token=world.token(step.caller))
    media_type = media_type_of(step.path, step.source)
    answered = await asyncio.to_thread(post, body, media_type, door, request_id=str(uuid.uuid4()))
    new = [row.id for row in await asyncio.to_thread(store.messages, limit=500) if row.id not in before]
    return Sent(
        step=step,
        size=len(body),
        answered=answered,
        message=new[0] if new else None,
        is_repeat=not new and answered.is_success,
    )


async def arrived(deployment: Deployment) -> bool:
    """Wait until nothing is on its way any more, the reports to the senders included.

    Returns False if that takes longer than LONGEST_WAIT.
    """
    deadline = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < deadline:
        if not await asyncio.to_thread(_is_anything_live, deployment):
            return True
        await asyncio.sleep(0.05)
    return False


def _is_anything_live(deployment: Deployment) -> bool:
    rows = deployment.store.messages(limit=500)
    return any(one.state in LIVE for row in rows for one in deployment.store.deliveries(row.id))
