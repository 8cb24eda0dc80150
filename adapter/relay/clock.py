"""Time and fresh ids, handed in from outside so that a simulation can be repeated."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """Return the time now, in UTC."""
        ...


class Ids(Protocol):
    """Where new ids come from."""

    def new(self) -> str:
        """Return a UUID nobody has had before, in its text form."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the time now, in UTC."""
        return datetime.now(UTC)


class RandomIds:
    """UUIDs of version 4."""

    def new(self) -> str:
        """Return a random UUID."""
        return str(uuid.uuid4())


@dataclass(slots=True)
class SetClock:
    """A clock that stands until it is moved: for simulations and tests."""

    at: datetime

    def now(self) -> datetime:
        """Return the time it was set to."""
        return self.at

    def move(self, by: timedelta) -> None:
        """Let `by` pass."""
        self.at += by


@dataclass(slots=True)
class CountedIds:
    """The same row of UUIDs at every run: for simulations and tests."""

    prefix: int = 0
    """Tells rows apart; below 2**48, the bits that version and variant leave in front."""
    _given: int = field(default=0, init=False)

    def new(self) -> str:
        """Return the next UUID of the row."""
        self._given += 1
        return str(uuid.UUID(int=(self.prefix << 80) + self._given, version=4))
