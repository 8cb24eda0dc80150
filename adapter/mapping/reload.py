"""New versions of maps and code tables taken over while the adapter runs, if they pass their tests.

The folders are read and checked as at the start; what has not changed is not worked out again. Then the
cases beside the deployment's maps are run. Only when nothing is wrong the new set is swapped in, at once: a
run that has begun ends with the map it began with. Otherwise the old set stays, and every fault is told.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from adapter.errors import AdapterError
from adapter.mapping.cases import cases, judge
from adapter.mapping.version import version_of
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from adapter.mapping.mapset import MapSet


WATCHED = frozenset({".map", ".fml", ".csv", ".json", ".toml", ".hl7", ".xml"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """What came of looking for new versions."""

    outcome: Literal["swapped", "unchanged", "refused"]
    changed: tuple[str, ...] = ()
    """Names of maps that are new, gone, or have another version."""
    cases: int = 0
    """How many cases held."""
    issues: tuple[Issue, ...] = ()
    """Why it was refused: every fault of maps and tables, and every case that does not hold."""


@dataclass(slots=True, kw_only=True)
class Reloader:
    """Keeps a map set as its folders have it."""

    maps: MapSet
    folders: Sequence[Path]
    """The shipped one first."""
    needed: Sequence[str] = ()
    """Names and urls of maps that sources are mapped with, so that none of them may go."""
    swapped: Callable[[], None] = lambda: None
    """Called after a new set is in use: for those who hold one of their own."""
    counts: dict[str, int] = field(default_factory=lambda: {"swapped": 0, "unchanged": 0, "refused": 0})
    """How often each outcome came, since the start."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reload(self) -> Reload:
        """Take over what the folders hold now, or say why not. One at a time; blocks while cases run."""
        with self._lock:
            found = self._reload()
            self.counts[found.outcome] += 1
            return found

    def _reload(self) -> Reload:
        try:
            fresh = self.maps.again(self.folders)
            if {id(one) for one in fresh} == {id(one) for one in self.maps}:
                return Reload(outcome="unchanged")
            changed = tuple(sorted(_changed(self.maps, fresh)))
            issues = [*self._missing(fresh)]
            held, failures = self._judged(fresh)
        except AdapterError as error:
            return Reload(outcome="refused", issues=tuple(error.issues))
        issues += failures
        if issues:
            return Reload(outcome="refused", changed=changed, cases=held, issues=tuple(issues))
        self.maps.become(fresh)
        self.swapped()
        return Reload(outcome="swapped", changed=changed, cases=held)

    def _missing(self, fresh: MapSet) -> Iterator[Issue]:
        for name in self.needed:
            try:
                fresh[name]
            except AdapterError as error:
                yield error.issue

    def _judged(self, fresh: MapSet) -> tuple[int, list[Issue]]:
        """Run the cases beside the deployment's own maps."""
        held, failures = 0, []
        for folder in self.folders[1:]:
            for case in cases(folder):
                failed = judge(case, fresh).failures
                held += not failed
                at = case.source.relative_to(folder).as_posix()
                failures += [Issue("MP410", at, {"case": case.name, "failure": one}) for one in failed]
        return held, failures

    def stamp(self) -> frozenset[tuple[str, int, int]]:
        """Return path, time and size of every file of the deployment's own, to see later what has changed."""
        return frozenset(_stamps(self.folders[1:]))


def _changed(old: MapSet, fresh: MapSet) -> Iterable[str]:
    before = {one.name: one for one in old}
    after = {one.name: one for one in fresh}
    for name in before.keys() | after.keys():
        there, now = before.get(name), after.get(name)
        if there is None or now is None or (there is not now and version_of(there) != version_of(now)):
            yield name


def _stamps(folders: Iterable[Path]) -> Iterator[tuple[str, int, int]]:
    for folder in folders:
        for path in folder.rglob("*"):
            if path.suffix in WATCHED and path.is_file():
                said = path.stat()
                yield str(path), said.st_mtime_ns, said.st_size
