"""The audit as FHIR: each disclosure and each look at content as an `AuditEvent`, when a person asks.

A disclosure has the shape of the IHE profile PrivacyDisclosure.Source: who disclosed (the hospital, by this
adapter), to whom, about whom, what, and on what ground. The rows of the chain are the record; these are made
from them when they are asked for, and name the row they come from. What was never sent is no disclosure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.fhir.canonical import BASE, URI, code_system
from adapter.relay import report
from adapter.relay.audit import moment
from adapter.relay.disclosure import concept
from adapter.relay.message import SUCCESS, Mode
from adapter.relay.notification import ACT_REASON, TEST_TAG
from adapter.relay.retry import Class

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from adapter.relay.audit import AuditRow
    from adapter.relay.store.values import Disclosed

PROFILE = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Source"
"""IHE Basic Audit Log Patterns 1.1.4."""
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ENTITY_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
SOURCE_TYPE = "http://terminology.hl7.org/CodeSystem/security-source-type"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
NETWORK_URI = "5"
SUBJECT_KEY = f"{BASE}/NamingSystem/subject-key"
"""Whose identifier a person has in the store: a keyed hash."""

ENGINE = "silta"
"""Actor of what is sent by itself."""
SUCCEEDED, UNCERTAIN = "0", "4"
NOTHING_LEFT = frozenset({Class.UNSENT.value})
"""Attempts of which it is proven that nothing was disclosed."""


def bundle_of(
    disclosed: Iterable[Disclosed],
    looks: Iterable[AuditRow],
    *,
    patient: tuple[str, str] | None,
    address: str,
    name: str,
    names: Mapping[str, str],
    mode: Mode,
    at: datetime,
) -> dict[str, Any]:
    """Return a collection of AuditEvents, the oldest first.

    `patient`: system and value of the identifier that was asked for; None where a recipient was, whose
    persons are then told apart by their keyed hashes. `looks`: `reveal` rows. `address`, `name`: of this
    adapter. `names`: of organisations, by key.
    """
    silta = {"type": "Device", "identifier": {"system": URI, "value": address}, "display": name}
    events = [
        _disclosure(each, _patient(each.subject, patient), silta, address, names)
        for each in disclosed
        if each.attempt not in NOTHING_LEFT
    ]
    events += [_look(row, _patient(None, patient), silta, mode) for row in looks]
    events.sort(key=lambda event: str(event["recorded"]))
    entries = [{"fullUrl": f"urn:uuid:{event['id']}", "resource": event} for event in events]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": moment(at),
        **({"entry": entries} if entries else {}),
    }


def _disclosure(
    one: Disclosed,
    patient: dict[str, Any],
    silta: dict[str, Any],
    address: str,
    names: Mapping[str, str],
) -> dict[str, Any]:
    basis, _, consent = (one.basis or "").partition(":")
    custodian = _agent(
        ("http://snomed.info/sct", "159541003"),  # as the profile has it
        _organisation(one.sender, names),
        **({"policy": [f"{code_system('disclosure-basis')}#{basis}"]} if basis else {}),
    )
    is_certain = one.state in SUCCESS or one.attempt not in (None, Class.AMBIGUOUS.value)
    return {
        **_event(one.row, one.mode, ("110106", "Export"), ("disclose", "Disclose Record Lifecycle Event")),
        "outcome": SUCCEEDED if is_certain else UNCERTAIN,
        **({} if is_certain else {"outcomeDesc": "It is not certain that it arrived."}),
        **({"purposeOfEvent": [concept(ACT_REASON, one.purpose)]} if one.purpose else {}),
        "agent": [
            _agent((DICOM, "110153"), silta, network={"address": address, "type": NETWORK_URI}),
            _agent(
                (DICOM, "110152"),
                _organisation(one.recipient, names),
                # Where it was written down, the address it went to; else the organisation's own name.
                network={"address": one.endpoint or one.recipient, "type": NETWORK_URI},
                # On the reply form it is a person who was shown it.
                **({"name": one.row.actor} if one.row.actor != ENGINE else {}),
            ),
            custodian,
        ],
        "source": _source(one.row.node, silta),
        "entity": [patient, _copy(one), *([_consent(consent)] if consent else [])],
    }


def _event(row: AuditRow, mode: Mode, kind: tuple[str, str], lifecycle: tuple[str, str]) -> dict[str, Any]:
    """Return what every event begins with; only what claims the profile's shape names it."""
    code, display = kind
    meta: dict[str, Any] = {"profile": [PROFILE]} if code == "110106" else {}
    if mode is Mode.TEST:
        system, tag = TEST_TAG
        meta["security"] = [{"system": system, "code": tag}]
    return {
        "resourceType": "AuditEvent",
        "id": report.uuid_of(row.hash),
        **({"meta": meta} if meta else {}),
        "type": {"system": DICOM, "code": code, "display": display},
        "subtype": [{"system": LIFECYCLE, "code": lifecycle[0], "display": lifecycle[1]}],
        "action": "R",
        "recorded": row.at,
    }


