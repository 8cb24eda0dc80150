"""Code translation: ConceptMaps of R4, CSV tables and the tables inside of a map, all one thing here.

A CSV table `NAME.csv` is the ConceptMap `BASE/ConceptMap/NAME`. Its columns, by header, in any order:

| column | holds |
|---|---|
| `source-system` | code system of the source code; empty: any |
| `source-code` | the code, or `*` for every code without a row of its own |
| `target-system` | code system of the target |
| `target-code` | the code; `=` in a `*` row takes the source code over as it is |
| `target-display` | optional |
| `equivalence` | optional, R4 ConceptMapEquivalence; empty: `equivalent`; `unmatched`: none, on purpose |
| `comment` | optional, for people |

Lines that begin with `#` are passed over; `# url = ..` gives another canonical. FHIR R4 ConceptMap.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapter.fhir.canonical import BASE
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from adapter.mapping.fml.tree import CodeTable
    from adapter.mapping.nodes import Item

COLUMNS = (
    "source-system",
    "source-code",
    "target-system",
    "target-code",
    "target-display",
    "equivalence",
    "comment",
)
REQUIRED = ("source-code", "target-code")
EQUIVALENCES = frozenset({
    "relatedto", "equivalent", "equal", "wider", "subsumes", "narrower", "specializes", "inexact",
    "unmatched", "disjoint",
})  # fmt: skip
_NO_MATCH = frozenset({"unmatched", "disjoint"})


@dataclass(frozen=True, slots=True)
class Row:
    """One translation. `number` is its line in a CSV file, or its place in a JSON file, from 1."""

    number: int
    source_system: str | None
    source_code: str
    target_system: str | None
    target_code: str | None
    display: str | None = None
    equivalence: str = "equivalent"
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Unmapped:
    """What happens to a code without a row. R4 ConceptMap.group.unmapped.

    `mode`: provided, fixed or other-map.
    """

    mode: str
    target_system: str | None = None
    code: str | None = None
    display: str | None = None
    url: str | None = None


@dataclass(slots=True)
class ConceptMap:
    """One table, ready to be asked."""

    url: str
    rows: tuple[Row, ...]
    unmapped: dict[str | None, Unmapped] = field(default_factory=dict)
    """By source system, None for any."""
    file: str = ""
    name: str = ""
    _by_code: dict[str, list[Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row in self.rows:
            self._by_code.setdefault(row.source_code, []).append(row)

    def rows_for(self, code: str, system: str | None = None) -> list[Row]:
        """Return the rows of `code`; with `system` only those of that system or of none."""
        rows = self._by_code.get(code, [])
        if system is None or not rows:
            return rows
        return [row for row in rows if row.source_system in (None, system)]

    def rest_for(self, system: str | None) -> Unmapped | None:
        """Return what is said about codes without a row."""
        if system is not None and system in self.unmapped:
            return self.unmapped[system]
        if None in self.unmapped:
            return self.unmapped[None]
        return next(iter(self.unmapped.values())) if system is None and len(self.unmapped) == 1 else None


@dataclass(frozen=True, slots=True)
class Match:
    """A translation found: the target, and the row it comes from (None where an unmapped mode answers)."""

    code: str
    system: str | None
    display: str | None
    row: Row | None
    table: ConceptMap
    version: str | None = None

    @property
    def words(self) -> str:
        """Name the row for lineage: file and line."""
        return f"{self.table.file or self.table.url}:{self.row.number if self.row else 'unmapped'}"


class Unfound(Exception):
    """There is no translation; `code` is the finding that says which way there is none."""

    def __init__(self, code: str, table: ConceptMap) -> None:
        super().__init__(code)
        self.code = code
        self.table = table


class ConceptMaps:
    """All tables of a map set by url; what is added later overrides."""

    def __init__(self) -> None:
        self._tables: dict[str, ConceptMap] = {}

    def add(self, table: ConceptMap) -> ConceptMap | None:
        """Take `table` in; return the one it overrides, if any."""
        before = self._tables.get(table.url)
        self._tables[table.url] = table
        return before

    def find(self, url: str) -> ConceptMap | None:
        """Return the table with this canonical, a version after `|` not regarded."""
        return self._tables.get(url.partition("|")[0])

    def __iter__(self) -> Iterator[ConceptMap]:
        return iter(self._tables.values())

    def urls(self) -> list[str]:
        """Return the canonicals of all tables."""
        return sorted(self._tables)

    def translate(self, table: ConceptMap, code: str, system: str | None = None, depth: int = 0) -> Match:
        """Find the target of `code`.

        Raises Unfound with CM301 (no row), CM302 (the row says there is no match), CM303 (several targets).
        """
        rows = table.rows_for(code, system)
        good = [row for row in rows if row.equivalence not in _NO_MATCH and row.target_code is not None]
        if len({(row.target_system, row.target_code) for row in good}) > 1:
            best = [row for row in good if row.equivalence in ("equal", "equivalent")]
            if len({(row.target_system, row.target_code) for row in best}) != 1:
                raise Unfound("CM303", table)
            good = best
        if good:
            row = good[0]
            return Match(row.target_code or "", row.target_system, row.display, row, table, row.version)
        if rows:
            raise Unfound("CM302", table)
        return self._rest(table, code, system, depth)

    def _rest(self, table: ConceptMap, code: str, system: str | None, depth: int) -> Match:
        rest = table.rest_for(system)
        if rest is None:
            raise Unfound("CM301", table)
        if rest.mode == "provided":
            return Match(code, rest.target_system or system, None, None, table)
        if rest.mode == "fixed" and rest.code is not None:
            return Match(rest.code, rest.target_system, rest.display, None, table)
        other = self.find(rest.url) if rest.url else None
        if other is None or depth > 8:
            raise Unfound("CM301", table)
        return self.translate(other, code, system, depth + 1)


def from_fhir(resource: Mapping[str, Item], file: str = "") -> ConceptMap:
    """Read an R4 ConceptMap (R5's `relationship` is understood too)."""
    rows: list[Row] = []
    unmapped: dict[str | None, Unmapped] = {}
    for group in resource.get("group", ()):
        source, target = group.get("source"), group.get("target")
        for element in group.get("element", ()):
            targets = element.get("target") or [{"equivalence": "unmatched"}]
            for one in targets:
                rows.append(
                    Row(
                        len(rows) + 1, source, element.get("code", ""), target, one.get("code"),
                        one.get("display"), one.get("equivalence") or one.get("relationship") or "equivalent",
                        group.get("targetVersion"),
                    )
                )  # fmt: skip
        rest = group.get("unmapped")
        if rest:
            mode = {"use-source-code": "provided", "other-map": "other-map"}.get(
                rest.get("mode"), rest.get("mode", "")
            )
            unmapped[source] = Unmapped(
                mode, target, rest.get("code"), rest.get("display"), rest.get("url") or rest.get("otherMap")
            )
    return ConceptMap(resource.get("url", ""), tuple(rows), unmapped, file, resource.get("name", ""))


def from_inline(table: CodeTable, file: str, line_of: Item) -> ConceptMap:
    """Read the `conceptmap` block of a map. Its url is local to the file."""
    prefixes = dict(table.prefixes)
    rows = [
        Row(
            line_of(row.span)[0], prefixes.get(row.source_prefix), row.source,
            prefixes.get(row.target_prefix or ""), row.target, None, row.relation,
        )
        for row in table.rows
    ]  # fmt: skip
    unmapped: dict[str | None, Unmapped] = {
        prefixes.get(name): Unmapped(mode) for name, mode in table.unmapped
    }
    return ConceptMap(table.url, tuple(rows), unmapped, file)


def from_csv(text: str, file: str, stem: str) -> tuple[ConceptMap | None, list[Issue]]:
    """Read a CSV table, or None with the issues that forbid it: CM101 (columns), CM102.. (lines)."""
    lines = text.removeprefix("\ufeff").splitlines()
    url = f"{BASE}/ConceptMap/{stem}"
    body: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        if line.startswith("#"):
            name, _, value = line[1:].partition("=")
            if name.strip() == "url":
                url = value.strip()
        elif line.strip():
            body.append((number, line))
    table = list(csv.reader((line for _, line in body), delimiter=_delimiter(body)))
    header = [name.strip().lower() for name in table[0]] if table else []
    unknown = [name for name in header if name not in COLUMNS]
    missing = [name for name in REQUIRED if name not in header]
    if unknown or missing:
        return None, [
            Issue("CM101", file, {"columns": ", ".join(unknown + missing)}, line=body[0][0] if body else 1)
        ]
    issues: list[Issue] = []
    rows: list[Row] = []
    unmapped: dict[str | None, Unmapped] = {}
    for (number, _), cells in zip(body[1:], table[1:], strict=False):
        _csv_row(
            dict(zip(header, (cell.strip() for cell in cells), strict=False)),
            number,
            file,
            rows,
            unmapped,
            issues,
        )
    issues.extend(_twice(rows, file))
    return (None if issues else ConceptMap(url, tuple(rows), unmapped, file, stem)), issues


def _csv_row(
    cell: dict[str, str],
    number: int,
    file: str,
    rows: list[Row],
    unmapped: dict[str | None, Unmapped],
    issues: list[Issue],
) -> None:
    source_system, code = cell.get("source-system") or None, cell.get("source-code", "")
    target_system, target = cell.get("target-system") or None, cell.get("target-code") or None
    display = cell.get("target-display") or None
    equivalence = cell.get("equivalence") or "equivalent"
    if equivalence not in EQUIVALENCES:
        issues.append(Issue("CM103", file, {"equivalence": equivalence}, line=number))
    elif not code or (target is None and equivalence not in _NO_MATCH):
        issues.append(Issue("CM102", file, line=number))
    elif code != "*":
        rows.append(Row(number, source_system, code, target_system, target, display, equivalence))
    elif target == "=":
        unmapped[source_system] = Unmapped("provided", target_system)
    elif target is not None:
        unmapped[source_system] = Unmapped("fixed", target_system, target, display)


def _twice(rows: list[Row], file: str) -> Iterable[Issue]:
    seen: dict[tuple[str | None, str, str | None, str | None], int] = {}
    for row in rows:
        key = (row.source_system, row.source_code, row.target_system, row.target_code)
        first = seen.setdefault(key, row.number)
        if first != row.number:
            yield Issue("CM104", file, {"first": first}, line=row.number)


def _delimiter(body: list[tuple[int, str]]) -> str:
    header = body[0][1] if body else ""
    return ";" if header.count(";") > header.count(",") else ","
