"""Our own definitions, found by the names of their files, so that only those asked for are read.

A definition of ours stands in a file named as its id, which is also the end of its canonical; a test holds
that true of every shipped file.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from pathlib import Path


class Ours:
    """The definitions of a folder, at any depth."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, dict[str, Any]] = {}

    @cached_property
    def _paths(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in sorted(self._folder.rglob("*.json")):
            found.setdefault(path.stem, []).append(path)
        return found

    def resource(self, canonical: str) -> dict[str, Any] | None:
        """Return the definition at `url` or `url|version`, or None. Callers share it: do not change it."""
        url, _, version = canonical.partition("|")
        for path in self._paths.get(url.rpartition("/")[2], ()):
            found = self._definition(path)
            if found.get("url") == url and version in ("", found.get("version")):
                return found
        return None

    def _definition(self, path: Path) -> dict[str, Any]:
        if path not in self._read:
            self._read[path] = orjson.loads(path.read_bytes())
        return self._read[path]
