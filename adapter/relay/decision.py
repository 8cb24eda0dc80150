"""The whole decision for one recipient, from what the store holds now: asked at intake and before each send.

Here the deciding functions are given what they ask for: the directory, the agreements and the consents as
they stand in the store, and the partner's settings.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from adapter.errors import ConfigurationError
from adapter.fhir import hetu
from adapter.fhir import json as fhir_json
from adapter.relay import (
    consent,
    consent_record,
    custody,
    directory,
    directory_feed,
    disclosure,
    eligibility,
    event,
    feedback,
    notification,
    report,
    routing,
    sector_copy,
)
from adapter.relay.artefact import Artefact
from adapter.relay.consent import Deny, Permit, Request
from adapter.relay.directory import RecipientClass, Register
from adapter.relay.eligibility import Agreement, Eligible, NotEligible
from adapter.relay.message import Kind, Level, Meaning
from adapter.relay.protection import protected

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from typing import Any

    from adapter.relay.consent_record import ConsentRecord
    from adapter.relay.custody import Custody
    from adapter.relay.deployment import Relay
    from adapter.relay.directory import Directory
    from adapter.relay.notification import Notification
    from adapter.relay.routing import Recipient
    from adapter.relay.store import Store
    from adapter.relay.store.values import Claimed


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Directory and agreements of one version."""

    version: int
    directory: Directory
    agreements: tuple[Agreement, ...]


_GROUNDS: WeakKeyDictionary[Store, Ground] = WeakKeyDictionary()


def ground_of(relay: Relay) -> Ground:
    """Return directory and agreements as the store holds them now.

    An agreement that can no longer be read is left out: what it covered is then not eligible.
    """
    version = relay.store.directory_version()
    is_stale = relay.is_polling and directory_feed.is_stale(relay.store.directory_feed(), relay.clock.now())
    known = _GROUNDS.get(relay.store)
    if known is not None and known.version == version and known.directory.is_stale is is_stale:
        return known
    files = relay.store.directory()
    polled = directory_feed.sifted(relay.store.polled_directory().values(), files) if relay.is_polling else []
    ground = Ground(
        version=version,
        directory=replace(directory.read([*files, *polled], reachable=relay.partners), is_stale=is_stale),
        agreements=tuple(_agreements(relay.store.agreements())),
    )
    _GROUNDS[relay.store] = ground
    return ground


def _agreements(tables: Mapping[str, Mapping[str, Any]]) -> list[Agreement]:
    found: list[Agreement] = []
    for name, values in tables.items():
        try:
            found.append(eligibility.read_agreement(values, name))
        except ConfigurationError:
            continue
    return found


def agreements_with(ground: Ground, sender: str, recipient: str) -> tuple[Agreement, ...]:
    """Return the agreements of two organisations, by whichever of their keys they are named."""
    senders, recipients = _keys(ground, sender), _keys(ground, recipient)
    return tuple(
        each for each in ground.agreements if each.hospital in senders and each.provider in recipients
    )


def _keys(ground: Ground, key: str) -> tuple[str, ...]:
    party = ground.directory.party(key)
    return party.keys if party else (key,)


def ask(
    facts: Notification,
    meaning: Meaning,
    recipient: Recipient,
    relay: Relay,
    *,
    sender: str,
    at: datetime,
    is_released: bool = False,
    brought: Iterable[tuple[str, ConsentRecord]] = (),
) -> Permit | Deny | NotEligible:
    """Decide for one recipient: eligible by the agreement, permitted by rule and consent.

    `brought`: consents that are kept together with this decision, by id.
    `is_released`: a person has released what is on the sensitive list. Codes of a Deny that begin with PN
    wait for such a release; no other denial can be released by anybody but the patient.
    """
    if RecipientClass.EMPLOYER is recipient.recipient_class:
        return Deny(reasons=("CO109",))
    partner = relay.partners.get(recipient.organisation)
    if partner is None:
        return Deny(reasons=("RT105",))
    if partner.mode is not relay.mode:
        return Deny(reasons=("RT109",))
    ground = ground_of(relay)
    pair = agreements_with(ground, sender, recipient.organisation)
    answer = eligibility.assess_pair(facts, meaning, pair, facts.day)
    if isinstance(answer, NotEligible):
        return answer
    decided = consent.decide(
        _request(facts, recipient, relay, answer, sender=sender, cap=partner.level, at=at),
        _consents(facts, relay, brought),
        relay.rules,
    )
    if isinstance(decided, Permit) and answer.sensitive and not is_released:
        return Deny(reasons=answer.sensitive)
    return _nameable(decided, facts, recipient)


