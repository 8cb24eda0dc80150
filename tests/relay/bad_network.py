"""A receiver behind a network that does, by a seed, whatever networks and receivers do to a request.

What the receiver has taken in is known apart from what its caller could learn of it.
"""

from __future__ import annotations

import asyncio
import socket
from collections import defaultdict
from typing import TYPE_CHECKING

from adapter.relay.reliability import PROFILES
from tests.relay.receiver import acknowledgement, answer, read_request

if TYPE_CHECKING:
    import random

SLOW = 0.05
"""Seconds between two bytes of an answer that drips."""
HUGE = 20_000_000
CHUNK = 100_000


class BadNetwork:
    """One port; each request meets another fault of the draw, each `times` times, and then none any more."""

    def __init__(self, draw: random.Random, times: int) -> None:
        self._draw = draw
        self._bag = list(FAULTS) * times
        draw.shuffle(self._bag)
        self.met: defaultdict[str, int] = defaultdict(int)
        """How often each fault was met."""
        self.taken: list[tuple[str, bytes]] = []
        """What arrived whole at the receiver, in order: its id and its bytes."""
        self._unsaid: defaultdict[str, int] = defaultdict(int)
        """How often a message was taken without its acknowledgement; once more parks it."""
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more: who calls is refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = self._bag.pop() if self._bag else "none"
        try:
            if fault == "reset mid-body":
                self.met[fault] += 1
                await reader.read(400)
                _reset(writer)
                return
            request = await read_request(reader)
            if request is None:
                return
            headers, body = request
            identifier = headers["x-request-id"]
            if fault in UNSAID and self._unsaid[identifier] == RESENDS:
                self._bag.insert(0, fault)
                fault = "none"
            self._unsaid[identifier] += fault in UNSAID
            self.met[fault] += 1
            if fault not in NOT_TAKEN:
                self.taken.append((identifier, body))
            await self._answer(writer, fault, identifier)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, fault: str, identifier: str) -> None:
        said = acknowledgement(identifier)
        if fault == "answer lost":
            _reset(writer)
        elif fault == "slow drip":
            for byte in answer(200, said):
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(SLOW)
        elif fault == "200 with garbage":
            writer.write(answer(200, self._draw.randbytes(500)))
        elif fault == "no HTTP":
            writer.write(self._draw.randbytes(200) + b"\r\n\r\n")
        elif fault == "huge answer":
            writer.write(answer(200, b"x" * HUGE)[:-HUGE])
            for _ in range(HUGE // CHUNK):
                writer.write(b"x" * CHUNK)
                await writer.drain()
        elif fault == "redirect":
            writer.write(answer(307, b"", "Location: http://127.0.0.1:1/elsewhere"))
        elif fault == "busy":
            writer.write(answer(503, b"", "Retry-After: 60"))
        elif fault == "cut off":
            writer.write(answer(200, said)[:-20])
        elif fault == "another's answer":
            writer.write(answer(200, acknowledgement("somebody-else")))
        else:
            writer.write(answer(200, said, "Connection: close"))


FAULTS = (
    *("none", "reset mid-body", "answer lost", "slow drip", "200 with garbage", "no HTTP", "huge answer"),
    *("redirect", "busy", "cut off", "another's answer"),
)
NOT_TAKEN = frozenset({"reset mid-body", "redirect", "busy"})
UNSAID = frozenset({"200 with garbage", "huge answer", "cut off", "another's answer"})
"""The status says taken, and nothing acknowledges it."""
RESENDS = PROFILES["r4"].resends


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()
