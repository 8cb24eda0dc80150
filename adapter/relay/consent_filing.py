"""Consents that come in by a door: who may file what, and under which id.

A permit opens the register of whoever files it, and of nobody else: nobody permits himself what another
holds. A denial anybody may file, because it can only keep something back. What was filed belongs to its
filer: only they change it, and to others it does not exist. An operator may withdraw any consent, for the
patient who came to say so.

A withdrawal is a new version that is not active. It holds from its commit: whatever has not been sent by then
is asked again before it goes.

A message may bring consents of its patient along (`of_message`). It has no say over versions, as whoever
puts a Consent has: so it brings back nothing that was taken back, and what it cannot say clearly permits
nothing.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter.errors import AdapterError, Conflict, Malformed, NotFound, NotPermitted
from adapter.fhir import hetu
from adapter.outcome import Issue
from adapter.relay import consent_record, decision
from adapter.relay.consent_record import Verdict
from adapter.relay.disclosure import identifier_of as written
from adapter.relay.disclosure_rules import Basis
from adapter.relay.element import child, children, text
from adapter.relay.message import ConsentFiling, Mode
from adapter.relay.store.values import NewConsent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter.relay.deployment import Relay
    from adapter.relay.element import Element
    from adapter.relay.source import Source
    from adapter.relay.store import Store
    from adapter.relay.store.values import ConsentVersion

IDS = uuid.uuid5(uuid.NAMESPACE_URL, "https://silta.example/fhir/Consent")
"""Ids of consents that their filer names by an identifier are made from it: they are the same every time."""


@dataclass(frozen=True, slots=True)
class Filed:
    """A consent as it now stands."""

    consent: ConsentVersion
    is_new: bool
    """False if the very same was known before."""


def new_consent(resource: Mapping[str, Any], store: Store) -> NewConsent:
    """Return a Consent in the form the store keeps it in, under its patient.

    Raises Malformed (CO200) with every fault that keeps it from being decided by.
    """
    _refuse(consent_record.faults(resource))
    identifier = resource["patient"]["identifier"]
    return NewConsent(
        id=resource["id"],
        subject=store.subject_key(identifier.get("system", ""), identifier["value"]),
        resource=dict(resource),
    )


def _refuse(found: list[Issue]) -> None:
    if found:
        raise Malformed("CO200", params={"count": len(found)}, issues=found)


def create(
    resource: Mapping[str, Any],
    relay: Relay,
    filer: str,
    *,
    actor: str | None = None,
    reason: str | None = None,
) -> Filed:
    """File a consent; its id is ours. FHIR R4 http.html#create.

    One with an identifier is filed once: the same again is known, another content under it is refused.
    `actor`: the operator who files it for the organisation, with a reason; None where it does so itself.

    Raises Malformed (CO200) with every fault, NotPermitted (CO209) for a permit of another's register,
    Conflict (CO212) for another content under its identifier.
    """
    named = identifier_of(resource)
    id = id_of(filer, named) if named else relay.ids.new()
    known = _found(id, relay, filer)
    if known is None:
        return _put({**resource, "id": id}, relay, filer, None, actor=actor, reason=reason)
    if known.resource != _without_versions({**resource, "id": id}):
        raise Conflict("CO212", at="Consent.identifier", params={"id": id})
    return Filed(known, is_new=False)


def change(id: str, resource: Mapping[str, Any], relay: Relay, filer: str, expected: int | None) -> Filed:
    """File the next version of a consent, a withdrawal too. FHIR R4 http.html#update.

    `expected`: the version the filer has seen; None if he does not say.

    Raises as `create`, NotFound (CO213) if the filer has no such consent, Conflict: CO211 if it would be
    about another patient, CO214 if the newest version is another than expected.
    """
    known = _found(id, relay, filer)
    if known is None:
        raise NotFound("CO213")
    if expected not in (None, known.version):
        raise Conflict("CO214", params={"version": known.version})
    return _put({**resource, "id": id}, relay, filer, known)


def create_or_change(resource: Mapping[str, Any], relay: Relay, filer: str, named: str) -> Filed:
    """File the consent of an identifier, whether it is known or not. FHIR R4 http.html#cond-update.

    Raises as `change`, Malformed (CO215) if the consent does not carry the identifier.
    """
    if identifier_of(resource) != named:
        raise Malformed("CO215", at="Consent.identifier")
    id = id_of(filer, named)
    return _put({**resource, "id": id}, relay, filer, _found(id, relay, filer))


def find(id: str, relay: Relay, filer: str) -> ConsentVersion:
    """Return the newest version. Raises NotFound (CO213) if the filer has no such consent."""
    found = _found(id, relay, filer)
    if found is None:
        raise NotFound("CO213")
    return found


def find_named(named: str, relay: Relay, filer: str) -> ConsentVersion | None:
    """Return the newest version of the filer's consent with this identifier (`system|value`)."""
    return _found(id_of(filer, named), relay, filer)


