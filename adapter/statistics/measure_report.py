"""A published table as FHIR R4 MeasureReport: one group a line, the columns as strata. R4 measurereport.html.

A figure that is hidden to protect people has no value and says so (data-absent-reason `masked`); one that
there was nothing to compute from says `not-applicable`.
"""

from __future__ import annotations

from calendar import monthrange
from typing import TYPE_CHECKING, Any

from adapter.fhir.canonical import BASE, code_system
from adapter.statistics.table import ALL, OTHERS, UNKNOWN, Figure, Line, State, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter.fhir.json import Resource

INDICATOR = code_system("report-indicator")
UCUM = "http://unitsofmeasure.org"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
REASON = {State.HIDDEN: "masked", State.NONE: "not-applicable"}
UNITS = {"1": "1", "%": "%", "a": "a", "mo": "mo", "d": "d", "{score}": "score"}
MADE_COLUMNS = {ALL: "all", OTHERS: "others", UNKNOWN: "group-unknown"}
"""Columns that are named by a code of ours; every other has the name its source gave it."""

COLUMNS = {"toike": "region", "return-to-work": "procedure-group"}
"""What the columns of a table are."""


def measure_report(table: Table, reported: str, labels: Mapping[str, str] | None = None) -> Resource:
    """Return the report. `reported`: the moment it was made; `labels`: text of each code, as far as wanted.

    The period is whole years, so that no report tells the day of an assessment. Without any date in the
    source the report is about the year it was made in.
    """
    year = int(reported[:4])
    first, last = table.years or (year, year)
    return {
        "resourceType": "MeasureReport",
        "status": "complete",
        "type": "summary",
        "measure": f"{BASE}/Measure/{table.name}",
        "date": reported,
        "period": {"start": f"{first:04}-01-01", "end": f"{last:04}-12-{monthrange(last, 12)[1]}"},
        "group": [_group(table, line, labels or {}) for line in table.lines],
    }


def _group(table: Table, line: Line, labels: Mapping[str, str]) -> dict[str, Any]:
    whole = ALL if ALL in table.columns else next(iter(table.columns), None)
    made: dict[str, Any] = {"code": _concept(line.system, line.code, labels)}
    if whole is not None:
        made["measureScore"] = _quantity(line.figures[whole], line.unit)
    strata = [
        {"value": _column(name, labels), "measureScore": _quantity(line.figures[name], line.unit)}
        for name in table.columns
        if name != ALL
    ]
    if strata:
        code = _concept(INDICATOR, COLUMNS[table.name], labels)
        made["stratifier"] = [{"code": [code], "stratum": strata}]
    return made


def _concept(system: str, code: str, labels: Mapping[str, str]) -> dict[str, Any]:
    made: dict[str, Any] = {"coding": [{"system": system, "code": code}]}
    return {**made, "text": labels[code]} if code in labels else made


def _column(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return _concept(INDICATOR, MADE_COLUMNS[name], labels) if name in MADE_COLUMNS else {"text": name}


def _quantity(figure: Figure, unit: str) -> dict[str, Any]:
    if figure.value is None:
        return {"extension": [{"url": ABSENT, "valueCode": REASON[figure.state]}]}
    return {"value": figure.value, "unit": UNITS[unit], "system": UCUM, "code": unit}
