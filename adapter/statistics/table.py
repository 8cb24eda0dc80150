"""A published table: figures by region, each shown, hidden to protect people, or not to be had.

What the reports have in common: which regions stand for themselves, how a distribution becomes percentages,
when a mean or a quantile may be shown. All of it goes through `disclosure`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from adapter.statistics import disclosure
from adapter.statistics.disclosure import Count
from adapter.statistics.quantiles import percentage, rounded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence

    from adapter.statistics.quantiles import Value

Row = TypeVar("Row")
"""What is counted: a person, a procedure."""

ALL = "*"
"""The column of everybody."""
OTHERS = "+"
"""The column of the groups that are too small to stand alone."""
UNKNOWN = "?"
"""The column of those whose group is not stated."""


class State(StrEnum):
    """Why a figure is what it is."""

    SHOWN = "shown"
    HIDDEN = "hidden"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a table, whole as it is published."""

    state: State
    value: int | None = None

    @classmethod
    def of(cls, value: int | None) -> Figure:
        """Return a number to be shown; None if there was nothing to compute it from."""
        return cls(State.NONE) if value is None else cls(State.SHOWN, value)


HIDDEN = Figure(State.HIDDEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of a table: what it says, in which unit, and a figure for each column."""

    system: str
    code: str
    unit: str
    """UCUM: `1`, `%`, `a`, `mo`, `d`, `{score}`."""
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What is published."""

    name: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    years: tuple[int, int] | None
    smallest: int


@dataclass(frozen=True, slots=True)
class Groups(Generic[Row]):
    """Rows by column; `ALL` is there if there are several columns beside it."""

    rows: Mapping[str, Sequence[Row]]
    smallest: int

    @classmethod
    def of(cls, rows: Iterable[Row], group: Callable[[Row], str | None], smallest: int) -> Groups[Row]:
        """Put rows into columns.

        A group smaller than `smallest` goes to `OTHERS`, and if that is smaller still, so does the smallest
        of the rest.
        """
        by_group: dict[str, list[Row]] = {}
        for row in rows:
            by_group.setdefault(group(row) or UNKNOWN, []).append(row)
        few = [name for name, some in by_group.items() if len(some) < smallest]
        others = [row for name in few for row in by_group.pop(name)]
        while others and len(others) < smallest and by_group:
            least = min(by_group, key=lambda name: (len(by_group[name]), name))
            others += by_group.pop(least)
        columns: dict[str, Sequence[Row]] = {name: by_group[name] for name in sorted(by_group, key=_order)}
        if others:
            columns[OTHERS] = others
        if len(columns) > 1:
            columns[ALL] = [row for some in columns.values() for row in some]
        return cls(columns, smallest)

    @property
    def parts(self) -> tuple[str, ...]:
        """The columns but `ALL`."""
        return tuple(name for name in self.rows if name != ALL)

    def table(self, name: str, lines: Iterable[Line], years: tuple[int, int] | None) -> Table:
        """Return the table of the lines. Of too few rows for a single column nothing at all is shown."""
        if sum(len(self.rows[part]) for part in self.parts) < self.smallest:
            lines = (replace(line, figures=dict.fromkeys(self.rows, HIDDEN)) for line in lines)
        return Table(
            name=name, columns=tuple(self.rows), lines=tuple(lines), years=years, smallest=self.smallest
        )

    def where(self, is_in: Callable[[Row], bool]) -> Groups[Row]:
        """Return the same columns with some of their rows."""
        return Groups(
            {name: [row for row in rows if is_in(row)] for name, rows in self.rows.items()}, self.smallest
        )

    def sizes(self) -> dict[str, Figure]:
        """Return how many rows each column has."""
        return {name: Figure(State.SHOWN, len(rows)) for name, rows in self.rows.items()}

    def counts(self, classify: Callable[[Row], Hashable]) -> dict[str, Counter[Hashable]]:
        """Return how many rows of each column are of each class."""
        return {name: Counter(map(classify, rows)) for name, rows in self.rows.items()}


def _order(name: str) -> tuple[bool, str]:
    return name == UNKNOWN, name


@dataclass(frozen=True, slots=True)
class Distribution:
    """Counts of every class in every column, and which of them stay hidden.

    Shares are of the rows of the groups it is made from, so those must be all that have a class. How many
    they are is taken as known: whoever reads shares that add up to a hundred learns as much as if it were.
    """

    counts: Mapping[str, Mapping[Hashable, int]]
    hidden: frozenset[Hashable]
    """Pairs of column and class."""

    @classmethod
    def of(
        cls, groups: Groups[Row], classify: Callable[[Row], Hashable], classes: Sequence[Hashable]
    ) -> Distribution:
        """Count and protect. In a column with fewer rows than the smallest count every class is hidden."""
        counts = {name: {one: some[one] for one in classes} for name, some in groups.counts(classify).items()}
        few = [name for name, rows in groups.rows.items() if 0 < len(rows) < groups.smallest]
        also = {(name, one) for name in few for one in classes}
        edges = list(network(groups.parts, counts, classes, few, is_total_shown=ALL in groups.rows))
        return cls(counts, disclosure.hidden(edges, groups.smallest, also))

    def share(self, column: str, one: Hashable) -> Figure:
        """Return the percentage of a class."""
        if (column, one) in self.hidden:
            return HIDDEN
        return Figure.of(percentage(self.counts[column][one], sum(self.counts[column].values())))


def network(
    parts: Sequence[str],
    counts: Mapping[str, Mapping[Hashable, int]],
    classes: Sequence[Hashable],
    few: Collection[str] = (),
    *,
    is_total_shown: bool,
) -> Iterator[Count]:
    """Yield the counts of a distribution as edges: from a column over a class to the total of the class.

    `few`: columns whose size is not published either.
    """
    for part in parts:
        size = sum(counts[part][one] for one in classes)
        is_told = part not in few
        name = (part, None)
        yield Count(
            name=name,
            tail="all",
            head=("part", part),
            value=size,
            is_public=is_told,
            is_secret=not is_told,
        )
        for one in classes:
            yield Count(name=(part, one), tail=("part", part), head=("class", one), value=counts[part][one])
    for one in classes:
        total = sum(counts[part][one] for part in parts)
        yield Count(
            name=(ALL, one), tail=("class", one), head="all", value=total, is_secret=not is_total_shown
        )


def summaries(
    groups: Groups[Row],
    value: Callable[[Row], Value | None],
    answered: Distribution,
    measures: Mapping[str, tuple[Callable[[Sequence[Value]], Value], int]],
) -> dict[str, dict[str, Figure]]:
    """Return figures that are computed from values, by measure and column.

    `measures`: how to compute, and from how many times the smallest count of answers. `answered`: who has a
    value (classes True and False). A figure of everybody is hidden too where it and the shown ones would
    tell of too few people whose own figure is hidden.
    """
    given = {
        name: [found for row in rows if (found := value(row)) is not None]
        for name, rows in groups.rows.items()
    }
    made: dict[str, dict[str, Figure]] = {}
    for measure, (compute, times) in measures.items():
        figures = {}
        for name, values in given.items():
            is_told = (name, True) not in answered.hidden and (name, False) not in answered.hidden
            few = len(values) < times * groups.smallest
            close = not is_told and (
                len(values) < 2 * groups.smallest or len(groups.rows[name]) < 3 * groups.smallest
            )
            hidden = bool(values) and (few or close)
            figures[name] = HIDDEN if hidden else Figure.of(rounded(compute(values)) if values else None)
        left = sum(len(given[name]) for name in groups.parts if figures[name].state is State.HIDDEN)
        if ALL in figures and 0 < left < groups.smallest:
            figures[ALL] = HIDDEN
        made[measure] = figures
    return made
