"""The audit as FHIR: what came, left, was denied, acknowledged or looked at as `AuditEvent`s, for who asks.

A disclosure has the shape of the IHE profile PrivacyDisclosure.Source: who disclosed (the hospital, by this
adapter), to whom, about whom, what, and on what ground. What the hospital told this adapter has that of
PrivacyDisclosure.Recipient. The rows of the chain are the record; these are made from them when they are
asked for, and name the row they come from. What was never sent is no disclosure.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    from adapter.relay.store.values import Act, Disclosed

BALP = "https://profiles.ihe.net/ITI/BALP"
"""IHE Basic Audit Log Patterns 1.1.4."""
PROFILE = f"{BALP}/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Source"
IMPORT_PROFILE = f"{BALP}/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Recipient"
AUTHORIZATION = f"{BALP}/CodeSystem/AuthZsubType"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ENTITY_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
SOURCE_TYPE = "http://terminology.hl7.org/CodeSystem/security-source-type"
SECURITY_ROLE = "http://terminology.hl7.org/CodeSystem/extra-security-role-type"
ROLE_CLASS = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
NETWORK_URI = "5"
SUBJECT_KEY = f"{BASE}/NamingSystem/subject-key"
"""Whose identifier a person has in the store: a keyed hash."""

ENGINE = "silta"
"""Actor of what is sent by itself."""
SUCCEEDED, UNCERTAIN, FAILED = "0", "4", "8"
OUTCOME_OF_ANSWER = {
    "ok": SUCCEEDED,
    "opened": SUCCEEDED,
    "transient-error": UNCERTAIN,
    "fatal-error": FAILED,
}
NOT_TAKEN = frozenset({"invalid", "unreadable", "denied"})
"""Outcomes of an intake of which nothing is relayed, though it is kept with its findings."""
NOTHING_LEFT = frozenset({Class.UNSENT.value})
"""Attempts of which it is proven that nothing was disclosed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What the events of one kind begin with."""

    code: str
    """DICOM audit event."""
    display: str
    subtype: tuple[str, str, str]
    """System, code, display."""
    action: str
    profile: str | None = None
    """Which shape they claim."""


_EXPORT = _Kind(
    code="110106",
    display="Export",
    subtype=(LIFECYCLE, "disclose", "Disclose Record Lifecycle Event"),
    action="R",
    profile=PROFILE,
)
_IMPORT = _Kind(
    code="110107",
    display="Import",
    subtype=(LIFECYCLE, "disclose", "Disclose Record Lifecycle Event"),
    action="C",
    profile=IMPORT_PROFILE,
)
_ANSWER = _Kind(
    code="110107",
    display="Import",
    subtype=(LIFECYCLE, "receive", "Receive/Retain Record Lifecycle Event"),
    action="U",
)
_DENIAL = _Kind(
    code="110113",
    display="Security Alert",
    subtype=(AUTHORIZATION, "AuthZ-Consent", "Authorization Decision using Roles and Consent"),
    action="E",
)
_LOOK = _Kind(
    code="110110",
    display="Patient Record",
    subtype=(LIFECYCLE, "access", "Access/View Record Lifecycle Event"),
    action="R",
)


def bundle_of(
    disclosed: Iterable[Disclosed],
    acts: Iterable[Act],
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
    persons are then told apart by their keyed hashes. `acts`: what came, was denied, acknowledged.
    `looks`: `reveal` rows. `address`, `name`: of this adapter. `names`: of organisations, by key.
    """
    silta = {"type": "Device", "identifier": {"system": URI, "value": address}, "display": name}
    events = [
        _disclosure(each, _patient(each.subject, patient), silta, address, names)
        for each in disclosed
        if each.attempt not in NOTHING_LEFT
    ]
    events += [_act(each, _patient(each.subject, patient), silta, address, names) for each in acts]
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
        **_event(one.row, one.mode, _EXPORT),
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