def ask_first(
    facts: Notification,
    meaning: Meaning,
    recipient: Recipient,
    relay: Relay,
    *,
    sender: str,
    at: datetime,
    brought: Iterable[tuple[str, ConsentRecord]] = (),
) -> Permit | Deny | NotEligible:
    """Decide as a message comes in: as `ask`, and an identity that is not certain is for a person.

    A record that another one has replaced (PN152), another family name than before (PN151).
    """
    decided = ask(facts, meaning, recipient, relay, sender=sender, at=at, brought=brought)
    if isinstance(decided, Permit) and any(each.is_replaced for each in facts.patients):
        return Deny(reasons=("PN152",))
    subject, family = subject_of(facts, relay), family_of(facts, relay)
    if isinstance(decided, Permit) and subject is not None and family is not None:
        return Deny(reasons=("PN151",)) if relay.store.has_another_family(subject, family) else decided
    return decided


def _request(
    facts: Notification,
    recipient: Recipient,
    relay: Relay,
    eligible: Eligible,
    *,
    sender: str,
    cap: Level,
    at: datetime,
) -> Request:
    agreement = eligible.agreement
    return Request(
        event=facts.rule_event or "",
        purpose=facts.purpose or agreement.purpose,
        sender=sender,
        sender_register=register_of(sender, ground_of(relay)),
        recipient=recipient.organisation,
        recipient_class=recipient.recipient_class,
        register=recipient.register,
        evidence=recipient.evidence,
        cap=cap,
        agreed_levels=agreement.levels,
        agreed_bases=agreement.bases,
        at=at,
        zone=relay.zone,
    )


def register_of(key: str, ground: Ground) -> Register:
    """Return whose register an organisation keeps; UNKNOWN if the directory does not know it."""
    party = ground.directory.party(key)
    return party.register if party is not None else Register.UNKNOWN


def _consents(
    facts: Notification, relay: Relay, brought: Iterable[tuple[str, ConsentRecord]]
) -> list[ConsentRecord]:
    subject = subject_of(facts, relay)
    stored = relay.store.consents_for(subject) if subject else []
    known = {each.id: consent_record.read(each.resource, each.version, relay.zone) for each in stored}
    return list((known | dict(brought)).values())


def _nameable(decided: Permit | Deny, facts: Notification, recipient: Recipient) -> Permit | Deny:
    """A minimal copy, and any for another sector, names the person by the identity code alone.

    Without one there is no such copy.
    """
    patient = facts.patient
    if (patient is not None and patient.identity_code is not None) or not isinstance(decided, Permit):
        return decided
    is_by_code = decided.level is Level.MINIMAL or recipient.register is not Register.HEALTH
    return Deny(reasons=("CO121",)) if is_by_code else decided


def person_of(facts: Notification) -> tuple[str, str] | None:
    """Return system and value of the person's identifier, None if the message is not about exactly one.

    Where the person had another identity code before, it is that one: what waits is filed under it.
    """
    patient = facts.patient
    if patient is None:
        return None
    before = (each for each in patient.replaced if each[0] == hetu.SYSTEM)
    return next(before, patient.identifier)


def subject_of(facts: Notification, relay: Relay) -> str | None:
    """Return the keyed hash of `person_of`."""
    identifier = person_of(facts)
    return relay.store.subject_key(*identifier) if identifier else None


def family_of(facts: Notification, relay: Relay) -> str | None:
    """Return the keyed hash of the person's family name, however it is written; None without one."""
    family = facts.patient.family if facts.patient is not None else None
    if family is None:
        return None
    plain = " ".join(unicodedata.normalize("NFKC", family).casefold().split())
    return relay.store.subject_key("family-name", plain)


def doubt_of(claimed: Claimed, relay: Relay) -> str | None:
    """Return why it is not certain any more whom a queued delivery is about: a code, or None if it is.

    An identity that was changed or merged since it was queued (PN150), another family name under the same
    identity (PN151).
    """
    if claimed.subject is None:
        return None
    if relay.store.was_identity_changed(claimed.subject, claimed.queued_at):
        return "PN150"
    return "PN151" if relay.store.was_renamed(claimed.subject, claimed.queued_at) else None