def withdraw(id: str, relay: Relay, *, actor: str, reason: str) -> ConsentVersion:
    """Withdraw a consent for the patient: a new version that is not active.

    Raises NotFound (CO213) if there is no such consent in force, Conflict (CO216) for a denial: to lift one
    is to permit, which needs a new consent.
    """
    known = relay.store.consent(id)
    if known is None:
        raise NotFound("CO213")
    if consent_record.read(known.resource, known.version, relay.zone).provision.type is Verdict.DENY:
        raise Conflict("CO216")
    new = NewConsent(id=id, subject=known.subject, resource={**known.resource, "status": "inactive"})
    relay.store.put_consent(new, actor=actor, at=relay.clock.now(), reason=reason, expected=known.version)
    return _stored(id, relay)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What becomes of one consent that a message told."""

    issue: Issue
    """What its sender is told of it."""
    filing: ConsentFiling | None = None
    """What is kept of it; None if nothing is, or nothing new."""


def of_message(resource: Mapping[str, Any], relay: Relay, source: Source, patient: Named) -> Told:
    """Decide what becomes of a consent that a message told of its patient; nothing is written yet.

    `source`: who files it; a number without a system is one of this source alone. `patient`: system and
    value of the person the message is about, None if it is not about exactly one.
    """
    filer = source.organisation
    if text(resource, "status") not in ("active", "inactive"):
        return Told(issue=Issue("CO221"))
    identifier = identifier_of(resource)
    if identifier is None or patient is None:
        return _refused("CO215" if patient is not None else "CO202")
    id = id_of(filer, f"{source.name} {identifier}" if identifier.startswith("|") else identifier)
    known = _found(id, relay, filer)
    code, version = _next_version(_completed(resource, id, filer, patient), known, relay)
    if version is None:
        return Told(issue=Issue(code))
    try:
        new = _checked(_without_versions(version), relay, filer)
    except AdapterError as fault:
        return _refused(*(each.code for each in fault.issues))
    if known is not None and known.subject != new.subject:
        return _refused("CO211")
    if known is not None and known.resource == new.resource:
        return Told(issue=Issue(code))
    filing = ConsentFiling(
        id=id,
        subject=new.subject,
        resource=new.resource,
        expected=known.version if known is not None else 0,
        keeps_back=not _may_open(new.resource, relay),
    )
    return Told(issue=Issue(code), filing=filing)


Named = tuple[str, str] | None
"""System and value of an identifier of a person; None where there is not exactly one person."""


def _refused(*codes: str) -> Told:
    return Told(issue=Issue("CO220", params={"codes": ", ".join(sorted(set(codes)))}))


def _completed(resource: Mapping[str, Any], id: str, filer: str, patient: tuple[str, str]) -> dict[str, Any]:
    """Say of whom it is, and whose register it opens: what the message and its door know better."""
    system, value = patient
    person = {"system": system, "value": value} if system else {"value": value}
    made = {**resource, "id": id, "patient": {"type": "Patient", "identifier": person}}
    if "organization" not in made and text(child(resource, "provision"), "type") == "permit":
        made["organization"] = [{"type": "Organization", "identifier": written(filer)}]
    return made


OPT_OUT = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTOUT"}]}
"""The rule of a denial that names none. R4 Consent, invariant ppc-1: there is always one."""


def _next_version(
    said: dict[str, Any], known: ConsentVersion | None, relay: Relay
) -> tuple[str, dict[str, Any] | None]:
    """Return what the sender is told, and the version to keep; None if what is known stays as it is."""
    stood = consent_record.read(known.resource, known.version, relay.zone) if known is not None else None
    is_denial = stood is not None and stood.provision.type is Verdict.DENY
    if said["status"] == "inactive":
        if known is None:
            return "CO223", _as_denial(said)
        return ("CO223", None) if is_denial else ("CO217", {**known.resource, "status": "inactive"})
    record = consent_record.read(said, 0, relay.zone)
    if record.provision.type is Verdict.DENY:
        return "CO217", {"policyRule": OPT_OUT, **said}
    if stood is not None and (is_denial or stood.status != "active"):
        return "CO222", None
    if not record.provision.is_decidable:
        return "CO218", said
    if record.basis not in (None, Basis.LUOVUTUSLUPA) and record.provision.recipients is None:
        return "CO219", None
    return "CO217", said


def _as_denial(said: Mapping[str, Any]) -> dict[str, Any]:
    """What a patient takes back and is not known here, is kept back from all whom it names."""
    named = {key: value for key, value in child(said, "provision").items() if key == "actor"}
    rest = {key: value for key, value in said.items() if key not in ("organization", "provision", "status")}
    return {"policyRule": OPT_OUT, **rest, "status": "active", "provision": {"type": "deny", **named}}


def _may_open(resource: Element, relay: Relay) -> bool:
    record = consent_record.read(resource, 0, relay.zone)
    return record.status == "active" and any(
        each.type is Verdict.PERMIT and each.is_decidable for each in record.provision.walk()
    )


def identifier_of(resource: Element) -> str | None:
    """Return `system|value` of the first identifier, None without one."""
    for each in children(resource, "identifier"):
        if text(each, "value"):
            return f"{text(each, 'system') or ''}|{text(each, 'value')}"
    return None


def id_of(filer: str, named: str) -> str:
    """Return the id of the filer's consent with this identifier."""
    return str(uuid.uuid5(IDS, f"{filer} {named}"))


