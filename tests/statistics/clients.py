"""Invented clients of work-ability centres, as many and as mixed as asked for: assessments in messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapter.fhir.canonical import code_system

if TYPE_CHECKING:
    from collections.abc import Iterator

ITEM = code_system("assessment-item")
ROUTE = code_system("entry-route")
SNOMED = {
    "employed": "224363007",
    "entrepreneur": "160906004",
    "unemployed": "73438004",
    "retired": "105493001",
}
DAY = "2018-06-15"


@dataclass(frozen=True, kw_only=True)
class Marginals:
    """How many clients of each kind; what is not said is missing. Parts may not exceed `size`."""

    size: int
    region: str
    ages: dict[int, int] = field(default_factory=dict)
    sexes: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    scores: dict[int, int] = field(default_factory=dict)
    routes: dict[str, int] = field(default_factory=dict)
    unemployed_months: dict[int, int] = field(default_factory=dict)


def clients(marginals: Marginals) -> Iterator[dict[str, Any]]:
    """Yield one message for each client."""
    columns = [
        _spread(given, marginals.size, shift)
        for shift, given in enumerate(
            (marginals.ages, marginals.sexes, marginals.statuses, marginals.scores, marginals.routes)
        )
    ]
    months = iter([value for value, count in marginals.unemployed_months.items() for _ in range(count)])
    for number, (age, sex, status, score, route) in enumerate(zip(*columns, strict=True)):
        away = next(months, None) if status == "unemployed" else None
        yield message(
            f"{marginals.region}-{number}",
            region=marginals.region,
            age=age,
            sex=sex,
            status=status,
            score=score,
            route=route,
            months=away,
        )


def _spread(given: dict[Any, int], size: int, shift: int) -> list[Any]:
    """Return the values as often as asked, nothing for the rest, in an order of their own."""
    values = [value for value, count in given.items() for _ in range(count)]
    values += [None] * (size - len(values))
    step = next(step for step in range(7 + 6 * shift, 10_000) if _is_coprime(step, size))
    return [values[(at * step) % size] for at in range(size)]


def _is_coprime(a: int, b: int) -> bool:
    while b:
        a, b = b, a % b
    return a == 1


def message(
    name: str,
    *,
    region: str | None = None,
    age: int | None = None,
    sex: str | None = None,
    status: str | None = None,
    score: int | None = None,
    route: str | None = None,
    months: int | None = None,
    day: str = DAY,
    panel: str | None = None,
    sent: str | None = None,
    panel_status: str = "final",
) -> dict[str, Any]:
    """Return one assessment as a message; `name` is the person's number at the centre."""
    patient: dict[str, Any] = {
        "resourceType": "Patient",
        "identifier": [{"system": "https://silta.example/fhir/sid/client", "value": name}],
    }
    if age is not None:
        patient["birthDate"] = f"{int(day[:4]) - age}-01-01"
    if sex is not None:
        patient["gender"] = sex
    organisation: dict[str, Any] = {"resourceType": "Organization", "name": f"Toimintakykykeskus {region}"}
    if region is not None:
        organisation["address"] = [{"state": region}]
    results = [
        (ITEM, "was", score is not None, {"valueInteger": score}),
        ("http://loinc.org", "74165-2", status, _concept("http://snomed.info/sct", SNOMED.get(status or ""))),
        (ITEM, "entry-route", route, _concept(ROUTE, route)),
        (ITEM, "time-away-from-work", months is not None, _months(months)),
    ]
    header = {
        "resourceType": "MessageHeader",
        "eventCoding": {"system": code_system("message-event"), "code": "assessment"},
        "sender": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000002"},
        "source": {"endpoint": "https://silta.example/source"},
    }
    content = [
        header,
        organisation,
        patient,
        _observation(ITEM, "work-ability-assessment", day, panel_status)
        | {
            "identifier": [
                {"system": "https://silta.example/fhir/sid/assessment", "value": panel or f"{name}-{day}"}
            ]
        },
        *(
            _observation(system, code, day, panel_status)
            | (value if is_given else {"dataAbsentReason": {"text": "ei vastattu"}})
            for system, code, is_given, value in results
        ),
    ]
    return {
        "resourceType": "Bundle",
        "type": "message",
        "timestamp": sent or f"{day}T12:00:00+03:00",
        "entry": [
            {"fullUrl": f"urn:uuid:00000000-0000-4000-8000-{at:012}", "resource": one}
            for at, one in enumerate(content, 1)
        ],
    }


def _observation(system: str, code: str, day: str, status: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": status,
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000003"},
        "effectiveDateTime": day,
    }


def _concept(system: str, code: str | None) -> dict[str, Any]:
    return {"valueCodeableConcept": {"coding": [{"system": system, "code": code}]}}


def _months(months: int | None) -> dict[str, Any]:
    return {
        "valueQuantity": {"value": months, "unit": "kk", "system": "http://unitsofmeasure.org", "code": "mo"}
    }


PIRKANMAA = Marginals(
    size=604,
    region="Pirkanmaa",
    ages={48: 204, 38: 200, 58: 200},
    sexes={"male": 211, "female": 393},
    statuses={"employed": 181, "entrepreneur": 36, "unemployed": 387},
    scores={0: 40, 2: 120, 3: 120, 4: 124, 6: 100, 8: 80, 9: 20},
    routes={
        "employment-services": 199,
        "self": 145,
        "specialised-care": 109,
        "primary-care": 79,
        "other": 72,
    },
    unemployed_months={6: 100, 24: 94, 25: 100, 60: 93},
)
"""604 clients with the published shares of a work-ability centre of 2018; each client is invented."""

ETELA_POHJANMAA = Marginals(
    size=164,
    region="Etelä-Pohjanmaa",
    ages={48: 164},
    sexes={"male": 70, "female": 94},
    statuses={"employed": 37, "entrepreneur": 5, "unemployed": 122},
    scores={0: 10, 3: 60, 4: 34, 7: 40, 9: 20},
    routes={"employment-services": 56, "self": 7, "specialised-care": 43, "primary-care": 31, "other": 27},
    unemployed_months={12: 45, 36: 77},
)
"""164 clients of another."""
