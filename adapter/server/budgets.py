"""How much one caller may ask of a door: bytes and time, counted while the body comes in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from adapter.errors import Malformed, StoreError, TooCostly, Unsupported

if TYPE_CHECKING:
    from starlette.requests import Request

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorBudget:
    """The limits of a door."""

    bytes: int = 10 * MEGABYTE
    """Largest body."""
    seconds: float = 30.0
    """For a body of any size."""
    seconds_per_megabyte: float = 1.0
    """More, for each megabyte the door takes."""

    @property
    def deadline(self) -> float:
        """Seconds in which the whole body has to arrive."""
        return self.seconds + self.seconds_per_megabyte * self.bytes / MEGABYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingBudget:
    """What reading one original may take."""

    seconds: float = 2.0
    """Processor time."""
    first: float = 3.0
    """How many times that for the first of each source in a process, and for `$validate`: parts of maps and
    profiles are compiled when first met."""
    megabytes: int = 512
    """Address space, beside what maps and profiles have."""


class Load:
    """How many bytes of bodies this process holds for all callers, from their arrival to their answer."""

    def __init__(self, most: int = 256 * MEGABYTE) -> None:
        self._most = most
        self.held = 0

    def take(self, request: Request, size: int) -> None:
        """Hold so many more bytes for a request.

        Raises StoreError (IN112) if that is too much: refused while it arrives, before memory grows.
        """
        if self.held + size > self._most:
            raise StoreError("IN112")
        self.held += size
        request.state.held = getattr(request.state, "held", 0) + size

    def give_back(self, request: Request) -> None:
        """Hold nothing for the request any more."""
        self.held -= getattr(request.state, "held", 0)
        request.state.held = 0


async def read_body(request: Request, budget: DoorBudget, load: Load | None = None) -> bytes:
    """Read the body; stop as soon as it is beyond the budget, or all together beyond the load.

    Raises StoreError (IN112) if too much is held already; TooCostly (IN101) for too many bytes, announced or
    sent, and (IN110) for too slow a sender; Unsupported (IN102) for a Content-Encoding; Malformed (IN108) for
    an empty body.
    """
    encodings = {said.strip().lower() for said in request.headers.getlist("content-encoding")}
    if not encodings <= {"", "identity"}:
        raise Unsupported("IN102")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > budget.bytes:
        raise TooCostly("IN101", params={"limit": budget.bytes})
    try:
        async with asyncio.timeout(budget.deadline):
            body = await _counted(request, budget, load)
    except (TimeoutError, ClientDisconnect) as error:  # who has gone hears nothing of it; the log does
        raise TooCostly("IN110", params={"seconds": int(budget.deadline)}) from error
    if not body:
        raise Malformed("IN108")
    return body


async def _counted(request: Request, budget: DoorBudget, load: Load | None) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > budget.bytes:
            raise TooCostly("IN101", params={"limit": budget.bytes})
        if load is not None:
            load.take(request, len(piece))
        pieces.append(piece)
    return b"".join(pieces)
