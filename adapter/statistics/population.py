"""The people a report is about: one each, as their first assessment describes them.

Read from message Bundles (each one assessment), from Bundles of such Bundles, and from resources on their
own, which belong together if they are about one person on one day. One person counts once: of several
assessments the earliest, and of several versions of one (same identifier of the panel) the newest. What that
assessment does not say is missing; it is never taken from another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from adapter.fhir import bundles, hetu
from adapter.fhir.canonical import code_system
from adapter.statistics.unpacking import content, moment, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from adapter.fhir.json import Json, Resource

ITEM = code_system("assessment-item")
ROUTE = code_system("entry-route")
PANEL = "work-ability-assessment"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
EMPLOYMENT_STATUS = "74165-2"
IDENTITY_CODE = "urn:oid:1.2.246.21"

STATUS = {"224363007": "employed", "160906004": "entrepreneur", "73438004": "unemployed"}
"""The report's word for a code of SNOMED CT; every other status is `other`."""

MONTHS = {"mo": Fraction(1), "a": Fraction(12)}
"""Months in a unit of UCUM."""

DROPPED = ("entered-in-error", "cancelled")

MORE_THAN = 24
"""Months away from work that count as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person of the report. None: her or his first assessment does not say."""

    region: str | None = None
    age: int | None = None
    """Completed years on the day of the assessment."""
    sex: str | None = None
    """`male`, `female` or `other`."""
    status: str | None = None
    """`employed`, `entrepreneur`, `unemployed` or `other`."""
    score: int | None = None
    """Work Ability Score, 0 to 10."""
    months: Fraction | None = None
    """Away from work."""
    route: str | None = None
    """Code of entry-route."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Everybody, and from which to which year their assessments are."""

    people: tuple[Person, ...]
    years: tuple[int, int] | None
    """None if no assessment has a date."""
    without_identifier: int = 0
    """Assessments of people without an identifier: each counts as a person of its own."""


@dataclass(slots=True)
class _Assessment:
    """One assessment, in the resources it came with."""

    patient: Resource
    observations: list[Resource] = field(default_factory=list)
    organisation: Resource | None = None
    day: str = ""
    version: str = ""
    """When it was sent or last changed."""
    identifier: tuple[str, str] | None = None


def population(resources: Iterable[Resource], regions: Mapping[str, str] | None = None) -> Population:
    """Return the people whose assessments are among the resources.

    `regions`: the region of an organisation, by value of an identifier or name; without one its
    `address.state`, else `address.district`, says it.
    """
    by_person: dict[object, list[_Assessment]] = {}
    nameless = 0
    for at, one in enumerate(_newest(_assessments(resources))):
        key = _key(one.patient)
        if key is None:
            nameless += 1
        by_person.setdefault(key or at, []).append(one)
    firsts = [min(several, key=lambda one: (one.day or "9", one.version)) for several in by_person.values()]
    years = sorted(int(one.day[:4]) for one in firsts if one.day[:4].isdecimal())
    return Population(
        people=tuple(_person(one, regions or {}) for one in firsts),
        years=(years[0], years[-1]) if years else None,
        without_identifier=nameless,
    )


def _assessments(resources: Iterable[Resource]) -> Iterator[_Assessment]:
    loose: list[Resource] = []
    for one in unpacked(resources):
        if one.get("resourceType") == "Bundle":
            yield from _message(one)
        else:
            loose.append(one)
    yield from _loose(loose)


def _message(bundle: Resource) -> Iterator[_Assessment]:
    inside = content(bundle)
    patient = next((one for one in inside if one.get("resourceType") == "Patient"), None)
    observations = [one for one in inside if one.get("resourceType") == "Observation"]
    if patient is None or not any(map(_is_of_report, observations)):
        return
    panel = next((one for one in observations if PANEL in _codes(one.get("code"), ITEM)), None)
    first = next(bundles.entries(bundle))
    index = bundles.BundleIndex(bundle)
    sent = str(bundle.get("timestamp", ""))
    days = sorted(filter(None, map(_day, [panel] if panel else observations)))
    yield _Assessment(
        patient,
        observations,
        _organisation(
            first["resource"].get("sender"),
            lambda reference: index.resolve(reference, first.get("fullUrl")),
        ),
        days[0] if days else sent[:10],
        moment(sent),
        _identifier(panel or {}),
    )


def _loose(resources: list[Resource]) -> Iterator[_Assessment]:
    """Yield what belongs together among resources on their own: one person, one day."""
    known = {f"{one.get('resourceType')}/{one['id']}": one for one in resources if "id" in one}

    def find(reference: str) -> Resource | None:
        target = bundles.target_of(reference)
        return known.get(target.relative) if target is not None else None

    together: dict[tuple[str, str], _Assessment] = {}
    for one in resources:
        subject = find(_reference(one.get("subject"))) if one.get("resourceType") == "Observation" else None
        if subject is None or not (_is_of_report(one) or one.get("hasMember")):
            continue
        day = _day(one)
        made = together.setdefault((str(subject.get("id")), day), _Assessment(subject, day=day))
        made.observations.append(one)
        made.version = max(made.version, moment(one.get("meta", {}).get("lastUpdated", one.get("issued"))))
        if one.get("hasMember"):
            made.identifier = _identifier(one)
        for performer in (*one.get("performer", ()), subject.get("managingOrganization")):
            made.organisation = made.organisation or _organisation(performer, find)
    yield from (one for one in together.values() if any(map(_is_of_report, one.observations)))


