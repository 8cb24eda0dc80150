"""The adapter running: doors open, deliveries on their way, and an orderly end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from adapter import __version__
from adapter.config.build import Deployment, build, reloader_of
from adapter.errors import AdapterError
from adapter.server import log

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator

    from adapter.config.build import Content
    from adapter.config.settings import Settings
    from adapter.mapping.reload import Reload
    from adapter.relay.clock import Clock, Ids
    from adapter.relay.transport import Transport
    from adapter.server.readers import Readers


FORGET_EVERY = 3600.0
"""Seconds between two looks at what may be forgotten."""
POLL_EVERY = 5.0
"""Seconds between two looks at whether another server's directory is to be asked."""
FOLLOW_UP_EVERY = 20.0
"""Seconds between two looks at cases that nobody has answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One adapter at work."""

    deployment: Deployment
    address: str
    """`http://host:port` it listens on."""
    delivery: asyncio.Task[None]
    """The delivery loop; it ends before the stop only if something is badly wrong."""
    reload: Callable[[str], Awaitable[Reload]]
    """Take over new versions of maps if they pass their tests; the text says who or what asked."""
    mllp: tuple[tuple[str, int], ...] = ()
    """Host and port of each MLLP listener."""


@asynccontextmanager
async def running(
    settings: Settings,
    listener: socket.socket,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    transport: Transport | None = None,
    address: str | None = None,
    watch: bool = False,
    hold: bool = False,
    shadow: bool = False,
    content: Content | None = None,
    readers: Readers | None = None,
) -> AsyncIterator[Running]:
    """Run the doors and the delivery while the block runs; with `watch` also look for new versions of maps.

    `hold`: nothing leaves until an operator lifts it. `shadow`: nothing leaves at all. `content`, `readers`:
    as for `build`; the readers are let go with the rest.

    On leaving: no new connection, running requests end, the delivery loop finishes what it has begun, the
    store closes. Nothing accepted is lost by the stop; what was being sent is sent again after the lease.
    """
    from adapter.relay import delivery
    from adapter.relay.ways import Ways
    from adapter.server import inbox, maps, mllp
    from adapter.server.app import app
    from adapter.server.doors import Doors
    from adapter.server.listen import listening

    wire = Ways() if transport is None else None
    deployment = await asyncio.to_thread(
        build,
        settings,
        clock=clock,
        ids=ids,
        transport=transport or wire,
        address=address,
        shadow=shadow,
        content=content,
        readers=readers,
    )
    if hold:
        begin = deployment.store.begin_hold
        await asyncio.to_thread(begin, actor="silta", reason="silta serve --hold")
    standing = await asyncio.to_thread(deployment.store.hold)
    if standing is not None:
        log.say("held", level=logging.WARNING)
    stop = asyncio.Event()
    reloader = reloader_of(deployment, readers)
    delivering = asyncio.create_task(delivery.run(deployment.relay, stop))
    besides = [asyncio.create_task(each) for each in _besides(deployment, stop)]
    if watch:
        besides.append(asyncio.create_task(maps.watch(reloader, deployment.relay, stop)))
    doors = Doors(
        relay=deployment.relay,
        access=deployment.access,
        budget=settings.budget,
        proxies=settings.proxies,
        clients=deployment.clients,
        users=deployment.users,
        reloader=reloader,
        backups=settings.backups,
        is_delivering=lambda: not delivering.done(),
    )

    async def reload(reason: str) -> Reload:
        return await asyncio.to_thread(
            maps.reload_maps, reloader, deployment.relay, actor="silta", reason=reason
        )

    try:
        async with (
            listening(app(doors), listener) as base,
            mllp.listening(doors, settings.mllp) as calls,
            inbox.watching(doors, settings.inboxes),
        ):
            log.say(
                "serving in shadow" if shadow else "serving",
                address=base,
                mode=settings.mode.value,
                version=__version__,
            )
            yield Running(
                deployment=deployment, address=base, delivery=delivering, mllp=tuple(calls), reload=reload
            )
    finally:
        stop.set()
        try:
            for each in (*besides, delivering):
                await each
        finally:
            if wire is not None:
                await wire.aclose()
            await asyncio.to_thread(deployment.store.close)
            if readers is not None:
                await asyncio.to_thread(readers.close)
            log.say("stopped")


def _besides(deployment: Deployment, stop: asyncio.Event) -> Iterator[Coroutine[None, None, None]]:
    """Yield what runs beside doors and delivery until the stop."""
    from adapter.server import alarm, reply_notice

    relay, settings = deployment.relay, deployment.settings
    yield _forget(deployment, stop)
    yield _follow_up(deployment, stop)
    yield _poll(deployment, stop)
    yield alarm.Watch(relay, settings.alarm, alarm.bells(settings.alarm, relay.transport)).run(stop)
    yield reply_notice.Usher(relay, settings.notices).run(stop)


async def _forget(deployment: Deployment, stop: asyncio.Event) -> None:
    """Let content go whose time has come, at the start and every hour; a failure is tried again then."""
    relay, kept = deployment.relay, deployment.settings.retention
    if relay.is_shadow:  # nobody waits for it
        kept = replace(kept, delivered=kept.not_applicable, parked=kept.not_applicable)
    while not stop.is_set():
        try:
            await asyncio.to_thread(relay.store.forget, relay.clock.now(), kept)
        except AdapterError as error:
            log.say("retention-failed", code=error.code)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), FORGET_EVERY)


async def _poll(deployment: Deployment, stop: asyncio.Event) -> None:
    """Ask another server for its directory, if one is named; what is wrong with it becomes an alarm."""
    from adapter.relay import directory_feed

    feed, relay = deployment.settings.directory_feed, deployment.relay
    while feed is not None and not stop.is_set():
        try:
            await directory_feed.look(feed, relay)
        except AdapterError as error:
            log.say("directory-failed", code=error.code)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), POLL_EVERY)


async def _follow_up(deployment: Deployment, stop: asyncio.Event) -> None:
    """Tell the hospital of cases that nobody has answered in time; a failure is tried again later."""
    from adapter.relay import overdue

    relay = deployment.relay
    while not stop.is_set():
        try:
            await asyncio.to_thread(overdue.look, relay, relay.clock.now())
        except AdapterError as error:
            log.say("follow-up-failed", code=error.code)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), FOLLOW_UP_EVERY)