def recipient_of(key: str, evidence: routing.Evidence | None, ground: Ground) -> Recipient | None:
    """Return the recipient of a delivery as the directory knows it now; None if it must get nothing more.

    No evidence, an organisation that is gone, not active or not reachable: None.
    """
    party = ground.directory.party(key)
    if evidence is None or party is None or not party.is_active or not party.has_endpoint:
        return None
    return routing.Recipient(
        organisation=party.key,
        recipient_class=party.recipient_class,
        register=party.register,
        evidence=evidence,
    )


# Before a send --------------------------------------------------------------------------------------------


def ask_again(
    bundle: Mapping[str, Any], claimed: Claimed, relay: Relay, at: datetime, *, is_released: bool = False
) -> Permit | Deny | None:
    """Decide once more for a delivery that is about to go, as consents, agreements and directory stand now.

    `bundle`: the message as it came in. None for a cancellation or a delivery report, which disclose nothing
    new and go to whoever had the first. Not eligible any more is a denial too. A business reply goes back on
    the ground on which its notification went.
    """
    if claimed.kind not in (Kind.NOTIFICATION, Kind.FEEDBACK):
        return None
    doubt = doubt_of(claimed, relay)
    if doubt is not None:
        return Deny(reasons=(doubt,))
    if claimed.kind is Kind.FEEDBACK:
        return ask_for_reply(claimed.message, relay, at)
    facts = notification.read(bundle)
    evidence = routing.Evidence.read(claimed.evidence)
    recipient = recipient_of(claimed.recipient, evidence, ground_of(relay))
    if recipient is None:
        employer = ground_of(relay).directory.party(claimed.recipient)
        is_employer = employer is None or employer.register is Register.EMPLOYER
        return Deny(reasons=("CO109" if is_employer else "RT104",))
    meaning = claimed.meaning or event.meaning_of(facts.event_system, facts.event, facts.reason)
    answer = ask(facts, meaning, recipient, relay, sender=claimed.sender, at=at, is_released=is_released)
    return Deny(reasons=answer.reasons) if isinstance(answer, NotEligible) else answer


def copy_of(
    bundle: Mapping[str, Any] | None, claimed: Claimed, permit: Permit | None, relay: Relay, at: datetime
) -> dict[str, Any]:
    """Build what a claimed delivery sends: the recipient's copy, a cancellation, or a delivery report.

    `permit`: what `ask_again` gave; None for the kinds it does not speak of. `bundle`: None for a report.
    """
    if claimed.kind is Kind.DELIVERY_REPORT:
        return report.of_claimed(claimed, relay, at, ground_of(relay).directory)
    if claimed.kind is Kind.FEEDBACK:
        return _copy_of_reply(bundle or {}, claimed, permit, relay, at)
    assert bundle is not None  # noqa: S101 - a message with deliveries has content
    bundle = protected(bundle, claimed, relay)
    facts, level, envelope = _framed(bundle, claimed, permit, relay, at)
    if facts.artefact is Artefact.NOTIFICATION:
        return disclosure.copy_for(bundle, level, envelope)
    ground = ground_of(relay)
    sector = register_of(claimed.recipient, ground)
    return sector_copy.copy_for(bundle, facts.artefact, sector, level, envelope, ground.directory)


def custody_of(bundle: Mapping[str, Any], claimed: Claimed, relay: Relay) -> Custody:
    """Return whose register comes out with a claimed delivery, as message and directory say."""
    return custody.custody_of(bundle, claimed.sender, ground_of(relay).directory)


def versions_of(
    bundle: Mapping[str, Any], claimed: Claimed, permit: Permit | None, relay: Relay, at: datetime
) -> dict[str, str]:
    """Return which version of the sender's each resource of the copy is made of, by its id in the copy.

    Arguments as of `copy_of`, which makes that copy.
    """
    if claimed.kind is Kind.FEEDBACK or not custody.has_versions(bundle):
        return {}
    facts, level, envelope = _framed(bundle, claimed, permit, relay, at)
    if facts.artefact is Artefact.NOTIFICATION:
        return disclosure.versions_of(bundle, level, envelope)
    ground = ground_of(relay)
    sector = register_of(claimed.recipient, ground)
    return sector_copy.versions_of(bundle, facts.artefact, sector, level, envelope, ground.directory)


