"""Routing: who is to get a message, and what proves it.

A ladder, the first rung that holds wins:

1. the organisation named in the message;
2. of an assessment or a plan: the organisations of its care team; of a notification: the occupational health
   that the hospital has the patient's referral from;
3. (an earlier message to somebody is a proposal to a person, and no rung that is stood on;)
4. of a notification: the employer named in the message, and the provider the directory gives that employer;
5. of a notification: the same for the employer that the referral's register is kept for.

A recipient found must exist in the directory, be active and be reachable, and the directory must have been
heard of lately if it is another server's. Otherwise the message is unrouted and a person assigns it. A
referral that proves nothing leaves the message to the next rung; one that proves a provider which cannot be
reached does not, because the next rung would find somebody else. Nothing is ever guessed: several candidates
are none, history alone is none, and there is neither a broadcast nor a default recipient.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from adapter.outcome import Issue
from adapter.relay.artefact import Artefact
from adapter.relay.directory import OCCUPATIONAL_HEALTH_FOR, RecipientClass, Register

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from adapter.relay.directory import Affiliation, Directory, Party
    from adapter.relay.notification import Notification
    from adapter.relay.referral import Referral


class Rung(StrEnum):
    """What a recipient was found by."""

    NAMED = "named"
    """The sender named the organisation in this message."""
    CARE_TEAM = "care-team"
    """The organisation is in the care team of the plan or the assessment."""
    REFERRAL = "referral"
    """Occupational health that sent the referral which the notification is based on."""
    EMPLOYER = "employer"
    """The directory gives this provider to the employer named in the message."""
    REGISTER = "register"
    """As EMPLOYER, of the employer that the register names in which the referral was kept."""
    ASSIGNED = "assigned"
    """A person assigned it, with evidence."""
    HISTORY = "history"
    """An earlier message went there. A proposal to a person, never a route."""


class Confidence(StrEnum):
    """How near the evidence is to the patient's own word."""

    STATED = "stated"
    """Somebody who has the patient before them says it of this recipient in this episode."""
    DOCUMENTED = "documented"
    """A document of this episode shows the recipient at work in it."""
    DERIVED = "derived"
    """It follows from the employer, by what the directory says today."""
    PROPOSED = "proposed"
    """It was so once."""


CONFIDENCE = {
    Rung.NAMED: Confidence.STATED,
    Rung.ASSIGNED: Confidence.STATED,
    Rung.CARE_TEAM: Confidence.DOCUMENTED,
    Rung.REFERRAL: Confidence.DOCUMENTED,
    Rung.EMPLOYER: Confidence.DERIVED,
    Rung.REGISTER: Confidence.DERIVED,
    Rung.HISTORY: Confidence.PROPOSED,
}

PROVES_CARE = frozenset(rung for rung in Rung if CONFIDENCE[rung] is not Confidence.PROPOSED)
"""Rungs that are evidence of a care relationship in this episode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why this recipient."""

    rung: Rung
    detail: str
    """What proves it: the FHIRPath of the name, or `OrganizationAffiliation/<id>`."""

    @property
    def confidence(self) -> Confidence:
        """How near it is to the patient's own word."""
        return CONFIDENCE[self.rung]

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
    passed: tuple[Issue, ...] = ()
    """What the rungs above said that did not hold, for the operator and the sender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrouted:
    """Nobody was found: the message waits for a person."""

    reason: str
    """A code of the catalogue."""
    issues: tuple[Issue, ...] = ()
    """Every step of the ladder that did not hold, for the operator."""


def recipients_for(
    notification: Notification, directory: Directory, at: date, sender: str | None = None
) -> list[Recipient] | Unrouted:
    """Return who is to get the message on the day `at`.

    `sender`: key of the organisation that sends it, which gets no copy as a member of the team, and whose own
    order is no referral that came in.

    Every organisation the sender names must be found, else the whole message is unrouted: a sender who
    names two is not to believe that both were told. The same holds for those in the care team today. An
    employer that is named comes back as a recipient of class employer, so that it is denied by the rule that
    says so and not by silence.
    """
    if notification.requested:
        asked = [(each.key, each.at) for each in notification.requested]
        return _named(asked, Rung.NAMED, notification, directory)
    if notification.artefact is not Artefact.NOTIFICATION:
        return _of_team(notification, directory, at, sender)
    referred, passed = _referrer(notification, directory, at, sender)
    if referred is None:
        referred = _by_employer(notification, directory, at)
    if isinstance(referred, Unrouted):
        return replace(referred, issues=(*referred.issues, *passed))
    return [replace(each, passed=passed) for each in referred]


def _referrer(
    notification: Notification, directory: Directory, at: date, sender: str | None
) -> tuple[list[Recipient] | Unrouted | None, tuple[Issue, ...]]:
    """Whose referral brought the patient, and what was said of the referrals that prove nothing.

    None where none proves anything. The hospital's own order is no referral that came in.
    """
    own = _keys_of(sender, directory)
    passed: list[Issue] = []
    found: dict[str, Recipient] = {}
    faults: list[Issue] = []
    for each in notification.referrals:
        if each.requester in own:
            continue
        doubt = _doubt_of_referral(each, notification.employer, directory, at)
        party = directory.party(each.requester)
        if doubt is not None or party is None:
            passed.append(Issue(doubt or "RT121", at=each.at))
        elif party.key not in found:
            found[party.key] = _recipient(party, Evidence(rung=Rung.REFERRAL, detail=each.at))
            faults.extend(_party_faults(party, each.at, directory))
    if len(found) > 1:
        issue = Issue("RT123", params={"count": len(found)})
        return Unrouted(reason=issue.code, issues=(issue,)), tuple(passed)
    if faults:
        return Unrouted(reason=faults[0].code, issues=tuple(faults)), tuple(passed)
    return list(found.values()) or None, tuple(passed)


def _doubt_of_referral(
    referral: Referral, employer: str | None, directory: Directory, at: date
) -> str | None:
    """Why a referral proves nobody; None if it does."""
    party = directory.party(referral.requester)
    if not referral.is_in_force:
        return "RT120"
    if referral.requester is None:
        return "RT119"
    if party is None or party.recipient_class is not RecipientClass.OCCUPATIONAL_HEALTH:
        return "RT121"
    return None if party.is_active and not _has_ended(party, employer, directory, at) else "RT122"


def _has_ended(party: Party, employer: str | None, directory: Directory, at: date) -> bool:
    """True if the provider looked after the people of the message's employer, and does not today."""
    known = directory.providers_of(employer) if employer else ()
    own = [each for each in known if each.role == OCCUPATIONAL_HEALTH_FOR and each.provider in party.keys]
    return bool(own) and not any(each.holds(at) for each in own)


