"""What a notification says, apart from how: the facts that a change of format must keep."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from adapter.fhirpath import compile_expression

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "https://silta.example/fhir"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT")


def _ask(bundle: dict[str, Any], expression: str) -> list[str]:
    return [str(value) for value in compile_expression(expression, context="Bundle")(bundle)]


def _of(bundle: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    return (e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind)


def _concept(concept: dict[str, Any]) -> tuple[Any, ...]:
    """Codes with their systems, and the words for them wherever they stand."""
    codings = concept.get("coding", [])
    words = concept.get("text") or next((each["display"] for each in codings if "display" in each), None)
    return (tuple((each.get("system"), each.get("code")) for each in codings if "code" in each), words)


def _person_of(reference: dict[str, Any]) -> tuple[Any, ...]:
    identifier = reference.get("identifier", {})
    return (identifier.get("system"), identifier.get("value"), reference.get("display"))


def _party(bundle: dict[str, Any], reference: dict[str, Any]) -> tuple[Any, ...]:
    found = next(e["resource"] for e in bundle["entry"] if e.get("fullUrl") == reference.get("reference"))
    ids = found.get("identifier", [])
    return (found.get("name"), tuple((each.get("system"), each.get("value")) for each in ids[:1]))


def _extension(resource: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    return (
        each for each in resource.get("extension", []) if each["url"] == f"{BASE}/StructureDefinition/{name}"
    )


def _procedure(bundle: dict[str, Any], procedure: dict[str, Any]) -> tuple[Any, ...]:
    roles = {e["fullUrl"]: e["resource"] for e in bundle["entry"]}
    doers = [roles[each["actor"]["reference"]] for each in procedure.get("performer", [])]
    period = procedure.get("performedPeriod", {})
    return (
        procedure["status"],
        _concept(procedure.get("code", {})),
        procedure.get("performedDateTime") or period.get("end") or period.get("start"),
        tuple(_person_of(each.get("practitioner", {})) for each in doers),
        tuple(_concept(said) for each in doers for said in each.get("specialty", [])),
        procedure.get("location", {}).get("display"),
        tuple(_concept(each) for each in procedure.get("reasonCode", [])),
        tuple((each.get("system"), each.get("value")) for each in procedure.get("identifier", [])),
    )


def _leave(bundle: dict[str, Any], leave: dict[str, Any]) -> tuple[Any, ...]:
    period = leave["effectivePeriod"]
    items = {
        each["code"]["coding"][0]["code"]: each.get("valueDateTime")
        or each["valueCodeableConcept"]["coding"][0]["code"]
        for each in leave.get("component", [])
    }
    return (
        period.get("start"),
        period.get("end"),
        items,
        tuple(_person_of(each) for each in leave.get("performer", []) if "reference" not in each),
        tuple(_party(bundle, each["valueReference"]) for each in _extension(leave, "continues-by")),
    )


def facts(bundle: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a notification message, each under a name of its own."""
    [communication] = _of(bundle, "Communication")
    [patient] = _of(bundle, "Patient")
    employers = _extension(communication, "employer")
    return {
        "meaning": _ask(bundle, "entry.resource.ofType(MessageHeader).reason.coding.code"),
        "notification": [(each.get("system"), each["value"]) for each in communication["identifier"]],
        "sent": communication["sent"],
        "sender": _party(bundle, communication["sender"]),
        "recipients": sorted(_party(bundle, each) for each in communication.get("recipient", [])),
        "identifiers": [
            (each.get("use"), each.get("system"), each["value"]) for each in patient.get("identifier", [])
        ],
        "names": [(each.get("family"), " ".join(each.get("given", []))) for each in patient.get("name", [])],
        "born": patient.get("birthDate"),
        "sex": patient.get("gender"),
        "language": _ask(bundle, "entry.resource.ofType(Patient).communication.language.coding.code"),
        "protected": _ask(bundle, "entry.resource.ofType(Patient).meta.security.code"),
        "addresses": [
            {key: each.get(key) for key in ("line", "city", "postalCode", "country")}
            for each in patient.get("address", [])
        ],
        "numbers": [each["value"].replace(" ", "") for each in patient.get("telecom", [])],
        "procedures": [_procedure(bundle, each) for each in _of(bundle, "Procedure")],
        "diagnoses": [
            (_concept(each["code"]), each.get("recordedDate")) for each in _of(bundle, "Condition")
        ],
        "leave": [_leave(bundle, each) for each in _of(bundle, "Observation")],
        "asked": [
            each["code"]["coding"][0]["code"] for each in _of(bundle, "ServiceRequest") if "code" in each
        ],
        "notes": [each["contentString"] for each in communication.get("payload", [])],
        "call": [
            each["valueContactPoint"]["value"].replace(" ", "")
            for each in _extension(communication, "contact-point")
        ],
        "employer": [_party(bundle, each["valueReference"]) for each in employers],
        "basis": [
            each["valueCodeableConcept"]["coding"][0]["code"]
            for each in _extension(communication, "disclosure-basis")
        ],
        "consent": [
            (
                each["valueReference"]["identifier"].get("system"),
                each["valueReference"]["identifier"]["value"],
            )
            for each in _extension(communication, "disclosure-consent")
        ],
    }
