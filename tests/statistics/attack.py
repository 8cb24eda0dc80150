"""Somebody who wants to know: all that can be concluded from a published table, by linear programming.

Exact: fractions, no floats. Written apart from what decides which counts stay hidden, and by another method.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

HALF = Fraction(1, 2)


@dataclass
class Knowledge:
    """What is known of numbers that are not negative: what sums of them are equal to, or at most."""

    rows: list[tuple[dict[Hashable, Fraction], Fraction, bool]] = field(default_factory=list)
    _start: _Simplex | None = None

    def equals(self, terms: Mapping[Hashable, int | Fraction], value: int | Fraction) -> None:
        self.rows.append(({name: Fraction(by) for name, by in terms.items()}, Fraction(value), True))

    def at_most(self, terms: Mapping[Hashable, int | Fraction], value: int | Fraction) -> None:
        self.rows.append(({name: Fraction(by) for name, by in terms.items()}, Fraction(value), False))

    def percentage(self, part: Hashable, base: Sequence[Hashable], percent: int) -> None:
        """A share of the base, rounded to a whole percentage."""
        for sign, limit in ((1, Fraction(percent) + HALF), (-1, Fraction(percent) - HALF)):
            terms: dict[Hashable, Fraction] = dict.fromkeys(base, -sign * limit / 100)
            terms[part] = terms.get(part, Fraction(0)) + sign
            self.at_most(terms, 0)

    def range_of(self, name: Hashable) -> tuple[Fraction, Fraction | None]:
        """Return the least and the greatest value the number may have; None if nothing limits it."""
        if self._start is None:
            self._start = _start(self.rows)
        least = self._start.greatest({name: Fraction(-1)})
        assert least is not None, "a count that is not negative has a least value"
        return -least, self._start.greatest({name: Fraction(1)})


@dataclass
class _Simplex:
    """Rows in a form that shows one solution, from which any sum can be driven to its greatest value."""

    place: dict[Hashable, int]
    table: list[list[Fraction]]
    basis: list[int]
    width: int

    def greatest(self, goal: Mapping[Hashable, Fraction]) -> Fraction | None:
        """Return the greatest value of a sum; None if there is none."""
        weights = [Fraction(0)] * (self.width + 1)
        for name, by in goal.items():
            weights[self.place[name]] = by
        return _climb([list(line) for line in self.table], list(self.basis), weights, self.width)


def _start(rows: Sequence[tuple[dict[Hashable, Fraction], Fraction, bool]]) -> _Simplex:
    """Return the rows with a solution, found by the first phase of the simplex method, Bland's rule."""
    place: dict[Hashable, int] = {}
    for terms, _, _ in rows:
        for name in terms:
            place.setdefault(name, len(place))
    slack = len(place)
    made = slack + sum(not is_equal for _, _, is_equal in rows)
    width = made + len(rows)
    table, basis = [], []
    for at, (terms, value, is_equal) in enumerate(rows):
        line = [Fraction(0)] * (width + 1)
        for name, by in terms.items():
            line[place[name]] += by
        line[-1] = value
        if not is_equal:
            line[slack] = Fraction(1)
            slack += 1
        if line[-1] < 0:
            line = [-number for number in line]
        line[made + at] = Fraction(1)
        basis.append(made + at)
        table.append(line)
    first = [Fraction(0)] * made + [Fraction(-1)] * len(rows) + [Fraction(0)]
    assert _climb(table, basis, first, width) == 0, "what is published contradicts itself"
    for at, column in enumerate(basis):
        if column >= made:
            swap = next((other for other in range(made) if table[at][other] != 0), None)
            if swap is not None:
                _pivot(table, basis, at, swap)
    kept = [at for at, column in enumerate(basis) if column < made]
    lines = [[*table[at][:made], table[at][-1]] for at in kept]
    return _Simplex(place, lines, [basis[at] for at in kept], made)


def _climb(
    table: list[list[Fraction]], basis: list[int], goal: Sequence[Fraction], width: int
) -> Fraction | None:
    gain = list(goal)
    for at, line in enumerate(table):
        if goal[basis[at]]:
            gain = [
                have - goal[basis[at]] * number if number else have
                for have, number in zip(gain, line, strict=True)
            ]
    while True:
        enter = next((column for column in range(width) if gain[column] > 0), None)
        if enter is None:
            return -gain[-1]
        limits = [(line[-1] / line[enter], basis[at], at) for at, line in enumerate(table) if line[enter] > 0]
        if not limits:
            return None
        leave = min(limits)[2]
        _pivot(table, basis, leave, enter)
        share = gain[enter]
        gain = [
            have - share * number if number else have for have, number in zip(gain, table[leave], strict=True)
        ]


def _pivot(table: list[list[Fraction]], basis: list[int], at: int, column: int) -> None:
    by = table[at][column]
    table[at] = [number / by for number in table[at]]
    for other, line in enumerate(table):
        if other != at and line[column]:
            share = line[column]
            table[other] = [a - share * b if b else a for a, b in zip(line, table[at], strict=True)]
    basis[at] = column


def tables(
    sizes: Sequence[int], totals: Sequence[int | None], known: Mapping[tuple[int, int], int]
) -> Iterator[list[list[int]]]:
    """Yield every table of counts with these row sums, these column sums where told, and these counts."""
    rows = [
        [
            row
            for row in _rows(size, len(totals))
            if all(row[at] == value for (r, at), value in known.items() if r == number)
        ]
        for number, size in enumerate(sizes)
    ]
    for table in product(*rows):
        sums = [sum(column) for column in zip(*table, strict=True)]
        if all(total is None or total == found for total, found in zip(totals, sums, strict=True)):
            yield [list(row) for row in table]


def _rows(size: int, width: int) -> Iterator[tuple[int, ...]]:
    if width == 1:
        yield (size,)
        return
    for first in range(size + 1):
        for rest in _rows(size - first, width - 1):
            yield (first, *rest)
