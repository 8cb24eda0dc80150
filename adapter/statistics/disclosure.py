"""Which counts of a table stay hidden, so that none of them can be told from what is published.

A table is a network: each count is the flow of an edge, and at every node what flows in flows out (the
counts of a region add up to its number of people, those of a category to the total of all regions). A count
from 1 to below the smallest allowed is hidden. Since the others could give it away, more are hidden, until
every hidden count may lie anywhere in a range at least that wide. The range is exact: how much a count could
be raised or lowered, all else that is published staying as it is, is a greatest flow through the hidden
counts alone.

Whoever reads the table knows that no count is negative, and is not told which hidden counts are small ones. A
hidden count may be none at all.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator, Sequence

SMALLEST = 5
"""The smallest count that is published, but for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """One number of a table, as the flow from one node to another."""

    name: Hashable
    tail: Hashable
    head: Hashable
    value: int
    is_public: bool = False
    """True if it is published whatever it is, such as the number of people of a region."""
    is_secret: bool = False
    """True if it is never published: it needs no protection and gives some to the others."""


def hidden(
    counts: Sequence[Count], smallest: int = SMALLEST, also: Collection[Hashable] = ()
) -> frozenset[Hashable]:
    """Return the names of the counts that are not to be published.

    `smallest`: the smallest count above none that may be shown, and the least width of the range in which a
    hidden one may lie. `also`: counts that are hidden whatever they are. Where all that could be hidden is,
    the range is as wide as it can be.
    """
    network = _Network(counts)
    small = {one.name for one in counts if not one.is_public and 0 < one.value < smallest}
    concealed = small | set(also) | {one.name for one in counts if one.is_secret}
    while (more := _exposed(network, concealed, smallest)) is not None:
        concealed |= more
    return frozenset(concealed - {one.name for one in counts if one.is_secret})


def bounds(
    counts: Sequence[Count], concealed: Collection[Hashable], name: Hashable
) -> tuple[int, int | None]:
    """Return the least and the greatest value a count may have, given all that is not concealed.

    None for the greatest if nothing limits it.
    """
    return _Network(counts).bounds(set(concealed), name)


def _exposed(network: _Network, concealed: set[Hashable], smallest: int) -> set[Hashable] | None:
    """Return what else to conceal so that the first count with too narrow a range gets a wider one."""
    for one in network.counts:
        if one.name in concealed and not one.is_secret:
            least, most = network.bounds(concealed, one.name)
            if most is not None and most - least < smallest:
                more = network.cheapest(concealed, one)
                if more:
                    return more
    return None


class _Network:
    """The counts as edges, with what could flow over each of them more or less."""

    def __init__(self, counts: Sequence[Count]) -> None:
        self.counts = tuple(counts)
        self._unlimited = sum(one.value for one in counts) + 1

    def bounds(self, concealed: set[Hashable], name: Hashable) -> tuple[int, int | None]:
        one = next(one for one in self.counts if one.name == name)
        room = self._room(concealed, one)
        more = self._flow(dict(room), one.head, one.tail)
        less = self._flow(dict(room), one.tail, one.head)
        most = None if more >= self._unlimited else one.value + more
        return max(0, one.value - less), most

    def cheapest(self, concealed: set[Hashable], one: Count) -> set[Hashable]:
        """Return the counts on the cheapest way around that widens the range of a count; empty if none."""
        ways = []
        for start, goal in ((one.head, one.tail), (one.tail, one.head)):
            room = self._room(concealed, one)
            moved = self._flow(room, start, goal)
            if start == one.tail and moved >= one.value:
                continue  # it may be none already
            way = self._way(room, concealed, one, start, goal)
            if way is not None:
                ways.append(way)
        return min(ways, key=lambda way: way[0])[1] if ways else set()

    def _room(self, concealed: set[Hashable], without: Count) -> dict[tuple[int, bool], int]:
        """Return how much more (True) and less (False) may flow over each concealed edge."""
        room = {}
        for at, one in enumerate(self.counts):
            if one.name in concealed and one is not without:
                room[at, True], room[at, False] = self._unlimited, one.value
        return room

    def _steps(self, at: int, way: bool) -> tuple[Hashable, Hashable]:
        one = self.counts[at]
        return (one.tail, one.head) if way else (one.head, one.tail)

    def _flow(self, room: dict[tuple[int, bool], int], start: Hashable, goal: Hashable) -> int:
        """Return the greatest flow from start to goal, and leave in `room` what is left of it."""
        total = 0
        while total < self._unlimited and (path := self._path(room, start, goal)):
            much = min(room[step] for step in path)
            for at, way in path:
                room[at, way] -= much
                room[at, not way] += much
            total += much
        return total

    def _path(
        self, room: dict[tuple[int, bool], int], start: Hashable, goal: Hashable
    ) -> list[tuple[int, bool]] | None:
        """Return the shortest way with room on every edge."""
        came: dict[Hashable, tuple[int, bool] | None] = {start: None}
        waiting = deque([start])
        while waiting and goal not in came:
            node = waiting.popleft()
            for step, left in room.items():
                here, there = self._steps(*step)
                if here == node and left > 0 and there not in came:
                    came[there] = step
                    waiting.append(there)
        return list(self._back(came, goal)) if goal in came else None

    def _back(
        self, came: dict[Hashable, tuple[int, bool] | None], goal: Hashable
    ) -> Iterator[tuple[int, bool]]:
        node = goal
        while (step := came[node]) is not None:
            yield step
            node = self._steps(*step)[0]

    def _way(
        self,
        room: dict[tuple[int, bool], int],
        concealed: set[Hashable],
        without: Count,
        start: Hashable,
        goal: Hashable,
    ) -> tuple[int, set[Hashable]] | None:
        """Return what a way over edges not concealed yet costs in counts lost, and their names."""
        steps: list[tuple[int, bool, int]] = [(at, way, 0) for (at, way), left in room.items() if left > 0]
        for at, one in enumerate(self.counts):
            if one.name not in concealed and not one.is_public and one is not without:
                steps.append((at, True, one.value + 1))
                if one.value > 0:
                    steps.append((at, False, one.value + 1))
        best: dict[Hashable, int] = {start: 0}
        came: dict[Hashable, tuple[int, bool] | None] = {start: None}
        order = 0
        waiting: list[tuple[int, int, Hashable]] = [(0, order, start)]
        while waiting:
            cost, _, node = heapq.heappop(waiting)
            if cost > best[node]:
                continue
            for at, way, price in steps:
                here, there = self._steps(at, way)
                if here == node and cost + price < best.get(there, cost + price + 1):
                    order += 1
                    best[there], came[there] = cost + price, (at, way)
                    heapq.heappush(waiting, (cost + price, order, there))
        if goal not in came:
            return None
        names = {self.counts[at].name for at, _ in self._back(came, goal)} - concealed
        return (best[goal], names) if names else None
