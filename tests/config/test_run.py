"""The adapter running: what it does by itself, and how it ends."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from adapter import config
from adapter.cli import site
from adapter.cli.demo import BEGINS
from adapter.cli.stage import RunningClock
from adapter.config.run import running
from adapter.errors import ConfigurationError
from adapter.relay import intake
from adapter.relay.message import Submission
from adapter.server.listen import bind
from adapter.shipped import folder
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path


def test_content_goes_when_its_time_has_come(tmp_path: Path) -> None:
    """A message that was not for the relay loses its content after a day; the message itself stays."""
    settings = config.load(site.make(tmp_path / "site"))
    body = (folder("fixtures") / "notification" / "too-old.hl7").read_bytes()

    async def one_day_later() -> tuple[bytes | None, bytes | None]:
        clock = RunningClock(BEGINS, time.monotonic())
        async with running(settings, bind("127.0.0.1", 0), clock=clock) as adapter:
            relay = adapter.deployment.relay
            submission = Submission(
                sender=settings.sources[0].organisation,
                source="ehr1",
                body=body,
                media_type="x-application/hl7-v2+er7",
                charset=None,
                received_at=clock.now(),
            )
            answer = await asyncio.to_thread(intake.accept, submission, relay)
            message = str(answer.message)
            before = relay.store.content(message, "original")
        later = RunningClock(BEGINS + timedelta(hours=25), time.monotonic())
        async with running(settings, bind("127.0.0.1", 0), clock=later) as adapter:
            store = adapter.deployment.store
            for _ in range(int(PATIENCE / 0.05)):
                if store.message(message).forgotten_at is not None:
                    break
                await asyncio.sleep(0.05)
            return before, store.content(message, "original")

    assert asyncio.run(one_day_later()) == (body, None)


def test_started_with_hold_it_sends_nothing(tmp_path: Path) -> None:
    """`silta serve --hold` begins a hold that outlives it; a start without it does not lift it."""
    settings = config.load(site.make(tmp_path / "site"))

    async def started(*, hold: bool) -> str | None:
        async with running(settings, bind("127.0.0.1", 0), hold=hold) as adapter:
            standing = adapter.deployment.store.hold()
            return standing.reason if standing is not None else None

    said = [asyncio.run(started(hold=hold)) for hold in (True, False)]

    assert said == ["silta serve --hold", "silta serve --hold"]


def test_a_shadow_stays_one(tmp_path: Path) -> None:
    """A store that was filled with --shadow is not opened without: ST126."""
    settings = config.load(site.make(tmp_path / "site"))

    async def started(*, shadow: bool) -> bool:
        with bind("127.0.0.1", 0) as listener:
            async with running(settings, listener, shadow=shadow) as adapter:
                return adapter.deployment.relay.is_shadow

    is_shadow = asyncio.run(started(shadow=True))

    with pytest.raises(ConfigurationError, match="ST126"):
        asyncio.run(started(shadow=False))
    assert is_shadow
