"""The files inside a FHIR package, read without ever unpacking to disk or following a link, and written.

An archive is walked once: names, kinds and sizes are checked before anything is read, and the JSON files are
kept deflated, so that a package costs some megabytes and a file a millisecond when it is asked for.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol

from adapter.errors import Malformed, TooCostly

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MOST_FILES = 50_000
LARGEST_FILE = 64_000_000
LARGEST_PACKAGE = 1_000_000_000
"""Bytes unpacked. The core of R4 is 42 MB, the largest terminology packages some 200 MB."""


class Files(Protocol):
    """What a package is read from."""

    def names(self) -> Iterator[str]:
        """Yield the names of all JSON files, with `/` between folders."""

    def read(self, name: str) -> bytes:
        """Return the content of one file. Raises KeyError if there is none of that name."""


@dataclass(frozen=True, slots=True)
class Archive:
    """The JSON files of a .tgz."""

    deflated: dict[str, bytes]

    def names(self) -> Iterator[str]:
        """Yield the names of all JSON files."""
        return iter(self.deflated)

    def read(self, name: str) -> bytes:
        """Return the content of one file."""
        return zlib.decompress(self.deflated[name])


@dataclass(frozen=True, slots=True)
class Folder:
    """The JSON files of a folder. Hidden files and folders are no part of it."""

    paths: dict[str, Path]

    def names(self) -> Iterator[str]:
        """Yield the names of all JSON files."""
        return iter(self.paths)

    def read(self, name: str) -> bytes:
        """Return the content of one file."""
        path = self.paths[name]
        if path.stat().st_size > LARGEST_FILE:
            raise TooCostly("FH302", at=name, params={"limit": LARGEST_FILE, "unit": "B"})
        return path.read_bytes()


def open_archive(path: Path) -> Archive:
    """Read a .tgz.

    Raises Malformed if it is no archive, or holds a link, a device or a name that leads outside; TooCostly if
    it unpacks to too much.
    """
    deflated: dict[str, bytes] = {}
    try:
        with gzip.open(path) as packed, tarfile.open(fileobj=_Bounded(packed), mode="r:") as archive:
            for count, member in enumerate(archive):
                if count >= MOST_FILES:
                    raise TooCostly("FH302", params={"limit": MOST_FILES, "unit": "files"})
                _refuse_unsafe(member)
                if member.isfile() and _is_json(member.name):
                    content = archive.extractfile(member)
                    deflated[_plain(member.name)] = zlib.compress(content.read() if content else b"", 1)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, OSError) as problem:
        raise Malformed("FH300", at=path.name) from problem
    return Archive(deflated)


def write_archive(files: Mapping[str, bytes]) -> bytes:
    """Return the .tgz of the files, in their order: the same files give the same bytes at any time."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), compresslevel=9, mtime=0)


def open_folder(path: Path) -> Folder:
    """List a folder. Raises Malformed if a link in it leads outside."""
    root = path.resolve()
    found: dict[str, Path] = {}
    for file in sorted(path.rglob("*.json")):
        relative = file.relative_to(path)
        is_hidden = any(part.startswith(".") for part in relative.parts[:-1])
        if is_hidden or not file.is_file():
            continue
        if not file.resolve().is_relative_to(root):
            raise Malformed("FH301", at=relative.as_posix())
        if len(found) >= MOST_FILES:
            raise TooCostly("FH302", params={"limit": MOST_FILES, "unit": "files"})
        found[relative.as_posix()] = file
    return Folder(found)


def _is_json(name: str) -> bool:
    return name.endswith(".json")


def _plain(name: str) -> str:
    return PurePosixPath(name).as_posix()


def _refuse_unsafe(member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    leads_out = path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name
    if leads_out or not (member.isfile() or member.isdir()):
        raise Malformed("FH301")
    if member.size > LARGEST_FILE:
        raise TooCostly("FH302", params={"limit": LARGEST_FILE, "unit": "B"})


class _Bounded(io.RawIOBase):
    """A stream that gives no more than a package may unpack to, in no larger pieces than a file may be."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        self._allow(size if size >= 0 else LARGEST_PACKAGE, self._stream.tell() + max(size, 0))
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._allow(0, offset)
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def _allow(self, size: int, end: int) -> None:
        if size > LARGEST_FILE + tarfile.RECORDSIZE or end > LARGEST_PACKAGE:
            raise TooCostly("FH302", params={"limit": LARGEST_PACKAGE, "unit": "B"})