def _framed(
    bundle: Mapping[str, Any], claimed: Claimed, permit: Permit | None, relay: Relay, at: datetime
) -> tuple[Notification, Level, disclosure.Envelope]:
    """Return what a message says, how much of it goes out, and in which envelope."""
    facts = notification.read(bundle)
    level = permit.level if permit else claimed.level or Level.MINIMAL
    return facts, level, _envelope(facts, claimed, permit, relay, at)


def ask_for_reply(message: str, relay: Relay, at: datetime) -> Permit | Deny:
    """Decide whether a business reply may go back: on the ground on which its notification went, as of now.

    `message`: of the reply. The reply tells the hospital nothing of the person that the consent to tell
    occupational health did not cover; once the patient has taken that back, nothing goes either way.
    """
    case = relay.store.message(message).extra.get("case")
    return ask_for_case(case, relay, at) if case is not None else Deny(reasons=("PN520",))


def ask_for_case(case: str, relay: Relay, at: datetime) -> Permit | Deny:
    """Decide whether what went out with a delivery would still be permitted; see `ask_for_reply`."""
    told = relay.store.delivery(case)
    row, content = relay.store.message(told.message), relay.store.content(told.message, "content")
    ground = ground_of(relay)
    recipient = recipient_of(told.recipient, routing.Evidence.read(told.evidence), ground)
    if content is None or recipient is None:
        return Deny(reasons=("RT112" if content is None else "RT104",))
    facts = notification.read(fhir_json.read(content))
    meaning = row.meaning or event.meaning_of(facts.event_system, facts.event, facts.reason)
    decided = ask(facts, meaning, recipient, relay, sender=row.sender, at=at, is_released=True)
    return Deny(reasons=decided.reasons) if isinstance(decided, NotEligible) else decided


def _copy_of_reply(
    bundle: Mapping[str, Any], claimed: Claimed, permit: Permit | None, relay: Relay, at: datetime
) -> dict[str, Any]:
    told = relay.store.message(relay.store.delivery(_case_of(claimed, relay)).message)
    facts, known = feedback.read(bundle), ground_of(relay).directory
    cover = feedback.Cover(
        bundle_id=claimed.bundle_id,
        header_id=claimed.header_id,
        notification=told.notification or f"urn:uuid:{told.id}",
        sender=house(claimed.sender, relay, known),
        recipient=house(claimed.recipient, relay, known),
        continues=house(facts.continues, relay, known) if facts.continues else None,
        endpoint=relay.partners[claimed.recipient].endpoint,
        address=relay.address,
        name=relay.name,
        mode=relay.mode,
        at=at,
    )
    return feedback.copy_for(facts, permit.level if permit else Level.MINIMAL, cover)


def _case_of(claimed: Claimed, relay: Relay) -> str:
    return relay.store.message(claimed.message).extra["case"]


def _envelope(
    facts: Notification, claimed: Claimed, permit: Permit | None, relay: Relay, at: datetime
) -> disclosure.Envelope:
    ground = ground_of(relay)
    partner = relay.partners[claimed.recipient]
    meaning = claimed.meaning or event.meaning_of(facts.event_system, facts.event, facts.reason)
    return disclosure.Envelope(
        bundle_id=claimed.bundle_id,
        header_id=claimed.header_id,
        notification_id=notification_id(claimed.sender, claimed.notification or claimed.message, relay),
        message_id=claimed.message,
        event=facts.event or event.PROCEDURE_NOTIFICATION,
        meaning=Meaning.CANCEL if claimed.kind is Kind.CANCELLATION else meaning,
        sender=house(claimed.sender, relay, ground.directory),
        recipient=house(claimed.recipient, relay, ground.directory),
        endpoint=partner.endpoint,
        address=relay.address,
        name=relay.name,
        basis=permit.basis.value if permit else None,
        purpose=facts.purpose,
        mode=relay.mode,
        language=partner.language,
        at=at,
    )


def notification_id(sender: str, notification_key: str, relay: Relay) -> str:
    """Return the UUID a sender's notification has towards recipients: always the same, and not guessable."""
    return report.uuid_of(relay.store.subject_key(f"notification:{sender}", notification_key))


def house(key: str, relay: Relay, known: Directory) -> disclosure.House:
    """Return an organisation as a copy names it: by the directory, else by the configuration."""
    party = known.party(key)
    configured = relay.organisations.get(key)
    return disclosure.House(
        key=party.key if party else key,
        name=(party.name if party else None) or (configured.name if configured else None),
        phone=party.switchboard if party else None,
    )
