"""Line and column of what a FHIRPath names.

Made only when a finding is shown, so nothing on the reading path has to remember positions.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, TypeAlias

from adapter.errors import ContentError
from adapter.fhir import json_tokens, xml_tags
from adapter.fhir.media_type import format_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Step: TypeAlias = tuple[str, int | None]
"""The name of an element, and its index where the path gives one."""

_Steps: TypeAlias = tuple[Step, ...]
"""The way to a place."""

_STEP = re.compile(r"(?P<name>[A-Za-z]\w*)(?P<call>\([^()]*\))?(?:\[(?P<index>[0-9]{1,9})\])?")


def locate(body: bytes, media_type: str, path: str) -> tuple[int, int]:
    """Return line and column, counted from 1, of what `path` names, or of the nearest element around it.

    In JSON the place is the key, or the item of an array; in XML the start tag. Raises Unsupported for a
    media type that is not FHIR's; nothing for a body that cannot be read, which gets the place of its fault.
    """
    text = body.decode("utf-8-sig", "replace")
    steps = steps_of(path)
    places = _in_xml(text) if format_of(media_type) == "xml" else _in_json(text)
    best, found = (-1, False), 0
    try:
        for offset, place in places:
            score = _agreement(steps, place)
            if score > best:
                best, found = score, offset
            if best == (_units(steps), True):
                break
    except ContentError as fault:
        if best[0] <= 0:
            return fault.issue.line or 1, fault.issue.column or 1
    return json_tokens.place_of(text, found)


def locate_all(body: bytes, media_type: str, paths: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return what `locate` says of each path, reading the body once. Raises as `locate`."""
    text = body.decode("utf-8-sig", "replace")
    walk = _in_xml(text) if format_of(media_type) == "xml" else _in_json(text)
    known = _Places()
    fault: ContentError | None = None
    try:
        for offset, place in walk:
            known.add(offset, tuple(place))
    except ContentError as broken:
        fault = broken
    lines = _Lines(text)
    found = {}
    for path in paths:
        offset = known.nearest(steps_of(path))
        if fault is not None and not offset:
            found[path] = (fault.issue.line or 1, fault.issue.column or 1)
        else:
            found[path] = lines.place_of(offset)
    return found


class _Places:
    """Every place of a document by the steps to it, so that a path is followed and not looked for."""

    def __init__(self) -> None:
        self._offsets: dict[_Steps, int] = {}
        self._below: dict[_Steps, list[Step]] = {}

    def add(self, offset: int, place: _Steps) -> None:
        """Take in the next place of the document; the first of the same steps counts."""
        if place not in self._offsets:
            self._offsets[place] = offset
            if place:
                self._below.setdefault(place[:-1], []).append(place[-1])

    def nearest(self, steps: list[Step]) -> int:
        """Return the offset of what the steps lead to, or of the nearest element around it."""
        whole = tuple(steps)
        known = len(whole)
        while known and whole[:known] not in self._offsets:
            known -= 1
        here = whole[:known]
        for wanted in whole[known:]:
            best = max(self._below.get(here, ()), key=lambda step: _likeness(wanted, step), default=None)
            if best is None or _likeness(wanted, best) == (-1, False):
                break
            here = (*here, best)
        return self._offsets.get(here, 0)


def _likeness(wanted: Step, step: Step) -> tuple[int, bool]:
    return _agreement([wanted], [step])


class _Lines:
    """Line and column of any offset, each found by halving."""

    def __init__(self, text: str) -> None:
        self._ends = [match.start() for match in re.finditer("\n", text)]

    def place_of(self, offset: int) -> tuple[int, int]:
        """Return line and column, counted from 1."""
        line = bisect_left(self._ends, offset)
        return line + 1, offset - (self._ends[line - 1] if line else -1)


def steps_of(path: str) -> list[Step]:
    """Return the elements a path goes through; the resource type it begins with, and functions, add none.

    `extension('url')` counts as `extension`, because a position cannot depend on a value.
    """
    steps: list[Step] = []
    for match in _STEP.finditer(path):
        index = int(match["index"]) if match["index"] else None
        if match["call"] and match["name"] != "extension":
            if index is not None and steps:
                steps[-1] = (steps[-1][0], index)
        elif match["name"][0].islower():
            steps.append((match["name"], index))
    return steps


def _units(steps: list[Step]) -> int:
    return sum(1 if index is None else 2 for _, index in steps)


def _agreement(steps: list[Step], place: list[Step]) -> tuple[int, bool]:
    """Return how much of a path a place makes true, and whether by the very names; -1 if it strays."""
    units, exact = 0, True
    if len(place) > len(steps):
        return -1, False
    for (wanted, index), (name, found) in zip(steps, place, strict=False):
        if name != wanted:
            plain = name.removeprefix("_")
            exact = False
            is_choice = plain.startswith(wanted) and plain[len(wanted) : len(wanted) + 1].isupper()
            if plain != wanted and not is_choice:
                return -1, False
        units += 1
        if found is None:
            continue
        if found != (index or 0):
            return -1, False
        units += index is not None
    return units, exact


def _in_json(text: str) -> Iterator[tuple[int, list[Step]]]:
    walk = json_tokens.Walk(text)
    for key, _ in walk.values():
        place: list[Step] = []
        for step in walk.path:
            if isinstance(step, str):
                place.append((step, None))
            elif place:
                place[-1] = (place[-1][0], step)
        yield key, place


def _in_xml(text: str) -> Iterator[tuple[int, list[Step]]]:
    place: list[Step] = []
    counts: list[dict[str, int]] = [{}]
    levels: list[bool] = []
    for offset, name, opens, closes in xml_tags.tags(text):
        if opens:
            is_step = name[:1].islower()
            if is_step:
                index = counts[-1].get(name, 0)
                counts[-1][name] = index + 1
                place.append((name, index))
            levels.append(is_step)
            counts.append({})
            yield offset, place
        if closes and levels:
            counts.pop()
            if levels.pop():
                place.pop()