def _found(id: str, relay: Relay, filer: str) -> ConsentVersion | None:
    found = relay.store.consent(id)
    return found if found is not None and found.filer == filer else None


def _put(
    resource: Mapping[str, Any],
    relay: Relay,
    filer: str,
    known: ConsentVersion | None,
    *,
    actor: str | None = None,
    reason: str | None = None,
) -> Filed:
    new = _checked(_without_versions(resource), relay, filer)
    if known is not None and known.subject != new.subject:
        raise Conflict("CO211", at="Consent.patient")
    version = relay.store.put_consent(
        new,
        actor=actor or filer,
        at=relay.clock.now(),
        filer=filer,
        reason=reason,
        expected=known.version if known else 0,
    )
    return Filed(_stored(new.id, relay), is_new=known is None or version != known.version)


def _checked(resource: Mapping[str, Any], relay: Relay, filer: str) -> NewConsent:
    """Return it ready to be kept. Raises Malformed (CO200) and NotPermitted (CO209)."""
    faults = consent_record.faults(resource) or [
        issue
        for issue in (*relay.validator.validate(dict(resource)), *_mode_faults(resource, relay.mode))
        if issue.is_error
    ]
    _refuse(faults)
    record = consent_record.read(resource, 0, relay.zone)
    party = decision.ground_of(relay).directory.party(filer)
    own = frozenset(party.keys if party else (filer,))
    is_permit = any(each.type is Verdict.PERMIT for each in record.provision.walk())
    opens = is_permit and record.status == "active"
    if opens and (record.senders is None or not record.senders <= own):
        raise NotPermitted("CO209", at="Consent.organization")
    return new_consent(resource, relay.store)


def _mode_faults(resource: Element, mode: Mode) -> list[Issue]:
    """Test persons and real ones are walled off from each other here too."""
    identifier = child(child(resource, "patient"), "identifier")
    value = text(identifier, "value")
    code = hetu.read(value) if value and text(identifier, "system") == hetu.SYSTEM else None
    if code is None or code.is_test == (mode is Mode.TEST):
        return []
    return [Issue("PN108" if code.is_test else "PN109", at="Consent.patient.identifier")]


def _stored(id: str, relay: Relay) -> ConsentVersion:
    found = relay.store.consent(id)
    assert found is not None  # noqa: S101 - it was committed before
    return found


def _without_versions(resource: Mapping[str, Any]) -> dict[str, Any]:
    """The consent in one order, without what a server writes: read back and sent again it is equal."""
    meta = resource.get("meta")
    kept = (
        {key: value for key, value in meta.items() if key not in ("versionId", "lastUpdated")}
        if isinstance(meta, dict)
        else meta
    )
    first = {"resourceType": "Consent", "id": resource["id"]} | ({"meta": kept} if kept else {})
    return first | {
        key: value for key, value in resource.items() if key not in ("resourceType", "id", "meta")
    }
