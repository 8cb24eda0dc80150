"""Mutants of maps: each a small fault put in on purpose, to see whether the cases beside the maps notice.

| kind | what is changed |
|---|---|
| rule | one rule is left out, with all inside of it |
| condition | one `where` says the opposite |
| row | one row of a code table gives what another row gives, or nothing if all rows give the same |

A mutant is noticed if a case fails that held before. One that cannot be loaded is no mutant: the checker
notices it without any case. Only the cases that a mutant can touch are run: those in which its rule ran, or
its code was asked for. A rule that no case touches is a survivor without a run. A row that no case asks for
is uncovered and counts for nothing: tables hold whole code systems, cases the codes that make a difference.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar

from adapter.fhirpath.tree import Call
from adapter.mapping.cases import judge
from adapter.mapping.conceptmap import ConceptMap, ConceptMaps
from adapter.mapping.fml.faults import Faults
from adapter.mapping.fml.resolver import Library
from adapter.mapping.fml.tree import Invocation, Written
from adapter.mapping.mapset import Map, MapSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from adapter.mapping.cases import Case
    from adapter.mapping.conceptmap import Match, Row
    from adapter.mapping.fml.tree import CodeRow, CodeTable, Group, MapFile, Rule

Kind = Literal["rule", "condition", "row"]
KINDS: tuple[Kind, ...] = ("rule", "condition", "row")
NO_MATCH = "unmatched"
AnyRow = TypeVar("AnyRow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One fault: where it stands, and the map set that has it."""

    kind: Kind
    file: str
    line: int
    column: int
    what: str
    """The rule's name with its group, or the table's url; never a code."""
    change: Callable[[], MapSet | None]
    """Make the map set; None if the fault does not load."""
    touches: Callable[[Trail], bool]
    """Whether the run of a case can differ at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """What one case passed through."""

    rules: frozenset[tuple[str, int, int]]
    """File, line and column of each rule that ran."""
    codes: frozenset[tuple[str, str, str]]
    """File and url of the table, and code, of each translation asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What came of a mutant."""

    mutant: Mutant
    is_noticed: bool
    is_touched: bool
    """False if no case passes there at all."""

    @property
    def counts(self) -> bool:
        """False for a row of a code table that no case asks for."""
        return self.is_touched or self.mutant.kind != "row"


def percent(fates: Sequence[Fate]) -> int:
    """Return how many of a hundred mutants that count were noticed; 100 if there are none."""
    noticed = [fate.is_noticed for fate in fates if fate.counts]
    return 100 * sum(noticed) // len(noticed) if noticed else 100


class _Listening(ConceptMaps):
    """Tables that write down which codes they are asked for, those inside of maps too."""

    def __init__(self) -> None:
        super().__init__()
        self.codes: set[tuple[str, str, str]] = set()

    def translate(self, table: ConceptMap, code: str, system: str | None = None, depth: int = 0) -> Match:
        self.codes.add((table.file, table.url, code))
        return super().translate(table, code, system, depth)


def mutate(maps: MapSet, cases: Sequence[Case]) -> Iterator[Fate]:
    """Try every mutant of the maps that the cases use, in the order of the files.

    The cases must hold (see `cases.judge`); what already fails can notice nothing.
    """
    trails, used = _trails(maps, cases)
    for mutant in mutants(maps, used):
        touched = [case for case, trail in zip(cases, trails, strict=True) if mutant.touches(trail)]
        if not touched:
            yield Fate(mutant=mutant, is_noticed=False, is_touched=False)
            continue
        changed = mutant.change()
        if changed is not None:
            noticed = any(judge(case, changed, quick=True).failures for case in touched)
            yield Fate(mutant=mutant, is_noticed=noticed, is_touched=True)


def mutants(maps: MapSet, used: Sequence[Map]) -> Iterator[Mutant]:
    """Yield the mutants of some maps and of all they import and translate with, each once."""
    every = list(maps)
    files = {id(file): file for one in used for file in one.library.visible(one.file)}
    for file in sorted(files.values(), key=lambda one: one.text.file):
        yield from _of_rules(every, file)
        for table in file.tables:
            yield from _of_block(every, file, table)
    tables = {table.url: table for one in used for table in _tables(one)}
    for url in sorted(tables):
        yield from _of_table(every, tables[url])


def _trails(maps: MapSet, cases: Sequence[Case]) -> tuple[list[Trail], list[Map]]:
    every = list(maps)
    heard = _Listening()
    for table in every[0].library.concept_maps if every else ():
        heard.add(table)
    listening = MapSet(_rebuilt(every, concept_maps=heard))
    trails: list[Trail] = []
    names: set[str] = set()
    for case in cases:
        heard.codes.clear()
        outcome = judge(case, listening).outcome
        marks = outcome.rules if outcome is not None else frozenset()
        names |= {mark.map for mark in marks}
        rules = frozenset((mark.file, mark.line, mark.column) for mark in marks)
        trails.append(Trail(rules=rules, codes=frozenset(heard.codes)))
    return trails, [one for one in every if one.name in names and one.is_runnable]


def _rebuilt(
    every: Sequence[Map],
    *,
    before: MapFile | None = None,
    after: MapFile | None = None,
    concept_maps: ConceptMaps | None = None,
) -> list[Map]:
    """Make all maps anew with one file or the tables changed; what is read of them is shared."""
    library = every[0].library
    files = [after if file is before and after is not None else file for file in library.files.values()]
    anew = Library(files, concept_maps or library.concept_maps, library.models)
    return [
        Map(
            after if one.file is before and after is not None else one.file, anew, one.models, one.ignored,
            one.accepts, one.key, one.layer,
        )
        for one in every
    ]  # fmt: skip


def _loaded(maps: list[Map], touched: Callable[[Map], bool]) -> MapSet | None:
    for one in maps:
        if touched(one):
            faults = Faults()
            one.compile(faults)
            if any(issue.is_error for issue in faults.issues):
                return None
    return MapSet(maps)


def _with_file(every: list[Map], before: MapFile, after: MapFile) -> Callable[[], MapSet | None]:
    return lambda: _loaded(
        _rebuilt(every, before=before, after=after),
        lambda one: any(file is after for file in one.library.visible(one.file)),
    )


# Rules and conditions


def _of_rules(every: list[Map], file: MapFile) -> Iterator[Mutant]:
    for at, group in enumerate(file.groups):
        for rule, rules in _left_out(group.rules):
            yield _of_rule(every, file, at, rule, rules, "rule")
        for rule, rules in _turned(group.rules):
            yield _of_rule(every, file, at, rule, rules, "condition")


def _of_rule(
    every: list[Map], file: MapFile, at: int, rule: Rule, rules: tuple[Rule, ...], kind: Kind
) -> Mutant:
    group: Group = file.groups[at]
    after = replace(file, groups=(*file.groups[:at], replace(group, rules=rules), *file.groups[at + 1 :]))
    line, column = file.place(rule.span)
    place = (file.text.file, line, column)
    # A condition that turns may let a rule run that did not; so may one that says what must be there.
    is_quiet = kind == "rule" and not any(
        one.check or one.cardinality or one.default or one.mode for one in rule.sources
    )
    return Mutant(
        kind=kind, file=file.text.file, line=line, column=column, what=f"{group.name}/{_name(rule)}",
        change=_with_file(every, file, after),
        touches=(lambda trail: place in trail.rules) if is_quiet else (lambda trail: bool(trail.rules)),
    )  # fmt: skip


def _name(rule: Rule) -> str:
    from adapter.mapping.fml.tree import rule_name

    return rule.name or rule_name(rule) or "-"


def _left_out(rules: tuple[Rule, ...]) -> Iterator[tuple[Rule, tuple[Rule, ...]]]:
    """Yield each rule, with the rules as they are without it; from the outside in."""
    for at, rule in enumerate(rules):
        yield rule, rules[:at] + rules[at + 1 :]
        for inner, nested in _left_out(rule.rules or ()):
            yield inner, (*rules[:at], replace(rule, rules=nested), *rules[at + 1 :])


def _turned(rules: tuple[Rule, ...]) -> Iterator[tuple[Rule, tuple[Rule, ...]]]:
    """Yield each rule with a condition, with the rules as they are when that one says the opposite."""
    for at, rule in enumerate(rules):
        for number, source in enumerate(rule.sources):
            if source.where is not None:
                turned = replace(source, where=Call(target=source.where, name="not", arguments=()))
                sources = (*rule.sources[:number], turned, *rule.sources[number + 1 :])
                yield rule, (*rules[:at], replace(rule, sources=sources), *rules[at + 1 :])
        for inner, nested in _turned(rule.rules or ()):
            yield inner, (*rules[:at], replace(rule, rules=nested), *rules[at + 1 :])


# Rows of code tables


def _tables(one: Map) -> Iterator[ConceptMap]:
    """Yield the tables that a map names in `translate`, those written inside of maps left out."""
    library = one.library
    for file in library.visible(one.file):
        for group in file.groups:
            for url in _translated(group.rules):
                found = library.concept_maps.find(url)
                if found is not None:
                    yield found


def _translated(rules: tuple[Rule, ...]) -> Iterator[str]:
    for rule in rules:
        for target in rule.targets:
            call = target.transform
            if isinstance(call, Invocation) and call.name == "translate" and len(call.parameters) > 1:
                url = call.parameters[1]
                if isinstance(url, Written):
                    yield str(url.value)
        yield from _translated(rule.rules or ())


def _of_table(every: list[Map], table: ConceptMap) -> Iterator[Mutant]:
    for at, row in enumerate(table.rows):
        if row.target_code is None:
            continue
        other = _next_row(table.rows, at, lambda one: (one.target_system, one.target_code))
        shifted = (
            replace(row, target_code=None, equivalence=NO_MATCH)
            if other is None
            else replace(
                row, target_system=other.target_system, target_code=other.target_code, display=other.display
            )
        )
        rows = (*table.rows[:at], shifted, *table.rows[at + 1 :])
        yield Mutant(
            kind="row", file=table.file or table.url, line=row.number, column=1, what=table.url,
            change=_with_table(every, table, rows), touches=_asks(table.file, table.url, row.source_code),
        )  # fmt: skip


def _asks(file: str, url: str, code: str) -> Callable[[Trail], bool]:
    return lambda trail: (file, url, code) in trail.codes


def _with_table(every: list[Map], table: ConceptMap, rows: tuple[Row, ...]) -> Callable[[], MapSet | None]:
    def change() -> MapSet | None:
        tables = ConceptMaps()
        for one in every[0].library.concept_maps:
            tables.add(one)
        tables.add(ConceptMap(table.url, rows, table.unmapped, table.file, table.name))
        return MapSet(_rebuilt(every, concept_maps=tables))

    return change


def _of_block(every: list[Map], file: MapFile, table: CodeTable) -> Iterator[Mutant]:
    place = file.tables.index(table)
    for at, row in enumerate(table.rows):
        if row.target is None:
            continue
        other: CodeRow | None = _next_row(table.rows, at, lambda one: (one.target_prefix, one.target))
        shifted = (
            replace(row, target=None, target_prefix=None, relation=NO_MATCH)
            if other is None
            else replace(row, target=other.target, target_prefix=other.target_prefix)
        )
        changed = replace(table, rows=(*table.rows[:at], shifted, *table.rows[at + 1 :]))
        tables = (*file.tables[:place], changed, *file.tables[place + 1 :])
        line, column = file.place(row.span)
        yield Mutant(
            kind="row", file=file.text.file, line=line, column=column, what=table.url,
            change=_with_file(every, file, replace(file, tables=tables)),
            touches=_asks(file.text.file, table.url, row.source),
        )  # fmt: skip


def _next_row(
    rows: Sequence[AnyRow], at: int, target: Callable[[AnyRow], tuple[str | None, str | None]]
) -> AnyRow | None:
    """Return the next row, from the top again, that gives something else."""
    for other in (*rows[at + 1 :], *rows[:at]):
        if target(other)[1] is not None and target(other) != target(rows[at]):
            return other
    return None
