"""No hidden count can be told from what is published."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

import pytest

from adapter.statistics.disclosure import SMALLEST, Count, bounds, hidden
from adapter.statistics.population import Person, Population
from adapter.statistics.table import ALL, Groups, Line, State, Table, network
from adapter.statistics.toike import ROUTES, toike
from tests.statistics.attack import Knowledge, tables

AWAY = ("away-over-two-years", "away-two-years-or-less", "away-unknown")
STATUSES = ("employed", "entrepreneur", "unemployed", "other-status")
SEEDS = range(12)


def counted(rows: list[list[int]]) -> list[Count]:
    """Return a table of regions and classes as edges, with the totals of several regions."""
    counts = {str(at): dict(enumerate(row)) for at, row in enumerate(rows)}
    parts = list(counts)
    return list(network(parts, counts, range(len(rows[0])), is_total_shown=len(rows) > 1))


def random_table(chance: Random, most: int) -> list[list[int]]:
    width = chance.randint(2, 4)
    return [
        [chance.choice((0, 0, 1, 2, 3, 4, *range(5, most))) for _ in range(width)]
        for _ in range(chance.randint(1, 3))
    ]


def test_a_small_count_takes_another_with_it():
    """With one count hidden the sum would give it away, so the cheapest other goes too."""
    assert hidden(counted([[3, 20, 30]])) == {("0", 0), ("0", 1)}


def test_a_count_of_none_and_large_ones_are_shown():
    """A table without small counts hides nothing."""
    assert hidden(counted([[0, 20, 30], [10, 0, 30]])) == frozenset()


def test_rows_and_columns_are_both_looked_at():
    """In a table with totals a hidden count needs a way round through other rows and columns."""
    found = hidden(counted([[3, 20, 30], [10, 20, 30]]))

    assert found == {("0", 0), ("0", 1), ("1", 0), ("1", 1)}


def test_counts_that_are_hidden_alone_are_found_out():
    """The attack finds what is hidden without its complement, so it can tell a good table from a bad one."""
    known = Knowledge()
    known.equals({"small": 1}, 53 - 20 - 30)

    assert known.range_of("small") == (3, 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_hidden_count_has_the_range_that_is_promised(seed: int):
    """By linear programming over all sums, a hidden count may lie anywhere in as wide a range as promised."""
    rows = random_table(Random(seed), 40)  # noqa: S311 - a seed to repeat by
    rows = [row for row in rows if sum(row) >= 2 * SMALLEST] or [[3, 9, 20]]
    counts = counted(rows)
    concealed = hidden(counts)
    known = Knowledge()
    for node in dict.fromkeys(one.head for one in counts if one.head != "all"):
        terms = {one.name: 1 for one in counts if one.head == node} | {
            one.name: -1 for one in counts if one.tail == node
        }
        known.equals(terms, 0)
    for one in counts:
        if one.name not in concealed and not one.is_secret:
            known.equals({one.name: 1}, one.value)

    ranges = {name: known.range_of(name) for name in concealed}

    assert all(most is None or most - least >= SMALLEST for least, most in ranges.values()), (rows, ranges)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_range_is_exact(seed: int):
    """On small tables, the values a hidden count may have are those of all tables that look the same."""
    chance = Random(seed)  # noqa: S311 - a seed to repeat by
    rows = [[chance.randint(0, 4) for _ in range(3)] for _ in range(2)]
    counts = counted(rows)
    concealed = {one.name for one in counts if not one.is_public and chance.random() < 0.7}
    shown = {
        (int(part), at): rows[int(part)][at]
        for part in "01"
        for at in range(3)
        if (part, at) not in concealed
    }
    totals = [None if (ALL, at) in concealed else rows[0][at] + rows[1][at] for at in range(3)]

    possible = list(tables([sum(row) for row in rows], totals, shown))

    for part, at in concealed:
        values = {sum(one[r][at] for r in (0, 1)) if part == ALL else one[int(part)][at] for one in possible}
        assert bounds(counts, concealed, (part, at)) == (min(values), max(values))


def people(seed: int) -> list[Person]:
    """Return invented people of three regions, with classes so rare that some must be hidden."""
    chance = Random(seed)  # noqa: S311 - a seed to repeat by
    made = []
    for region, size in (("Etelä", 60), ("Itä", 35), ("Länsi", 22)):
        for _ in range(size):
            status = chance.choices((*STATUSES, None), (30, 3, 50, 8, 4))[0]
            made.append(
                Person(
                    region=region,
                    age=chance.randint(20, 64),
                    sex=chance.choices(("male", "female", "other", None), (40, 50, 1, 2))[0],
                    status="other" if status == "other-status" else status,
                    score=chance.choices((*range(11), None), (1,) * 11 + (2,))[0],
                    months=chance.choices((Fraction(6), Fraction(30), None), (3, 3, 1))[0],
                    route=chance.choices((*ROUTES, None), (30, 24, 18, 13, 2, 2, 5, 3))[0],
                )
            )
    return made


def learn(table: Table, classes: dict[str, tuple[str, ...]], missing: str) -> tuple[Knowledge, list[Any]]:
    """Return what the lines of one distribution tell of its counts, and which of them are hidden.

    `classes`: class to the classes that its percentage is a share of.
    """
    lines: dict[str, Line] = {line.code: line for line in table.lines}
    parts = [name for name in table.columns if name != ALL]
    known, secret = Knowledge(), []
    top = [one for one in (*classes, missing) if one not in AWAY]
    for column in table.columns:
        size = lines["persons"].figures[column].value
        known.equals({(column, one): 1 for one in top}, size)
        if "unemployed" in classes:
            known.equals({(column, one): 1 for one in AWAY} | {(column, "unemployed"): -1}, 0)
        for one in (*classes, missing):
            figure = lines[one].figures[column]
            base = classes.get(one, tuple(top))
            if figure.state is State.SHOWN:
                known.percentage((column, one), [(column, other) for other in base], figure.value)
            elif figure.state is State.HIDDEN:
                secret.append((column, one))
    for one in (*classes, missing):
        known.equals({(part, one): 1 for part in parts} | {(ALL, one): -1}, 0)
    return known, secret


ROUTE_CLASSES = dict.fromkeys(ROUTES, ROUTES)
STATUS_CLASSES = {
    **dict.fromkeys(STATUSES, STATUSES),
    "away-over-two-years": ("away-over-two-years", "away-two-years-or-less"),
    "away-two-years-or-less": ("away-over-two-years", "away-two-years-or-less"),
    "away-unknown": tuple(AWAY),
}
SEX_CLASSES = dict.fromkeys(("men", "women", "other-sex"), ("men", "women", "other-sex"))


DISTRIBUTIONS = {
    "sex": (SEX_CLASSES, "sex-missing"),
    "status": (STATUS_CLASSES, "status-missing"),
    "route": (ROUTE_CLASSES, "route-missing"),
}


def told(seed: int, name: str) -> tuple[int, list[Any]]:
    """Return how many counts a report hides, and those of them that are left with a single value."""
    table = toike(Population(people=tuple(people(seed)), years=(2026, 2026)))
    known, secret = learn(table, *DISTRIBUTIONS[name])
    found = []
    for one in secret:
        least, most = known.range_of(one)
        if most is not None and most // 1 - -(-least // 1) < 1:
            found.append((one, least, most))
    return len(secret), found


@pytest.mark.parametrize(("seed", "name"), [(4, "sex"), (106, "status"), (4, "route")])
def test_no_hidden_count_of_the_report_can_be_told(seed: int, name: str):
    """From all percentages and sizes of a report, no hidden count is left with a single value."""
    hidden_counts, found = told(seed, name)

    assert hidden_counts
    assert found == []


@pytest.mark.long
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_no_hidden_count_of_many_reports_can_be_told(name: str):
    """The same for forty populations."""
    assert [found for seed in range(40) for found in told(seed, name)[1]] == []


def test_groups_too_small_to_stand_alone_are_put_together():
    """A region of four people is no column, nor is what is left of it with one region taken away."""
    rows = [("a", 30), ("b", 8), ("c", 3)]
    some = [name for name, size in rows for _ in range(size)]

    groups = Groups[str].of(some, str, SMALLEST)

    assert {name: len(found) for name, found in groups.rows.items()} == {"a": 30, "+": 11, "*": 41}
