"""A stage for journeys: stub hospital, adapter and stub occupational health over loopback HTTP."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from adapter.cli.demo import BEGINS
from adapter.cli.stage import RunningClock, arrived, send, world
from adapter.cli.story import Step
from adapter.conformance.actors.script import Act, Rule, Script

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from adapter.cli.stage import Sent, World
    from adapter.relay.store.values import DeliveryRow, MessageRow

SOURCES = {
    ".hl7": ("ehr1", "tuulilahti"),
    ".xml": ("cda1", "havuniemi"),
    ".fhir.json": (None, "tuulilahti"),
    ".json": ("json1", "havuniemi"),
}
"""By the ending of a fixture's name: the source it goes to and whose it is."""


def step(fixture: str) -> Step:
    """Make a step of one fixture."""
    source, caller = next(held for ending, held in SOURCES.items() if fixture.endswith(ending))
    return Step(fixture=fixture, source=source, caller=caller, title=fixture)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A running world, and what has been sent in it."""

    world: World

    async def send(self, fixture: str) -> Sent:
        """Send a fixture and wait until nothing is on its way any more."""
        sent = await send(self.world, step(fixture))
        await self.settled()
        return sent

    async def settled(self) -> None:
        """Wait until nothing is on its way any more."""
        assert await arrived(self.world.deployment), "something is still on its way"

    def message(self, sent: Sent) -> MessageRow:
        assert sent.message is not None, sent.answered.body.decode()
        return self.world.deployment.store.message(sent.message)

    def deliveries(self, sent: Sent) -> list[DeliveryRow]:
        return [one for one in self.everything(sent) if one.kind.value != "delivery-report"]

    def reports(self, sent: Sent) -> list[DeliveryRow]:
        return [one for one in self.everything(sent) if one.kind.value == "delivery-report"]

    def everything(self, sent: Sent) -> list[DeliveryRow]:
        assert sent.message is not None, sent.answered.body.decode()
        return self.world.deployment.store.deliveries(sent.message)

    @property
    def got(self) -> list[dict[str, Any]]:
        """What occupational health took in."""
        items = self.world.oh_stub.inbox.items
        return [one.bundle for one in items if one.bundle is not None and one.status < 400]

    @property
    def reported(self) -> list[dict[str, Any]]:
        """What came back to the hospital by itself."""
        return [one.bundle for one in self.world.hospital_stub.inbox.items if one.bundle is not None]


Journey = "Callable[[Played], Awaitable[None]]"


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., None]:
    """Run a journey in a fresh world; `answers` is how occupational health answers, one after the other."""

    def played(
        journey: Callable[[Played], Awaitable[None]],
        *answers: Act,
        give_up: str = "5d",
        how: str = "reply",
        change: Callable[[Path], None] = lambda _file: None,
    ) -> None:
        async def run() -> None:
            clock = RunningClock(BEGINS, time.monotonic())
            script = Script((Rule(answers=answers or (Act.OK,)),))
            async with world(
                tmp_path, clock, script, give_up=give_up, acknowledgement=how, change=change
            ) as running:
                await journey(Played(world=running))

        asyncio.run(run())

    return played


def types(bundle: dict[str, Any]) -> list[str]:
    """Resource types of a Bundle, in order."""
    return [entry["resource"]["resourceType"] for entry in bundle["entry"]]


def codes(sent: Sent) -> set[str]:
    """Every code that the sender was told."""
    import json

    said = json.loads(sent.answered.body)
    held = (said, *(entry["resource"] for entry in said.get("entry", ())))
    issues = (issue for resource in held for issue in resource.get("issue", ()))
    return {coding["code"] for issue in issues for coding in issue.get("details", {}).get("coding", ())}
