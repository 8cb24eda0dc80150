"""The incoming referral: what asked the hospital to see the patient, as far as the message carries it.

A notification says by `Communication.basedOn` which ServiceRequest it answers, or by its Encounter, whose
`basedOn` is the request that the visit satisfies. Who sent that referral has the patient in its care in this
episode. What the hospital itself asks of occupational health is a ServiceRequest too, with a code of ours; a
message that sends a referral on is based on that one.

The Provenance of a referral may say whose register it was kept in. Of occupational health the register is
kept for each employer, and names it (Finnish base profiles, fi-base-information-custodian: register type 4
of 1.2.246.537.5.40150, and the customer company by its business id).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.fhir.canonical import code_system
from adapter.relay.directory import BUSINESS_ID, key_of
from adapter.relay.element import child, children, codes, numbered, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.relay.element import Element
    from adapter.relay.message_bundle import Message

OH_REQUEST = code_system("oh-request")
"""ServiceRequest.code says in this system what is asked of occupational health."""

NOT_IN_FORCE = frozenset({"draft", "revoked", "entered-in-error"})
"""R4 ServiceRequest.status of a referral that was not sent, or was taken back."""

REGISTER_TYPE = "urn:oid:1.2.246.537.5.40150"
"""KanTa-palvelut - Potilasasiakirjan rekisteritunnus; some write its edition behind it, `.2009`."""
OCCUPATIONAL_HEALTH_REGISTER = "4"

_BUSINESS_ID = re.compile(r"\d{7}-\d", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Referral:
    """One referral that a notification is based on."""

    at: str
    """FHIRPath of who sent it, or of the reference that leads to no ServiceRequest of the message."""
    requester: str | None
    """Key of the organisation that sent it; None if the message does not say by an identifier."""
    is_in_force: bool
    """False if it was taken back or never sent, or is not about the person of the message."""
    employers: tuple[str, ...] = ()
    """Keys of the employers for whose people the register is kept that it came from."""


def referrals_of(message: Message) -> Iterator[Referral]:
    """Yield each referral that the notification says it is based on, once."""
    for at, reference in _references(message):
        if not message.resolve(reference) and _kind_of(reference) in ("", "ServiceRequest"):
            # It is elsewhere: nothing of it is known but that it is.
            yield Referral(at=at, requester=None, is_in_force=True)
    for request in referrals_in(message):
        yield Referral(
            at=f"{_place_of(message, request)}.requester",
            requester=message.organisation(child(request, "requester")),
            is_in_force=_is_in_force(message, request),
            employers=tuple(dict.fromkeys(_employers(message, request))),
        )


def referrals_in(message: Message) -> list[Element]:
    """Return the ServiceRequests of the message that came in, each once."""
    found: list[Element] = []
    for _, reference in _references(message):
        request = message.resolve(reference)
        is_request = request.get("resourceType") == "ServiceRequest"
        if is_request and not is_put_to_others(message, request) and not any(request is e for e in found):
            found.append(request)
    return found


def is_put_to_others(message: Message, request: Element) -> bool:
    """Return True for a ServiceRequest by which the sender asks something of occupational health."""
    if not any(system == OH_REQUEST for system, _ in codes(child(request, "code"))):
        return False
    requester = message.organisation(child(request, "requester"))
    is_based_on = any(message.resolve(reference) is request for _, reference in _references(message))
    return not is_based_on or requester is None or requester in _senders(message)


def _senders(message: Message) -> set[str | None]:
    named = (
        child(each, "sender") for kind in ("MessageHeader", "Communication") for _, each in message.of(kind)
    )
    return {message.organisation(each) for each in named if each}


def _references(message: Message) -> Iterator[tuple[str, Element]]:
    """R4 Communication.basedOn, and Encounter.basedOn of Communication.encounter."""
    for at, communication in message.of("Communication"):
        for index, reference in numbered(communication, "basedOn"):
            yield f"{at}.basedOn[{index}]", reference
        encounter = message.resolve(child(communication, "encounter"))
        if encounter.get("resourceType") == "Encounter":
            place = _place_of(message, encounter)
            for index, reference in numbered(encounter, "basedOn"):
                yield f"{place}.basedOn[{index}]", reference


def _kind_of(reference: Element) -> str:
    """What type a reference says it leads to; empty if it does not say."""
    path = (text(reference, "reference") or "").split("/")
    return text(reference, "type") or (path[-2] if len(path) > 1 else "")


def _place_of(message: Message, resource: Element) -> str:
    return next(at for at, each in message.entries if each is resource)


def _is_in_force(message: Message, request: Element) -> bool:
    people = [each for _, each in message.of("Patient")]
    return (
        text(request, "status") not in NOT_IN_FORCE
        and request.get("doNotPerform") is not True
        and any(_is_about(message, request, each) for each in people)
    )


def _is_about(message: Message, request: Element, patient: Element) -> bool:
    subject = child(request, "subject")
    if message.resolve(subject) is patient:
        return True
    named = child(subject, "identifier")
    pair = (text(named, "system"), text(named, "value"))
    own = [(text(each, "system"), text(each, "value")) for each in children(patient, "identifier")]
    return pair[1] is not None and pair in own


def _employers(message: Message, request: Element) -> Iterator[str]:
    """Who the register of occupational health is kept for, by the Provenances of the referral."""
    for _, provenance in message.of("Provenance"):
        if not any(message.resolve(each) is request for each in children(provenance, "target")):
            continue
        named = [
            child(child(each, "what"), "identifier")
            for each in children(provenance, "entity")
            if each.get("role") == "source"
        ]
        if any(_is_of_occupational_health(each) for each in named):
            yield from (
                key
                for each in named
                if text(each, "system") == BUSINESS_ID
                and _BUSINESS_ID.fullmatch(text(each, "value") or "")
                and (key := key_of(each))
            )


def _is_of_occupational_health(identifier: Element) -> bool:
    system = text(identifier, "system") or ""
    is_register = system == REGISTER_TYPE or system.startswith(f"{REGISTER_TYPE}.")
    return is_register and text(identifier, "value") == OCCUPATIONAL_HEALTH_REGISTER
