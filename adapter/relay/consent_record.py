"""One Consent as it is decided by: read from FHIR once, and the faults for which it is refused.

A Consent may restrict itself by elements that are not decided here (data classes, document types, security
labels, time of the data). It says so by `is_decidable`: such a permit is taken not to cover, such a denial is
taken to cover.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from adapter.outcome import Issue
from adapter.relay.artefact import Artefact, artefact_of_event
from adapter.relay.directory import key_of
from adapter.relay.disclosure_rules import Basis
from adapter.relay.element import child, children, codes, extension, text
from adapter.relay.event import MESSAGE_EVENT
from adapter.relay.message import LEVELS, Level
from adapter.relay.notification import ACT_REASON, BASIS, CONTENT_LEVEL, DISCLOSURE_BASIS, LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.relay.element import Element


class Verdict(StrEnum):
    """What one Consent says of a request."""

    PERMIT = "permit"
    DENY = "deny"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """One rule within a Consent; nested ones are exceptions to it."""

    type: Verdict
    """PERMIT or DENY."""
    start: datetime | None
    end: datetime | None
    """The last moment that is included."""
    recipients: frozenset[str] | None
    """Keys of the organisations it names; None if it names nobody and speaks of all."""
    purposes: frozenset[str] | None
    level: Level | None
    """The most it lets go; None if it does not say."""
    artefacts: frozenset[Artefact] | None
    """What it is about: notifications, assessments, plans; None if it is about all."""
    is_decidable: bool
    """False if it also restricts by something that is not decided here."""
    exceptions: tuple[Provision, ...] = ()

    def walk(self) -> Iterator[Provision]:
        """Yield it and every exception within, the outer before the inner."""
        yield self
        for each in self.exceptions:
            yield from each.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRecord:
    """One Consent as `decide` needs it."""

    reference: str
    """`Consent/<id>#<version>`."""
    status: str
    basis: Basis | None
    given_at: datetime
    renewed_at: datetime | None
    """When the patient confirmed it last."""
    senders: frozenset[str] | None
    """Registers it is about; None for all."""
    provision: Provision


PRIVACY = ("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy")
_NOT_DECIDED = ("securityLabel", "dataPeriod", "data", "modifierExtension")
"""Restrictions of a provision that are not decided here."""
_DISCLOSE = ("disclose", "access")
"""Actions (R4 consent-action) that a relayed copy is."""


NOTIFIED = frozenset({Artefact.NOTIFICATION})
_ARTEFACTS_OF: dict[Basis | None, frozenset[Artefact] | None] = {Basis.LUOVUTUSLUPA: None}
"""What a permit that does not say is about: a disclosure permit all that its register holds, any other the
notification alone. A patient who let a procedure be told has not let a plan or an assessment go."""


def read(resource: Element, version: int, zone: ZoneInfo) -> ConsentRecord:
    """Read one Consent as `decide` needs it.

    Days without a time begin and end in `zone`; the last day is included. What cannot be read never widens:
    a permit then covers nothing, a denial everything. R4 Consent.
    """
    basis = [code for system, code in _basis_codes(resource) if system == BASIS and code in list(Basis)]
    sender_references = list(children(resource, "organization"))
    senders = [key_of(child(each, "identifier")) for each in sender_references]
    is_ours = PRIVACY in codes(child(resource, "scope")) and "modifierExtension" not in resource
    found = Basis(basis[0]) if len(set(basis)) == 1 else None
    provision = _provision(
        child(resource, "provision"), zone, is_decidable=is_ours, artefacts=_ARTEFACTS_OF.get(found, NOTIFIED)
    )
    is_narrow = bool(senders) and (provision.type is Verdict.PERMIT or None not in senders)
    return ConsentRecord(
        reference=f"Consent/{text(resource, 'id')}#{version}",
        status=text(resource, "status") or "",
        basis=found,
        given_at=_moment(text(resource, "dateTime"), zone, at_end=False) or datetime.min.replace(tzinfo=UTC),
        renewed_at=_renewed(resource, zone),
        senders=frozenset(each for each in senders if each) if is_narrow else None,
        provision=provision,
    )


def faults(resource: Element) -> list[Issue]:
    """Return what keeps a Consent from being decided by: such a one is refused, not stored."""
    at = f"Consent/{text(resource, 'id') or '?'}"
    found: list[Issue] = []
    if resource.get("resourceType") != "Consent" or not text(resource, "id"):
        found.append(Issue("CO201", at=at))
    if not text(child(child(resource, "patient"), "identifier"), "value"):
        found.append(Issue("CO202", at=f"{at}.patient"))
    if _moment(text(resource, "dateTime"), UTC_ZONE, at_end=False) is None:
        found.append(Issue("CO203", at=f"{at}.dateTime"))
    provision = child(resource, "provision")
    if text(provision, "type") not in ("permit", "deny"):
        found.append(Issue("CO206", at=f"{at}.provision.type"))
    named = [code for system, code in _basis_codes(resource) if system == BASIS]
    if text(provision, "type") == "permit" and (len(set(named)) != 1 or named[0] not in list(Basis)):
        found.append(Issue("CO204", at=at))
    if PRIVACY not in codes(child(resource, "scope")):
        found.append(Issue("CO208", at=f"{at}.scope"))
    found.extend(_provision_faults(provision, f"{at}.provision"))
    return found


def _provision_faults(provision: Element, at: str) -> Iterator[Issue]:
    if any(level is None for level in _levels(provision)) or None in _artefacts(provision):
        yield Issue("CO205", at=at)
    if any(_actor(each) is None for each in children(provision, "actor")):
        yield Issue("CO207", at=f"{at}.actor")
    period = child(provision, "period")
    for end in ("start", "end"):
        if end in period and _moment(text(period, end), UTC_ZONE, at_end=False) is None:
            yield Issue("CO203", at=f"{at}.period.{end}")
    for each in children(provision, "provision"):
        yield from _provision_faults(each, f"{at}.provision")


def _provision(
    provision: Element, zone: ZoneInfo, *, is_decidable: bool, artefacts: frozenset[Artefact] | None
) -> Provision:
    """`artefacts`: what a permit within is about where it does not say."""
    verdict = Verdict.PERMIT if text(provision, "type") == "permit" else Verdict.DENY
    period = child(provision, "period")
    start = _moment(text(period, "start"), zone, at_end=False)
    end = _moment(text(period, "end"), zone, at_end=True)
    actors = [_actor(each) for each in children(provision, "actor")]
    levels = list(_levels(provision))
    named = list(_artefacts(provision))
    about = frozenset(each for each in named if each) if named else None
    is_read = (
        text(provision, "type") in ("permit", "deny")
        and not ("start" in period and start is None)
        and not ("end" in period and end is None)
        and None not in actors
        and None not in levels
        and None not in named
        and not any(name in provision for name in _NOT_DECIDED)
        and _is_about_disclosure(provision)
        and all(system == ACT_REASON for system, _ in _purposes(provision))
    )
    recipients = frozenset(each for each in actors if each) if "actor" in provision else None
    purposes = frozenset(code for _, code in _purposes(provision)) if "purpose" in provision else None
    if verdict is Verdict.DENY and not is_read:
        recipients = purposes = about = None
    known_levels = [each for each in levels if each is not None]
    return Provision(
        type=verdict,
        start=start,
        end=end,
        recipients=recipients,
        purposes=purposes,
        level=min(known_levels, key=LEVELS.index) if known_levels else None,
        artefacts=artefacts if about is None and verdict is Verdict.PERMIT else about,
        is_decidable=is_decidable and is_read,
        exceptions=tuple(
            # What is said to be about something is so for all within.
            _provision(each, zone, is_decidable=is_decidable, artefacts=None if named else artefacts)
            for each in children(provision, "provision")
        ),
    )


def _basis_codes(resource: Element) -> Iterator[tuple[str, str]]:
    yield from codes(child(extension(resource, DISCLOSURE_BASIS), "valueCodeableConcept"))
    yield from codes(child(resource, "policyRule"))


def _levels(provision: Element) -> Iterator[Level | None]:
    """Content levels a provision names; None for a restriction that is no level of ours."""
    named = [
        text(each, "valueCode")
        for each in children(provision, "extension")
        if each.get("url") == CONTENT_LEVEL
    ]
    for coding in children(provision, "class"):
        if coding.get("system") != MESSAGE_EVENT:
            named.append(text(coding, "code") if coding.get("system") == LEVEL else None)
    for concept in children(provision, "code"):
        named.extend(code if system == LEVEL else None for system, code in codes(concept))
    yield from (Level(each) if each in list(Level) else None for each in named)


def _artefacts(provision: Element) -> Iterator[Artefact | None]:
    """What a provision says it is about; None for an event that tells nothing. R4 Consent.provision.class."""
    for coding in children(provision, "class"):
        if coding.get("system") == MESSAGE_EVENT:
            yield artefact_of_event(text(coding, "code") or "")


def _actor(actor: Element) -> str | None:
    reference = child(actor, "reference")
    return key_of(child(reference, "identifier")) or key_of({"value": _urn(text(reference, "reference"))})


def _urn(reference: str | None) -> str | None:
    return reference if reference and reference.startswith("urn:oid:") else None


def _purposes(provision: Element) -> Iterator[tuple[str, str]]:
    return ((text(each, "system") or "", text(each, "code") or "") for each in children(provision, "purpose"))


def _is_about_disclosure(provision: Element) -> bool:
    if "action" not in provision:
        return True
    return any(code in _DISCLOSE for each in children(provision, "action") for _, code in codes(each))


def _renewed(resource: Element, zone: ZoneInfo) -> datetime | None:
    """The last time the patient confirmed it. R4 Consent.verification."""
    moments = [
        moment
        for each in children(resource, "verification")
        if each.get("verified") is True
        and (moment := _moment(text(each, "verificationDate"), zone, at_end=False)) is not None
    ]
    return max(moments, default=None)


UTC_ZONE = ZoneInfo("UTC")


def _moment(value: str | None, zone: ZoneInfo, *, at_end: bool) -> datetime | None:
    """The first moment a FHIR dateTime names, or the last; None if it names none."""
    if value is None:
        return None
    try:
        if "T" in value:
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else None
        year, month, day = (*(int(part) for part in value.split("-")), 0, 0)[:3]
        first = date(year, month or 1, day or 1)
        if at_end:
            first = _after(first, has_month=bool(month), has_day=bool(day))
    except (ValueError, OverflowError):
        return None
    begins = datetime.combine(first, time.min, zone)
    return begins - timedelta(microseconds=1) if at_end else begins


def _after(first: date, *, has_month: bool, has_day: bool) -> date:
    """The day after the day, month or year that begins on `first`."""
    if has_day:
        return first + timedelta(days=1)
    if has_month:
        return (first.replace(day=28) + timedelta(days=4)).replace(day=1)
    return first.replace(year=first.year + 1)
