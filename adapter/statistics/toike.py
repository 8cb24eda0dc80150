"""The TOIKE table: who comes to a work-ability centre, and how they are doing when they come.

Figures by region: number of people, mean age, sex, position on the labour market, Work Ability Score, time
away from work, and how they found the way. Shares are of those who are known; how many are not is a line of
its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhir.canonical import code_system
from adapter.statistics.disclosure import SMALLEST
from adapter.statistics.population import MORE_THAN, ROUTE, Person, Population
from adapter.statistics.quantiles import first_quartile, highest, lowest, mean, median, third_quartile
from adapter.statistics.table import Distribution, Groups, Line, summaries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from adapter.statistics.quantiles import Value
    from adapter.statistics.table import Table

INDICATOR = code_system("report-indicator")
"""What the lines say, in English, Finnish and Swedish."""

ROUTES = (
    "employment-services",
    "self",
    "specialised-care",
    "primary-care",
    "occupational-health",
    "social-services",
    "other",
)
OTHER = "other-status"


def toike(population: Population, smallest: int = SMALLEST) -> Table:
    """Return the table. `smallest`: the smallest count that is shown, but for none."""
    groups = Groups[Person].of(population.people, lambda person: person.region, smallest)
    return groups.table("toike", _lines(groups), population.years)


def _lines(groups: Groups[Person]) -> Iterator[Line]:
    yield Line(system=INDICATOR, code="persons", unit="1", figures=groups.sizes())
    yield from _numbers(groups, lambda person: person.age, "a", "age-missing", {"age-mean": (mean, 1)})
    sexes = {"male": "men", "female": "women", "other": "other-sex"}
    yield from _shares(groups, lambda person: sexes.get(person.sex or ""), [*sexes.values()], "sex-missing")
    yield from _statuses(groups)
    scores = {"was-median": (median, 1), "was-lowest": (lowest, 4), "was-highest": (highest, 4)}
    yield from _numbers(groups, lambda person: person.score, "{score}", "was-missing", scores)
    quarters = {
        "away-first-quartile": (first_quartile, 2),
        "away-median": (median, 1),
        "away-third-quartile": (third_quartile, 2),
    }
    yield from _numbers(groups, lambda person: person.months, "mo", "away-missing", quarters)
    yield from _shares(
        groups,
        lambda person: person.route if person.route in ROUTES else None,
        ROUTES,
        "route-missing",
        ROUTE,
    )


def _statuses(groups: Groups[Person]) -> Iterator[Line]:
    """Yield position on the labour market, and of the unemployed how long they have been away."""
    codes = {
        "employed": "employed",
        "entrepreneur": "entrepreneur",
        "unemployed": "unemployed",
        "other": OTHER,
    }
    yield from _shares(
        groups, lambda person: codes.get(person.status or ""), [*codes.values()], "status-missing"
    )
    unemployed = groups.where(lambda person: person.status == "unemployed")
    yield from _shares(unemployed, _away, ("away-over-two-years", "away-two-years-or-less"), "away-unknown")


def _away(person: Person) -> str | None:
    if person.months is None:
        return None
    return "away-over-two-years" if person.months > MORE_THAN else "away-two-years-or-less"


def _shares(
    groups: Groups[Person],
    classify: Callable[[Person], str | None],
    classes: Sequence[str],
    missing: str,
    system: str = INDICATOR,
) -> Iterator[Line]:
    """Yield the share of each class among those known, and of those who are not among all."""
    known = groups.where(lambda person: classify(person) is not None)
    found = Distribution.of(known, classify, classes)
    for code in classes:
        figures = {column: found.share(column, code) for column in groups.rows}
        yield Line(system=system, code=code, unit="%", figures=figures)
    yield _missing(groups, lambda person: classify(person) is not None, missing)


def _missing(groups: Groups[Person], is_known: Callable[[Person], bool], code: str) -> Line:
    answered = Distribution.of(groups, is_known, (True, False))
    figures = {column: answered.share(column, False) for column in groups.rows}
    return Line(system=INDICATOR, code=code, unit="%", figures=figures)


def _numbers(
    groups: Groups[Person],
    value: Callable[[Person], Value | None],
    unit: str,
    missing: str,
    measures: Mapping[str, tuple[Callable[[Sequence[Value]], Value], int]],
) -> Iterator[Line]:
    """Yield figures computed from values, and the share of people who have none."""
    answered = Distribution.of(groups, lambda person: value(person) is not None, (True, False))
    for code, figures in summaries(groups, value, answered, measures).items():
        yield Line(system=INDICATOR, code=code, unit=unit, figures=figures)
    yield _missing(groups, lambda person: value(person) is not None, missing)