def _newest(assessments: Iterable[_Assessment]) -> Iterator[_Assessment]:
    """Yield the newest version of each, unless that one was withdrawn."""
    latest: dict[object, _Assessment] = {}
    for at, one in enumerate(assessments):
        key = one.identifier or at
        if key not in latest or latest[key].version < one.version:
            latest[key] = one
    for one in latest.values():
        one.observations = [other for other in one.observations if other.get("status") not in DROPPED]
        if any(map(_is_of_report, one.observations)):
            yield one


def _is_of_report(observation: Resource) -> bool:
    code = observation.get("code")
    return bool(_codes(code, ITEM) or EMPLOYMENT_STATUS in _codes(code, LOINC))


def _person(one: _Assessment, regions: Mapping[str, str]) -> Person:
    status = _value(one, LOINC, EMPLOYMENT_STATUS, "valueCodeableConcept")
    route = _value(one, ITEM, "entry-route", "valueCodeableConcept")
    months = _value(one, ITEM, "time-away-from-work", "valueQuantity")
    score = _value(one, ITEM, "was", "valueInteger")
    return Person(
        region=_region(one.organisation, regions),
        age=_age(_birth_date(one.patient), one.day),
        sex=_sex(one.patient),
        status=_status(status),
        score=score if isinstance(score, int) and 0 <= score <= 10 else None,
        months=_months(months),
        route=next(iter(sorted(_codes(route, ROUTE))), None),
    )


def _value(one: _Assessment, system: str, code: str, key: str) -> Json:
    found = (other.get(key) for other in one.observations if code in _codes(other.get("code"), system))
    return next((value for value in found if value is not None), None)


def _status(concept: Json) -> str | None:
    codes = _codes(concept, SNOMED)
    if not codes and not (concept or {}).get("coding"):
        return None
    return next((STATUS[code] for code in sorted(codes) if code in STATUS), "other")


def _months(quantity: Json) -> Fraction | None:
    if not isinstance(quantity, dict) or quantity.get("comparator"):
        return None
    unit = MONTHS.get(str(quantity.get("code", quantity.get("unit"))))
    value = quantity.get("value")
    return None if unit is None or value is None else Fraction(str(value)) * unit


def _codes(concept: Json, system: str) -> set[str]:
    codings = concept.get("coding", ()) if isinstance(concept, dict) else ()
    return {str(one.get("code")) for one in codings if one.get("system") == system}


def _day(observation: Resource) -> str:
    stated = observation.get("effectiveDateTime") or observation.get("effectivePeriod", {}).get("start") or ""
    return str(stated)[:10]


def _identifier(resource: Resource) -> tuple[str, str] | None:
    first: dict[str, Any] = next(iter(resource.get("identifier", ())), {})
    return (str(first.get("system")), str(first["value"])) if "value" in first else None


def _key(patient: Resource) -> tuple[str, str] | None:
    """Return what tells the person apart: the identity code, else the first identifier by order of text."""
    found = sorted(
        (one.get("system") != IDENTITY_CODE, str(one.get("system")), str(one["value"]).upper())
        for one in patient.get("identifier", ())
        if one.get("value")
    )
    return found[0][1:] if found else None


def _identity(patient: Resource) -> hetu.Hetu | None:
    stated = (one.get("value") for one in patient.get("identifier", ()) if one.get("system") == IDENTITY_CODE)
    return next((code for value in stated if value and (code := hetu.read(str(value)))), None)


def _birth_date(patient: Resource) -> str:
    """Return the day of birth as stated, else as the identity code says it."""
    stated = str(patient.get("birthDate", ""))
    code = _identity(patient) if len(stated) < 10 else None
    return code.birth_date.isoformat() if code is not None else stated


def _sex(patient: Resource) -> str | None:
    stated = patient.get("gender")
    return {"male": "male", "female": "female", "other": "other"}.get(str(stated))


def _age(born: str, day: str) -> int | None:
    """Return completed years; None if either is no whole date."""
    if len(born) != 10 or len(day) != 10:
        return None
    years = int(day[:4]) - int(born[:4]) - (day[5:] < born[5:])
    return years if years >= 0 else None


def _organisation(reference: Json, find: Callable[[str], Resource | None]) -> Resource | None:
    """Return the organisation that a reference leads to, over a PractitionerRole too."""
    found = find(_reference(reference))
    if found is not None and found.get("resourceType") == "PractitionerRole":
        found = find(_reference(found.get("organization")))
    return found if found is not None and found.get("resourceType") == "Organization" else None


def _reference(reference: Json) -> str:
    return str(reference.get("reference", "")) if isinstance(reference, dict) else ""


def _region(organisation: Resource | None, regions: Mapping[str, str]) -> str | None:
    if organisation is None:
        return None
    names = [
        *(str(one.get("value")) for one in organisation.get("identifier", ())),
        str(organisation.get("name")),
    ]
    stated = [
        str(address[key])
        for key in ("state", "district")
        for address in organisation.get("address", ())
        if key in address
    ]
    return next((regions[name] for name in names if name in regions), stated[0] if stated else None)