def _look(row: AuditRow, patient: dict[str, Any], silta: dict[str, Any], mode: Mode) -> dict[str, Any]:
    message = row.object.removeprefix("message/")
    person = {"who": {"display": row.actor}, "name": row.actor, "requestor": True}
    return {
        **_event(row, mode, ("110110", "Patient Record"), ("access", "Access/View Record Lifecycle Event")),
        "outcome": SUCCEEDED,
        "agent": [person, _agent((DICOM, "110153"), silta)],
        "source": _source(row.node, silta),
        "entity": [
            patient,
            {
                "what": {"identifier": {"system": URI, "value": f"urn:uuid:{message}"}},
                "type": {"system": ENTITY_TYPE, "code": "2", "display": "System Object"},
                "detail": _details(("row", f"{row.node}/{row.sequence}"), ("reason", row.reason), *row.pairs),
            },
        ],
    }


def _copy(one: Disclosed) -> dict[str, Any]:
    return {
        "what": {"type": "Bundle", "identifier": {"system": URI, "value": f"urn:uuid:{one.bundle_id}"}},
        "type": {"system": ENTITY_TYPE, "code": "2", "display": "System Object"},
        "role": {"system": ENTITY_ROLE, "code": "3", "display": "Report"},
        "detail": _details(
            ("row", f"{one.row.node}/{one.row.sequence}"),
            ("message", one.message),
            ("delivery", one.delivery),
            ("event", one.event),
            ("kind", one.kind.value),
            ("level", one.level),
            ("basis", one.basis),
            ("evidence", one.evidence),
            ("attempt", one.attempt),
            ("rules", one.rules),
            ("content", one.content),
        ),
    }


def _consent(reference: str) -> dict[str, Any]:
    """Name the consent it rests on, and its version. `reference`: `Consent/<id>#<version>`."""
    id, _, version = reference.removeprefix("Consent/").partition("#")
    return {
        "what": {"reference": f"Consent/{id}/_history/{version}", "type": "Consent"},
        "type": {"system": RESOURCE_TYPES, "code": "Consent"},
    }


def _patient(subject: str | None, patient: tuple[str, str] | None) -> dict[str, Any]:
    if patient is not None:
        identifier = {"system": patient[0], "value": patient[1]}
    else:
        identifier = {"system": SUBJECT_KEY, "value": subject or ""}
    return {
        "what": {"type": "Patient", "identifier": identifier},
        "type": {"system": ENTITY_TYPE, "code": "1", "display": "Person"},
        "role": {"system": ENTITY_ROLE, "code": "1", "display": "Patient"},
    }


def _agent(kind: tuple[str, str], who: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    system, code = kind
    return {
        "type": {"coding": [{"system": system, "code": code}]},
        "who": who,
        "requestor": False,
        **more,
    }


def _organisation(key: str, names: Mapping[str, str]) -> dict[str, Any]:
    """Refer to an organisation by the identifier its key is made of."""
    system, bar, value = key.rpartition("|")
    identifier = {"system": system, "value": value} if bar else {"system": URI, "value": key}
    display = {"display": names[key]} if key in names else {}
    return {"type": "Organization", "identifier": identifier, **display}


def _source(node: str, silta: dict[str, Any]) -> dict[str, Any]:
    kind = {"system": SOURCE_TYPE, "code": "4", "display": "Application Server"}
    return {"site": node, "observer": silta, "type": [kind]}


def _details(*pairs: tuple[str, str | None]) -> list[dict[str, str]]:
    return [{"type": name, "valueString": value} for name, value in pairs if value]
