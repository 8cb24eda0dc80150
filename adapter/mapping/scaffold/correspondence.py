"""What is certain about a source without a model of its own: where the standards say what a place means.

HL7 v2: the segment maps of HL7's v2-to-FHIR guide, as far as a field means one element and nothing hangs on
other fields. CDA R2: the header's patient. A field that may mean several things has no row here.
"""

from __future__ import annotations

from dataclasses import dataclass

from adapter.fhir.canonical import BASE

V2_SEX = f"{BASE}/ConceptMap/v2-sex"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One place of the source and the element that it means."""

    path: tuple[str, ...]
    element: str
    value: str = "{source}"
    """The transform, with `{source}` where the place stands."""
    group: str | None = None
    """A group of the shipped data types instead of a transform."""
    where: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The part of a source that one resource of a type is made of."""

    path: tuple[str, ...]
    rows: tuple[Row, ...]
    repeats: bool = False
    """True if a source may hold several, so that the result is a Bundle whatever the sample has."""


def _date(path: str, element: str) -> Row:
    return Row(path=(path,), element=element, value="cast({source}, 'date')")


def _moment(path: str, element: str) -> Row:
    return Row(path=(path,), element=element, value="cast({source}, 'dateTime')")


def _part(path: str, element: str, group: str) -> Row:
    return Row(path=tuple(path.split(".")), element=element, group=group)


_SEX = f"translate({{source}}, '{V2_SEX}', 'code')"

OF_V2 = {
    "Patient": Anchor(path=("PID",), rows=(
        _part("f3", "identifier", "PersonIdentifier"), _part("f5", "name", "PersonName"),
        _date("f7", "birthDate"), Row(path=("f8",), element="gender", value=_SEX),
        _part("f11", "address", "PostalAddress"), _moment("f29", "deceased"),
    )),
    "Encounter": Anchor(path=("PV1",), rows=(
        _part("f19", "identifier", "VisitNumber"), _moment("f44", "period.start"),
        _moment("f45", "period.end"),
    )),
    "Procedure": Anchor(path=("PR1",), repeats=True, rows=(
        _part("f3", "code", "Concept"), _moment("f5", "performed"),
    )),
    "Condition": Anchor(path=("DG1",), repeats=True, rows=(
        _part("f3", "code", "Concept"), _moment("f5", "onset"),
    )),
    "AllergyIntolerance": Anchor(path=("AL1",), repeats=True, rows=(_part("f3", "code", "Concept"),)),
    "Observation": Anchor(path=("OBX",), repeats=True, rows=(
        _part("f3", "code", "Concept"), _moment("f14", "effective"),
        Row(path=("f5",), element="value", value="cast({source}, 'string')",
            where="%{anchor}.f2.c1 = 'ST' or %{anchor}.f2.c1 = 'TX'"),
    )),
}  # fmt: skip
"""HL7 v2, by the type that a segment gives."""
OF_CDA = {
    "Patient": Anchor(path=("recordTarget", "patientRole"), rows=(
        _part("id", "identifier", "PersonIdentifier"), _part("patient.name", "name", "PersonName"),
        _part("addr", "address", "PostalAddress"), _part("telecom", "telecom", "Telecom"),
        Row(path=("patient", "birthTime", "value"), element="birthDate", value="cast({source}, 'date')"),
        Row(path=("patient", "administrativeGenderCode", "code"), element="gender", value=_SEX,
            where="$this != 'UN'"),
    )),
}  # fmt: skip
"""CDA R2. `UN` is undifferentiated, which administrative-gender does not say."""