def _by_employer(notification: Notification, directory: Directory, at: date) -> list[Recipient] | Unrouted:
    """The provider of the employer that the message names, else of the one its referral's register names."""
    if notification.employer:
        return _provider_of(notification.employer, directory, at, Rung.EMPLOYER)
    standing = [each for each in notification.referrals if each.is_in_force]
    employers = dict.fromkeys(key for each in standing for key in each.employers)
    if len(employers) > 1:
        issue = Issue("RT124", params={"count": len(employers)})
        return Unrouted(reason=issue.code, issues=(issue,))
    employer = next(iter(employers), None)
    if employer is None:
        return Unrouted(reason="RT101", issues=(Issue("RT101"),))
    return _provider_of(employer, directory, at, Rung.REGISTER)


def _keys_of(key: str | None, directory: Directory) -> tuple[str | None, ...]:
    """Every key of an organisation, its own where the directory does not know it."""
    party = directory.party(key)
    return party.keys if party else ((key,) if key else ())


def _of_team(
    notification: Notification, directory: Directory, at: date, sender: str | None
) -> list[Recipient] | Unrouted:
    """The organisations of the care team today, without the one that sends."""
    own = _keys_of(sender, directory)
    team = [each for each in notification.team if each.key not in own or each.key is None]
    now = [each for each in team if not each.has_left(at)]
    stale = [each for each in now if not each.is_in_force or each.is_to_come(at)]
    if stale:
        issues = tuple(Issue("RT116", at=each.at) for each in stale)
        return Unrouted(reason="RT116", issues=issues)
    if not now:
        code = "RT117" if team else "RT115"
        return Unrouted(reason=code, issues=(Issue(code),))
    asked = [(each.key, each.at) for each in now]
    return _named(asked, Rung.CARE_TEAM, notification, directory)


def _named(
    asked: Iterable[tuple[str | None, str]], rung: Rung, notification: Notification, directory: Directory
) -> list[Recipient] | Unrouted:
    """`asked`: key and FHIRPath of each organisation; several times the same is once."""
    found: dict[str, Recipient] = {}
    faults: list[Issue] = []
    for key, at in asked:
        party = directory.party(key)
        evidence = Evidence(rung=rung, detail=at)
        if key is not None and _is_employer(key, party, notification, directory):
            found.setdefault(
                key,
                Recipient(
                    organisation=party.key if party else key,
                    recipient_class=RecipientClass.EMPLOYER,
                    register=Register.EMPLOYER,
                    evidence=evidence,
                ),
            )
            continue
        faults.extend(_named_faults(key, party, at, directory))
        if party is not None:
            found.setdefault(party.key, _recipient(party, evidence))
    return Unrouted(reason=faults[0].code, issues=tuple(faults)) if faults else list(found.values())


def _is_employer(key: str, party: Party | None, notification: Notification, directory: Directory) -> bool:
    """The patient's own employer, or any other: by its class, or because providers look after its people."""
    if party is None:
        return bool(directory.providers_of(key)) or key == notification.employer
    return party.recipient_class is RecipientClass.EMPLOYER or notification.employer in party.keys


def _named_faults(key: str | None, party: Party | None, at: str, directory: Directory) -> Iterator[Issue]:
    if key is None:
        yield Issue("RT102", at=at)
    elif party is None:
        yield Issue("RT103", at=at)
    else:
        yield from _party_faults(party, at, directory)


def _provider_of(employer: str, directory: Directory, at: date, rung: Rung) -> list[Recipient] | Unrouted:
    """The provider of an employer: one that holds today, or nobody."""
    known = [each for each in directory.providers_of(employer) if each.role == OCCUPATIONAL_HEALTH_FOR]
    holding = [each for each in known if each.holds(at)]
    if directory.is_stale and any(each.is_polled for each in known):
        # The one that holds may have ended since, and another one begun.
        return Unrouted(reason="RT118", issues=(Issue("RT118"),))
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
    faults = tuple(_party_faults(party, where, directory))
    if faults:
        return Unrouted(reason=faults[0].code, issues=faults)
    return [_recipient(party, Evidence(rung=rung, detail=where))]


def _key(directory: Directory, affiliation: Affiliation) -> str:
    party = directory.party(affiliation.provider)
    return party.key if party else affiliation.provider


def _party_faults(party: Party, at: str, directory: Directory) -> Iterator[Issue]:
    if party.is_polled and directory.is_stale:
        yield Issue("RT118", at=at)
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
