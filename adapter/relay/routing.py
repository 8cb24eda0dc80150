"""Routing: who is to get a notification, and what proves it.

A ladder, the first rung that holds wins:

1. the organisation named in the message;
2. the employer named in the message, and the provider the directory gives that employer.

A recipient found must exist in the directory, be active and be reachable. Otherwise the message is unrouted
and a person assigns it. Nothing is ever guessed: several candidates are none, history alone is none, and
there is neither a broadcast nor a default recipient.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from adapter.outcome import Issue
from adapter.relay.directory import OCCUPATIONAL_HEALTH_FOR, RecipientClass, Register

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from adapter.relay.directory import Affiliation, Directory, Party
    from adapter.relay.notification import Notification, Requested


class Rung(StrEnum):
    """What a recipient was found by."""

    NAMED = "named"
    """The sender named the organisation in this message."""
    EMPLOYER = "employer"
    """The directory gives this provider to the employer named in the message."""
    ASSIGNED = "assigned"
    """A person assigned it, with evidence."""
    HISTORY = "history"
    """An earlier message went there. A proposal to a person, never a route."""


PROVES_CARE = frozenset({Rung.NAMED, Rung.EMPLOYER, Rung.ASSIGNED})
"""Rungs that are evidence of a care relationship in this episode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why this recipient."""

    rung: Rung
    detail: str
    """What proves it: the FHIRPath of the name, or `OrganizationAffiliation/<id>`."""

    def __str__(self) -> str:
        return f"{self.rung.value}:{self.detail}"

    @classmethod
    def read(cls, text: str | None) -> Evidence | None:
        """Read the form that a delivery keeps; None if it is not one."""
        rung, colon, detail = (text or "").partition(":")
        return cls(rung=Rung(rung), detail=detail) if colon and rung in list(Rung) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One organisation that is to get a copy, if consent allows."""

    organisation: str
    recipient_class: RecipientClass
    register: Register
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrouted:
    """Nobody was found: the message waits for a person."""

    reason: str
    """A code of the catalogue."""
    issues: tuple[Issue, ...] = ()
    """Every step of the ladder that did not hold, for the operator."""


def recipients_for(notification: Notification, directory: Directory, at: date) -> list[Recipient] | Unrouted:
    """Return who is to get the notification on the day `at`.

    Every organisation the sender names must be found, else the whole message is unrouted: a sender who
    names two is not to believe that both were told. An employer that is named comes back as a recipient of
    class employer, so that it is denied by the rule that says so and not by silence.
    """
    if notification.requested:
        return _named(notification, directory)
    if notification.employer:
        return _provider_of(notification.employer, directory, at)
    return Unrouted(reason="RT101", issues=(Issue("RT101"),))


def _named(notification: Notification, directory: Directory) -> list[Recipient] | Unrouted:
    found: dict[str, Recipient] = {}
    faults: list[Issue] = []
    for requested in notification.requested:
        party = directory.party(requested.key)
        if requested.key is not None and _is_employer(requested, party, notification, directory):
            found[requested.key] = Recipient(
                organisation=party.key if party else requested.key,
                recipient_class=RecipientClass.EMPLOYER,
                register=Register.EMPLOYER,
                evidence=Evidence(rung=Rung.NAMED, detail=requested.at),
            )
            continue
        faults.extend(_named_faults(requested, party))
        if party is not None:
            found[party.key] = _recipient(party, Evidence(rung=Rung.NAMED, detail=requested.at))
    return Unrouted(reason=faults[0].code, issues=tuple(faults)) if faults else list(found.values())


def _is_employer(
    requested: Requested, party: Party | None, notification: Notification, directory: Directory
) -> bool:
    """The patient's own employer, or any other: by its class, or because providers look after its people."""
    if party is None:
        known_as_one = requested.key is not None and bool(directory.providers_of(requested.key))
        return known_as_one or requested.key == notification.employer
    return party.recipient_class is RecipientClass.EMPLOYER or notification.employer in party.keys


def _named_faults(requested: Requested, party: Party | None) -> Iterator[Issue]:
    if requested.key is None:
        yield Issue("RT102", at=requested.at)
    elif party is None:
        yield Issue("RT103", at=requested.at)
    else:
        yield from _party_faults(party, requested.at)


def _provider_of(employer: str, directory: Directory, at: date) -> list[Recipient] | Unrouted:
    """The provider of an employer: one that holds today, or nobody."""
    known = [each for each in directory.providers_of(employer) if each.role == OCCUPATIONAL_HEALTH_FOR]
    holding = [each for each in known if each.holds(at)]
    providers = {_key(directory, each): each for each in holding}
    if not providers:
        code = "RT107" if known else "RT106"
        return Unrouted(reason=code, issues=(Issue(code),))
    if len(providers) > 1:
        issue = Issue("RT108", params={"count": len(providers)})
        return Unrouted(reason="RT108", issues=(issue,))
    [(key, affiliation)] = providers.items()
    where = f"OrganizationAffiliation/{affiliation.id}"
    party = directory.party(key)
    if party is None:
        return Unrouted(reason="RT103", issues=(Issue("RT103", at=where),))
    faults = tuple(_party_faults(party, where))
    if faults:
        return Unrouted(reason=faults[0].code, issues=faults)
    return [_recipient(party, Evidence(rung=Rung.EMPLOYER, detail=where))]


def _key(directory: Directory, affiliation: Affiliation) -> str:
    party = directory.party(affiliation.provider)
    return party.key if party else affiliation.provider


def _party_faults(party: Party, at: str) -> Iterator[Issue]:
    if not party.is_active:
        yield Issue("RT104", at=at)
    if not party.has_endpoint:
        yield Issue("RT105", at=at)


def _recipient(party: Party, evidence: Evidence) -> Recipient:
    return Recipient(
        organisation=party.key,
        recipient_class=party.recipient_class,
        register=party.register,
        evidence=evidence,
    )
