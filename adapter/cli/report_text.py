"""A report told: as text for a person, as CSV for a spreadsheet, in three languages."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from adapter.fhir import json
from adapter.fhir.canonical import code_system
from adapter.shipped import folder
from adapter.statistics.measure_report import MADE_COLUMNS
from adapter.statistics.table import Figure, State, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN, NONE = "..", "-"
SYSTEMS = ("report-indicator", "entry-route")
UNITS = {"1": "", "%": " %", "a": "", "mo": "", "d": "", "{score}": ""}

LEGEND = {
    "en": (
        ".. not shown, to protect people: counts below {smallest}, and others that would tell them.",
        "-  nothing to compute it from.",
        "Shares are whole percentages of those who are known. Years: {years}.",
    ),
    "fi": (
        ".. ei näytetä ihmisten suojaamiseksi: alle {smallest} ja muut, joista sen voisi päätellä.",
        "-  ei mitään, mistä laskea.",
        "Osuudet ovat kokonaisia prosentteja niistä, joista asia tiedetään. Vuodet: {years}.",
    ),
    "sv": (
        ".. visas inte för att skydda människor: antal under {smallest} och andra som skulle röja dem.",
        "-  ingenting att räkna på.",
        "Andelarna är hela procent av dem som är kända. År: {years}.",
    ),
}


def labels(language: str) -> dict[str, str]:
    """Return the text of every code of a report, from its code systems."""
    found = {}
    for name in SYSTEMS:
        system = json.read((folder("profiles") / "codesystems" / f"{name}.json").read_bytes())
        for concept in system["concept"]:
            texts = {one["language"]: one["value"] for one in concept["designation"]}
            key = concept["code"] if name == "report-indicator" else f"{code_system(name)}#{concept['code']}"
            found[key] = texts.get(language, concept["display"])
    return found


def rows(table: Table, language: str) -> Iterator[list[str]]:
    """Yield the header and one row a line, as they are read."""
    texts = labels(language)
    yield ["", *(texts[MADE_COLUMNS[name]] if name in MADE_COLUMNS else name for name in table.columns)]
    for line in table.lines:
        label = texts.get(f"{line.system}#{line.code}") or texts[line.code]
        yield [label, *(_told(line.figures[name], line.unit) for name in table.columns)]


def _told(figure: Figure, unit: str) -> str:
    if figure.state is State.SHOWN:
        return f"{figure.value}{UNITS[unit]}"
    return HIDDEN if figure.state is State.HIDDEN else NONE


def text(table: Table, language: str) -> str:
    """Return the table in columns, and what its marks mean."""
    made = list(rows(table, language))
    widths = [max(len(row[at]) for row in made) for at in range(len(made[0]))]
    lines = [
        "  ".join((row[0].ljust(widths[0]), *(cell.rjust(widths[at]) for at, cell in enumerate(row[1:], 1))))
        for row in made
    ]
    years = "-" if table.years is None else "–".join(dict.fromkeys(str(year) for year in table.years))
    legend = (line.format(smallest=table.smallest, years=years) for line in LEGEND[language])
    return "\n".join([*(line.rstrip() for line in lines), "", *legend])


def comma_separated(table: Table, language: str) -> str:
    """Return the table as CSV: code, text, unit, then a column each; RFC 4180."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for line, told in zip((None, *table.lines), rows(table, language), strict=True):
        first = ["code", "text", "unit"] if line is None else [line.code, told[0], line.unit]
        cells = told[1:] if line is None else [_bare(line.figures[name]) for name in table.columns]
        writer.writerow([*first, *cells])
    return out.getvalue()


def _bare(figure: Figure) -> str:
    return (
        str(figure.value) if figure.state is State.SHOWN else HIDDEN if figure.state is State.HIDDEN else NONE
    )
