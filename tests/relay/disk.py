"""A disk that loses power, is full or fails when a test says so, under the real SQLite.

SQLite reaches its files through a table of functions (VFS). Here it gets the table it always has, with three
of its functions replaced: what opens a file, and of that file what writes, cuts off and syncs. All else is
SQLite's own. What has been written and not yet synced is known, so the disk after a power cut can be made:
what was synced is on it, of the rest each sector is or is not.

https://www.sqlite.org/vfs.html
"""

from __future__ import annotations

import _sqlite3
import ctypes
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

OK, READ_ONLY, IO_ERROR, FULL = 0, 8, 10, 13
IO_ERROR_OF = {"write": IO_ERROR | 3 << 8, "sync": IO_ERROR | 4 << 8, "truncate": IO_ERROR | 6 << 8}
SECTOR = 512

_WRITE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
_TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64)
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_OPEN = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p
)


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods` of version 3."""

    _fields_: ClassVar = [
        ("version", ctypes.c_int),
        ("close", ctypes.c_void_p),
        ("read", ctypes.c_void_p),
        ("write", ctypes.c_void_p),
        ("truncate", ctypes.c_void_p),
        ("sync", ctypes.c_void_p),
        ("rest", ctypes.c_void_p * 13),
    ]


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs` of version 3."""

    _fields_: ClassVar = [
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("open", ctypes.c_void_p),
        ("rest", ctypes.c_void_p * 15),
    ]


@dataclass
class _File:
    """What is on the disk for sure, and what has been written since."""

    synced: bytearray
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Offset and bytes of a write; offset and None where the file was cut off there."""

    def settle(self) -> None:
        for offset, data in self.pending:
            _apply(self.synced, offset, data)
        self.pending.clear()

    def after_power_cut(self, draw: random.Random) -> bytes:
        """Its bytes if the power went now: of what was not synced each sector may be there or not."""
        found = bytearray(self.synced)
        for offset, data in self.pending:
            if data is None:
                if draw.random() < 0.5:
                    _apply(found, offset, None)
                continue
            for start in range(0, len(data), SECTOR):
                if draw.random() < 0.5:
                    _apply(found, offset + start, data[start : start + SECTOR])
        return bytes(found)


