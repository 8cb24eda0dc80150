"""HL7 v2 over MLLP: a message in, committed, and its acknowledgement out on the same connection.

One listener belongs to one source, because MLLP says nothing of who calls: the address the caller comes from,
and its certificate where TLS is asked for, are all there is. A message that came before gets the very
acknowledgement it got then. HL7 Transport Specification: MLLP, Release 1.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from adapter.errors import AdapterError, StoreError
from adapter.outcome import Issue
from adapter.relay import answer, intake
from adapter.relay.message import Submission
from adapter.server import log
from adapter.server.listen import bind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from adapter.server.doors import Doors
    from adapter.server.mllp_listener import Listener

START, END = b"\x0b", b"\x1c\r"
CONNECTIONS = 64
"""Callers of one listener at a time: for one more, the one that has waited longest is closed."""
STOP_SECONDS = 15
"""How long messages in work may go on after the stop."""


@asynccontextmanager
async def listening(doors: Doors, listeners: Iterable[Listener]) -> AsyncIterator[list[tuple[str, int]]]:
    """Take messages while the block runs; yield the address of each listener.

    On leaving no new connection is taken, messages in work are committed and acknowledged, the rest is
    closed. Raises ConfigurationError: CF127 if an address is taken, CF126 for certificates of no use.
    """
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_one(doors, each)) for each in listeners]


@asynccontextmanager
async def _one(doors: Doors, listener: Listener) -> AsyncIterator[tuple[str, int]]:
    calls = _Calls(doors, listener)
    secured = listener.context()
    server = await asyncio.start_server(
        calls.take,
        sock=bind(listener.host, listener.port, at="mllp.listen"),
        ssl=secured,
        limit=doors.budget.bytes + len(END),
    )
    try:
        host, port = server.sockets[0].getsockname()[:2]
        log.say("serving-mllp", address=f"{host}:{port}", source=listener.source)
        yield host, port
    finally:
        server.close()
        await calls.end()
        await server.wait_closed()


class _Calls:
    """The connections of one listener."""

    def __init__(self, doors: Doors, listener: Listener) -> None:
        self._doors = doors
        self._listener = listener
        self._ends = False
        self._running: set[asyncio.Task[None]] = set()
        self._waiting: dict[asyncio.Task[None], None] = {}
        """Those that have no whole message, the longest waiting first: they can be closed without a loss."""

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a connection has a task
        host = writer.get_extra_info("peername")[0]
        if not self._listener.is_allowed(host) or not self._has_room():
            log.say("mllp-refused", source=self._listener.source)
            writer.transport.abort()
            return
        self._running.add(task)
        try:
            await self._serve(task, reader, writer)
        except (ConnectionError, TimeoutError, ssl.SSLError, asyncio.CancelledError):
            log.say("mllp-broken-off", source=self._listener.source)
        finally:
            self._running.discard(task)
            self._waiting.pop(task, None)
            writer.close()

    def _has_room(self) -> bool:
        """Make room for one more caller; False if everybody here has a message in work."""
        if len(self._running) < CONNECTIONS:
            return True
        longest = next(iter(self._waiting), None)
        if longest is None:
            return False
        del self._waiting[longest]
        self._running.discard(longest)
        longest.cancel()
        return True

    async def end(self) -> None:
        """Close what waits, let what is in work come to its acknowledgement."""
        self._ends = True
        for task in self._waiting:
            task.cancel()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()

    async def _serve(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        while not self._ends:
            self._waiting[task] = None
            try:
                if not await _begun(reader):
                    return
                body = await self._block(reader)
            finally:
                self._waiting.pop(task, None)
            began = time.perf_counter()
            said, status = await self._answer(body)
            writer.write(START + said + END)
            await asyncio.wait_for(writer.drain(), self._doors.budget.seconds)
            log.say(
                "mllp",
                source=self._listener.source,
                status=status,
                milliseconds=round((time.perf_counter() - began) * 1000),
            )
            if body is None:
                return

    async def _block(self, reader: asyncio.StreamReader) -> bytes | None:
        """Read a block to its end; None if it is larger than the door takes.

        Raises TimeoutError for too slow a sender, ConnectionError if it breaks off: what has not come whole
        is nobody's message, and its sender, without an acknowledgement, sends it again.
        """
        try:
            async with asyncio.timeout(self._doors.budget.deadline):
                whole = await reader.readuntil(END)
        except asyncio.LimitOverrunError:
            return None
        except asyncio.IncompleteReadError as error:
            raise ConnectionError from error
        return whole.removesuffix(END)

    async def _answer(self, body: bytes | None) -> tuple[bytes, int]:
        """Return the acknowledgement and what its HTTP status would be."""
        if body is None:
            return self._refusal(b"", Issue("IN101", params={"limit": self._doors.budget.bytes}), 413)
        relay, source = self._doors.relay, self._doors.relay.sources[self._listener.source]
        submission = Submission(
            sender=source.organisation,
            source=source.name,
            body=body,
            media_type=answer.HL7_V2,
            charset=None,
            received_at=relay.clock.now(),
        )
        try:
            said = await self._doors.take(
                source.organisation, intake.accept, submission, relay, [answer.HL7_V2]
            )
        except StoreError as error:
            return self._refusal(body, error.issue, 503)
        except AdapterError as error:
            return self._refusal(body, error.issue, 500)
        except Exception as error:
            log.say_error("unforeseen", error, source=source.name)
            return self._refusal(body, Issue("IN109", params={"id": relay.ids.new()}), 500)
        return said.body, said.status

    def _refusal(self, body: bytes, issue: Issue, status: int) -> tuple[bytes, int]:
        """Say AR: nothing was kept, and its sender sends it again."""
        relay = self._doors.relay
        reply = answer.Reply(
            status=status,
            issues=(issue,),
            fates=(),
            message=None,
            header_id=None,
            answer_id=relay.ids.new(),
            at=relay.clock.now(),
            address=relay.address,
            name=relay.name,
            mode=relay.mode,
            original=body,
        )
        said = answer.render(reply, answer.style_for("hl7v2", [answer.HL7_V2], is_message=False))
        return said.body, status


async def _begun(reader: asyncio.StreamReader) -> bool:
    """Wait for the start of a block; False at the end of the connection, or for what is no block.

    Some senders put a line end between two blocks.
    """
    while (byte := await reader.read(1)) in (b"\r", b"\n"):
        continue
    return byte == START
