"""Notifications made to measure for the tests of the deciding functions. Everybody in here is invented."""

from __future__ import annotations

from typing import Any

HOSPITAL = "urn:oid:1.2.246.10.1111111.10.1"
CLINIC = "urn:oid:1.2.246.10.2222222.10.1"
OTHER_CLINIC = "urn:oid:1.2.246.10.3333333.10.1"
EMPLOYER = "urn:oid:1.2.246.10|1234567-8"
BASE = "https://silta.example/fhir"
IDENTITY_CODE = "010190-999W"
PROCEDURES = "urn:oid:1.2.246.537.6.2"
ICD10 = "urn:oid:1.2.246.537.6.1"


def concept(system: str, code: str, **more: Any) -> dict[str, Any]:
    """A CodeableConcept of one code."""
    return {"coding": [{"system": system, "code": code, **more}]}


def organisation(key: str, name: str) -> dict[str, Any]:
    """An Organization resource with that key."""
    system, bar, value = key.partition("|")
    identifier = {"system": system, "value": value} if bar else {"value": key}
    return {"resourceType": "Organization", "identifier": [identifier], "name": name}


def bundle(
    *,
    event: str = "procedure-notification",
    reason: str = "done",
    procedure: str = "NGD10",
    diagnosis: str = "M23.2",
    performed: str | None = "2026-03-02T10:30:00+02:00",
    status: str = "completed",
    ward: str = "KIR2",
    recipients: tuple[str, ...] = (CLINIC,),
    employer: str | None = None,
    referrers: tuple[str | None, ...] = (),
    leave: tuple[str, str] | None = ("2026-03-02", "2026-03-31"),
    patient: dict[str, Any] | None = None,
    notification: str = "V-1",
    sent: str = "2026-03-04T14:05:00+02:00",
    test: bool = True,
    **more: Any,
) -> dict[str, Any]:
    """A message Bundle as a hospital sends it."""
    extension = (
        [{"url": f"{BASE}/StructureDefinition/employer", "valueReference": {"reference": "urn:employer"}}]
        if employer
        else []
    )
    about = [{"reference": "urn:procedure"}, {"reference": "urn:request"}]
    if leave:
        about.append({"reference": "urn:leave"})
    entries: dict[str, dict[str, Any]] = {
        "urn:header": {
            "resourceType": "MessageHeader",
            "id": "header-1",
            "eventCoding": {"system": f"{BASE}/CodeSystem/message-event", "code": event},
            "reason": concept(f"{BASE}/CodeSystem/event-meaning", reason),
            "sender": {"reference": "urn:hospital"},
            "source": {"name": ward, "endpoint": f"https://{ward.lower()}.hospital.invalid"},
            "focus": [{"reference": "urn:communication"}],
        },
        "urn:hospital": organisation(HOSPITAL, f"Keskussairaala {ward}")
        | {"telecom": [{"system": "phone", "value": "014 000 1111"}]},
        "urn:patient": {
            "resourceType": "Patient",
            "identifier": [
                {
                    "use": "official",
                    "type": concept("http://terminology.hl7.org/CodeSystem/v2-0203", "NNFIN"),
                    "system": "urn:oid:1.2.246.21",
                    "value": IDENTITY_CODE,
                },
                {
                    "use": "usual",
                    "system": f"urn:oid:1.2.246.10.1111111.10.{len(ward)}",
                    "value": f"{ward}-77",
                },
            ],
            "name": [{"family": "Esimerkki", "given": ["Erkki"], "text": "Erkki Esimerkki"}],
            "birthDate": "1990-01-01",
            "gender": "male",
            "telecom": [{"system": "phone", "value": "040 000 0000"}],
            "address": [{"line": ["Keksitty tie 1"], "city": "Keksilä", "postalCode": "99999"}],
            "extension": [
                {
                    "url": "https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/municipality-code",
                    "valueCodeableConcept": concept("urn:oid:1.2.246.537.6.21", "020"),
                }
            ],
            **(patient or {}),
        },
        "urn:communication": {
            "resourceType": "Communication",
            "identifier": [{"system": "urn:visits", "value": notification}],
            "status": "completed",
            "sent": sent,
            "subject": {"reference": "urn:patient"},
            "sender": {"reference": "urn:hospital"},
            "recipient": [{"reference": f"urn:recipient-{n}"} for n in range(len(recipients))],
            "about": about,
            "reasonReference": [{"reference": "urn:diagnosis"}],
            "payload": [{"contentString": f"Osasto {ward}, toimenpide {procedure}."}],
            "extension": extension,
        },
        "urn:procedure": {
            "resourceType": "Procedure",
            "status": status,
            "code": concept(PROCEDURES, procedure, display=f"Toimenpide {procedure}"),
            "subject": {"reference": "urn:patient"},
            "location": {"display": ward},
            "performer": [{"actor": {"display": f"Kirurgi {ward}"}}],
            **({"performedDateTime": performed} if performed else {}),
        },
        "urn:diagnosis": {
            "resourceType": "Condition",
            "code": concept(ICD10, diagnosis),
            "subject": {"reference": "urn:patient"},
        },
        "urn:request": {
            "resourceType": "ServiceRequest",
            "status": "active",
            "intent": "proposal",
            "code": concept(f"{BASE}/CodeSystem/oh-request", "contact-patient"),
            "subject": {"reference": "urn:patient"},
            "requester": {"reference": "urn:hospital"},
        },
    }
    if leave:
        entries["urn:leave"] = {
            "resourceType": "Observation",
            "status": "final",
            "category": [
                concept("http://terminology.hl7.org/CodeSystem/observation-category", "social-history")
            ],
            "code": concept("http://snomed.info/sct", "224459001"),
            "subject": {"reference": "urn:patient"},
            "effectivePeriod": {"start": leave[0], "end": leave[1]},
            "performer": [{"type": "Practitioner", "display": f"Lääkäri {ward}"}],
        }
    for number, key in enumerate(recipients):
        entries[f"urn:recipient-{number}"] = organisation(key, f"Vastaanottaja {number}")
    if employer:
        entries["urn:employer"] = organisation(employer, "Keksitty Oy")
    if referrers:
        entries["urn:communication"]["basedOn"] = [
            {"reference": f"urn:referral-{number}"} for number in range(len(referrers))
        ]
    for number, key in enumerate(referrers):
        entries[f"urn:referral-{number}"] = {
            "resourceType": "ServiceRequest",
            "status": "active",
            "intent": "order",
            "subject": {"reference": "urn:patient"},
            "requester": {"reference": f"urn:referrer-{number}"},
        }
        if key:
            entries[f"urn:referrer-{number}"] = organisation(key, f"Lähettäjä {number}")
    tag = {"tag": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}]}
    return {
        "resourceType": "Bundle",
        "id": "bundle-1",
        "type": "message",
        "timestamp": sent,
        **({"meta": tag} if test else {}),
        "entry": [{"fullUrl": url, "resource": resource} for url, resource in entries.items()],
        **more,
    }


def without(message: dict[str, Any], *kinds: str) -> dict[str, Any]:
    """The same Bundle without the resources of these types."""
    kept = [each for each in message["entry"] if each["resource"]["resourceType"] not in kinds]
    return message | {"entry": kept}


def resource(message: dict[str, Any], kind: str) -> dict[str, Any]:
    """The first resource of a type."""
    return next(each["resource"] for each in message["entry"] if each["resource"]["resourceType"] == kind)
