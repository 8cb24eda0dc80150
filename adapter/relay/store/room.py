"""Room on the disk: when to warn, when to take nothing more in, and a reserve for what was taken in already.

SQLite cannot even delete on a full disk, so forgetting rescues nobody. Hence intake stops before the disk is
full, while sending goes on; and a file of ballast stands beside the store, given up when the disk is full
all the same, so that what is under way can still be written down.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BALLAST = 64_000_000
"""Bytes."""


class Room(StrEnum):
    """What the disk has left."""

    AMPLE = "ample"
    LOW = "low"
    """Somebody should make room."""
    NONE = "none"
    """Nothing more is taken in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A disk is beyond the mark if this share of it is used, and less than so many bytes are free."""

    share: float
    free: int


MARKS = {
    Room.NONE: Mark(share=0.90, free=2_000_000_000),
    Room.LOW: Mark(share=0.80, free=5_000_000_000),
}
"""A share alone would stop a store on a large disk that has room for years."""


def room_of(total: int, free: int) -> Room:
    """Say what a disk of `total` bytes with `free` bytes has left."""
    used = 1 - free / total
    beyond = (room for room, mark in MARKS.items() if used >= mark.share and free < mark.free)
    return next(beyond, Room.AMPLE)


def room_at(place: Path) -> Room:
    """Look at the disk that holds a file."""
    usage = shutil.disk_usage(place)
    return room_of(usage.total, usage.free)


def keep_ballast(place: Path, size: int) -> None:
    """Reserve `size` bytes beside the store; nothing where that is impossible."""
    file = os.open(_ballast_of(place), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(file, 0, size)
    except OSError:
        _ballast_of(place).unlink()
    finally:
        os.close(file)


def drop_ballast(place: Path) -> bool:
    """Give the reserve up; False if there is none."""
    try:
        _ballast_of(place).unlink()
    except OSError:
        return False
    return True


def _ballast_of(place: Path) -> Path:
    return place.with_name(place.name + ".ballast")