def _apply(to: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del to[offset:]
        return
    if len(to) < offset:
        to.extend(bytes(offset - len(to)))
    to[offset : offset + len(data)] = data


class Disk:
    """What a test tells the disk, and what the disk tells a test."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.files: dict[str, _File] = {}
        self.operations = 0
        """Writes, cuts and syncs so far."""
        self.syncs = 0
        self.fails_from: int | None = None
        """From the operation of this number on it fails, or only at it (`fails_once`)."""
        self.fails_once = False
        self.room: int | None = None
        """Bytes by which files may still grow; None: no end of room."""
        self.is_read_only = False
        self.given_up: dict[Path, int] = {}
        """Files that are not ours to write, by the room that comes free when they are gone."""
        self.when: Callable[[str, str], None] | None = None
        """Called before each operation with its kind and the file's name."""

    def unsynced(self, place: Path) -> bool:
        """Say whether a file holds anything that a power cut could take."""
        found = self.files.get(str(place))
        return found is not None and bool(found.pending)

    def after_power_cut(self, source: Path, target: Path, draw: random.Random) -> None:
        """Put into `target` what would be left of the files of the folder `source`."""
        with self.lock:
            for name, file in self.files.items():
                place = Path(name)
                if place.parent == source and place.exists():
                    (target / place.name).write_bytes(file.after_power_cut(draw))

    def verdict(self, kind: str, name: str, grows_to: int | None) -> int:
        """Count an operation and say how it ends. `grows_to`: the size a write would give the file."""
        with self.lock:
            if self.when is not None:
                self.when(kind, name)
            self.operations += 1
            if self.is_read_only:
                return READ_ONLY
            if self.fails_from is not None and (
                self.operations == self.fails_from if self.fails_once else self.operations >= self.fails_from
            ):
                return IO_ERROR_OF[kind]
            if grows_to is not None and self.room is not None:
                for place in [each for each in self.given_up if not each.exists()]:
                    self.room += self.given_up.pop(place)
                growth = max(grows_to - Path(name).stat().st_size, 0)
                if growth > self.room:
                    return FULL
                self.room -= growth
            return OK


_HELD: list[Any] = []
"""What SQLite keeps pointers to must never go away."""


@contextmanager
def failing_disk() -> Iterator[Disk]:
    """Let every database that is opened in the block stand on this disk; nobody else's does."""
    sqlite = ctypes.CDLL(_sqlite3.__file__)
    sqlite.sqlite3_vfs_find.restype = ctypes.c_void_p
    sqlite.sqlite3_vfs_register.argtypes = [ctypes.c_void_p, ctypes.c_int]
    address = sqlite.sqlite3_vfs_find(None)
    real = _Vfs.from_address(address)
    disk = Disk()
    names: dict[int, str] = {}
    tables: dict[int, _Methods] = {}
    open_really = _OPEN(real.open)

    def opened(vfs: int, name: int | None, file: int, flags: int, out: int) -> int:
        # SQLite keeps the name where it is until the file is closed: the pointer goes on, not a copy.
        path = None if name is None else Path(ctypes.string_at(name).decode())
        if path is not None and str(path) not in disk.files:
            # Read before anybody has it open: to close a file lets go of every lock this process has on it.
            disk.files[str(path)] = _File(bytearray(path.read_bytes() if path.exists() else b""))
        answer: int = open_really(vfs, name, file, flags, out)
        place = ctypes.c_void_p.from_address(file)
        if answer == OK and place.value and path is not None:
            names[file] = str(path)
            if path.stat().st_size == 0:
                disk.files[str(path)] = _File(bytearray())
            if place.value not in tables:
                tables[place.value] = _replaced(place.value, disk, names)
            place.value = ctypes.addressof(tables[place.value])
        return answer

    opener = _OPEN(opened)
    ours = _Vfs.from_buffer_copy(real)
    ours.name, ours.next = b"silta-failing-disk", None
    ours.open = ctypes.cast(opener, ctypes.c_void_p)
    _HELD.extend([opener, ours, tables, open_really])
    sqlite.sqlite3_vfs_register(ctypes.addressof(ours), 1)
    try:
        yield disk
    finally:
        sqlite.sqlite3_vfs_register(address, 1)
        sqlite.sqlite3_vfs_unregister(ctypes.c_void_p(ctypes.addressof(ours)))


def _replaced(address: int, disk: Disk, names: dict[int, str]) -> _Methods:
    """The functions of a file, with writing, cutting off and syncing told to the disk first."""
    real = _Methods.from_address(address)
    write_really, cut_really, sync_really = _WRITE(real.write), _TRUNCATE(real.truncate), _SYNC(real.sync)

    def written(file: int, data: int, size: int, offset: int) -> int:
        answer = disk.verdict("write", names[file], offset + size)
        if answer == OK:
            with disk.lock:
                answer = write_really(file, data, size, offset)
                disk.files[names[file]].pending.append((offset, ctypes.string_at(data, size)))
        return answer

    def cut(file: int, size: int) -> int:
        answer = disk.verdict("truncate", names[file], None)
        if answer == OK:
            with disk.lock:
                answer = cut_really(file, size)
                disk.files[names[file]].pending.append((size, None))
        return answer

    def synced(file: int, flags: int) -> int:
        answer = disk.verdict("sync", names[file], None)
        if answer == OK:
            answer = sync_really(file, flags)
            with disk.lock:
                disk.files[names[file]].settle()
                disk.syncs += 1
        return answer

    callbacks = (_WRITE(written), _TRUNCATE(cut), _SYNC(synced))
    made = _Methods.from_buffer_copy(real)
    made.write, made.truncate, made.sync = (ctypes.cast(each, ctypes.c_void_p) for each in callbacks)
    _HELD.extend([callbacks, made, write_really, cut_really, sync_really])
    return made