def _event(row: AuditRow, mode: Mode, kind: _Kind) -> dict[str, Any]:
    """Return what every event begins with; only what claims the profile's shape names it."""
    meta: dict[str, Any] = {"profile": [kind.profile]} if kind.profile else {}
    if mode is Mode.TEST:
        system, tag = TEST_TAG
        meta["security"] = [{"system": system, "code": tag}]
    system, code, display = kind.subtype
    return {
        "resourceType": "AuditEvent",
        "id": report.uuid_of(row.hash),
        **({"meta": meta} if meta else {}),
        "type": {"system": DICOM, "code": kind.code, "display": kind.display},
        "subtype": [{"system": system, "code": code, "display": display}],
        "action": kind.action,
        "recorded": row.at,
    }


def _act(
    one: Act, patient: dict[str, Any], silta: dict[str, Any], address: str, names: Mapping[str, str]
) -> dict[str, Any]:
    """Tell of an act that discloses nothing: by whom, about whom, what came of it and why."""
    row = one.row
    here = {"address": address, "type": NETWORK_URI}
    if one.what == "intake":
        kind, outcome = _IMPORT, UNCERTAIN if row.outcome in NOT_TAKEN else SUCCEEDED
        agents = [_system("110153", one.sender, names), _agent((DICOM, "110152"), silta, network=here)]
    elif one.what == "acknowledgement":
        said = dict(row.pairs)
        code = said.get("code") or said.get("acknowledgement", "")
        kind, outcome = _ANSWER, OUTCOME_OF_ANSWER.get(code, FAILED)
        by = _system("110153", one.recipient or row.actor, names)
        # On the reply form it is a person who has answered.
        person = {"name": row.actor} if row.actor not in (ENGINE, one.recipient) else {}
        agents = [by | person, _agent((DICOM, "110152"), silta, network=here)]
    else:
        kind, outcome = _DENIAL, FAILED
        decider = _agent((SECURITY_ROLE, "authserver"), silta)
        denied = [_agent((ROLE_CLASS, "PROV"), _organisation(one.recipient, names))] if one.recipient else []
        custodian = _agent(("http://snomed.info/sct", "159541003"), _organisation(one.sender, names))
        agents = [decider, *denied, custodian]
    return {
        **_event(row, one.mode, kind),
        "outcome": outcome,
        **({"outcomeDesc": row.reason} if row.reason else {}),
        "agent": agents,
        "source": _source(row.node, silta),
        "entity": [patient, _written_down(row, one.message, ("event", one.event))],
    }


def _system(role: str, organisation: str, names: Mapping[str, str]) -> dict[str, Any]:
    """Return an organisation's system; the trail does not keep where it called from."""
    network = {"address": organisation, "type": NETWORK_URI}
    return _agent((DICOM, role), _organisation(organisation, names), network=network)


def _look(row: AuditRow, patient: dict[str, Any], silta: dict[str, Any], mode: Mode) -> dict[str, Any]:
    message = row.object.removeprefix("message/")
    person = {"who": {"display": row.actor}, "name": row.actor, "requestor": True}
    return {
        **_event(row, mode, _LOOK),
        "outcome": SUCCEEDED,
        "agent": [person, _agent((DICOM, "110153"), silta)],
        "source": _source(row.node, silta),
        "entity": [patient, _written_down(row, message)],
    }


def _written_down(row: AuditRow, message: str, *more: tuple[str, str | None]) -> dict[str, Any]:
    """Name the message of a row, and what the row says beside: ids and codes, no content."""
    return {
        "what": {"identifier": {"system": URI, "value": f"urn:uuid:{message}"}},
        "type": {"system": ENTITY_TYPE, "code": "2", "display": "System Object"},
        "detail": _details(
            ("row", f"{row.node}/{row.sequence}"),
            ("act", row.action),
            ("outcome", row.outcome),
            ("reason", row.reason),
            *more,
            *row.pairs,
        ),
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
            ("register", one.register),
            ("register-type", one.register_type),
            ("controller", one.controller),
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
    system, value = patient if patient is not None else (SUBJECT_KEY, subject)
    identifier = {"identifier": {"system": system, "value": value}} if value else {}
    return {
        "what": {"type": "Patient", **identifier},
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
