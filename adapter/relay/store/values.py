"""What the store hands out: plain frozen values, cut loose from any connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from adapter.relay.replay import ReplayState

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from adapter.relay.audit import AuditRow, Head
    from adapter.relay.case import CaseState
    from adapter.relay.message import (
        Answer,
        DeliveryEvent,
        DeliveryState,
        Kind,
        Level,
        Meaning,
        MessageState,
        Mode,
    )
    from adapter.relay.retry import Class

AckCode = Literal["ok", "transient-error", "fatal-error"]
"""R4 response-code."""

Verdict = Literal["first", "repeat", "late", "contradicting", "unknown"]
"""What an acknowledgement meant to its delivery when it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a delivery ended, as a delivery report tells it: kept with the report, so it never changes."""

    delivery: str
    recipient: str
    kind: Kind
    state: DeliveryState
    reason: str | None
    """A code of the catalogue."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """A copy's bytes as they went out, or will: fixed before the first send."""

    body: bytes
    media_type: str
    level: Level | None
    envelope: str | None = None
    """Its Bundle.id, where that is not the delivery's own."""
    content: str | None = None
    """Which resources it holds: type, id and version of each. None where it was frozen before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery that this process, and no other, may send until its lease ends."""

    delivery: str
    message: str
    sender: str
    recipient: str
    source: str
    mode: Mode
    kind: Kind
    meaning: Meaning | None
    notification: str | None
    subject: str | None
    lane: str
    level: Level | None
    """Level that was permitted when it was queued."""
    basis: str | None
    evidence: str | None
    attempts: int
    """Attempts that counted so far; a fault of the route does not count."""
    tries: int
    """All attempts so far."""
    token: int
    """Fences every write about this claim."""
    lease_until: datetime
    bundle_id: str
    header_id: str
    queued_at: datetime
    """When it was last queued by intake, consent or operator: retries are counted from here."""
    expires_at: datetime
    content: bytes | None
    """The message Bundle as canonical JSON; None for a delivery report."""
    frozen: Frozen | None
    reached: bool
    """True if an attempt may have reached the recipient."""
    released: bool
    """True if a person released it after it was withheld."""
    consents_seen: int
    """Mark of the subject's consents at the claim: a later mark means ask again."""
    cancels: str | None
    """Id of the message that this one cancels or supersedes."""
    about: Ended | None
    """What a delivery report tells; None for other kinds."""
    original_bundle_id: str | None
    original_header_id: str | None
    """For a cancellation: ids of the copy that this recipient got; None if none was made."""
    event: str | None
    """Code of our message-event system."""
    reason: str | None
    """Why it came to where it was before the claim: a code of the catalogue."""
    taken: bool
    """True if the recipient's system has taken the frozen copy: to send again is a resend, not a retry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """A message as it stands, without content."""

    id: str
    sender: str
    source: str
    mode: Mode
    state: MessageState
    meaning: Meaning | None
    event: str | None
    notification: str | None
    subject: str | None
    received_at: datetime
    happened_at: str | None
    changed_at: datetime
    """When it came into its present state."""
    media_type: str
    cancels: str | None
    superseded_by: str | None
    issues: tuple[dict[str, Any], ...]
    """Findings, as `store.issues` keeps them: code, at, params, source_field, line, column."""
    extra: dict[str, str]
    forgotten_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """One recipient's copy as it stands, without content."""

    id: str
    message: str
    recipient: str
    kind: Kind
    state: DeliveryState
    lane: str
    level: Level | None
    reason: str | None
    basis: str | None
    evidence: str | None
    bundle_id: str
    header_id: str
    attempts: int
    created_at: datetime
    queued_at: datetime
    due_at: datetime | None
    changed_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    """When the recipient first took it."""
    acknowledged_at: datetime | None
    frozen: bool
    reached: bool
    about: str | None
    """For a delivery report: the delivery it tells of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """One copy that a recipient has, or may have."""

    message: str
    delivery: str
    sender: str
    recipient: str
    event: str | None
    kind: Kind
    level: Level | None
    basis: str | None
    """On what ground: `basis:Consent/<id>#<version>`, or the basis alone."""
    evidence: str | None
    state: DeliveryState
    sent_at: datetime | None
    """When it was taken; None where the bytes may have arrived and nobody has said so."""
    acknowledged_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosed:
    """One sending of a copy, as the audit wrote it down before it began."""

    row: AuditRow
    message: str
    delivery: str
    sender: str
    recipient: str
    subject: str | None
    """Keyed hash of the person."""
    mode: Mode
    event: str | None
    kind: Kind
    level: str | None
    basis: str | None
    """On what ground this sending was."""
    evidence: str | None
    bundle_id: str
    state: DeliveryState
    endpoint: str | None
    """Address it went to; None where the audit does not say."""
    purpose: str | None = None
    """What for, v3-ActReason; None where nothing new was disclosed, or the audit does not say."""
    rules: str | None = None
    """Version of the rule table it was decided by."""
    content: str | None = None
    """Type, id and version of each resource of the copy."""
    register: str | None = None
    """Kind of the sender's register it came from."""
    register_type: str | None = None
    """`system|code` of its national type, where the message said it."""
    controller: str | None = None
    """Keys of who controls that register."""
    attempt: str | None
    """What became of it, a `retry.Class`; None where nobody lived to write it down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One row of the trail that discloses nothing: something was taken in, denied or acknowledged."""

    row: AuditRow
    what: Literal["intake", "denial", "acknowledgement"]
    message: str
    sender: str
    recipient: str | None
    """Who was denied or has acknowledged; None for an intake, and where an old row does not say."""
    subject: str | None
    """Keyed hash of the person."""
    mode: Mode
    event: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One try at the socket; never changed."""

    delivery: str
    number: int
    node: str
    token: int
    started_at: datetime
    ended_at: datetime
    outcome: str
    """Class of `adapter.relay.retry.Class`."""
    status: int | None
    reason: str | None
    late: bool
    """True if the lease was lost when it ended, so that it changed nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgementRow:
    """One acknowledgement as it came in."""

    number: int
    partner: str
    identifier: str
    code: AckCode
    verdict: Verdict
    delivery: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """One recipient's side of the matter."""

    id: str
    message: str
    recipient: str
    state: CaseState
    opened_at: datetime
    changed_at: datetime
    due_at: datetime | None
    """By when an answer is expected; None until somebody has reckoned it."""
    reply: str | None
    """Id of the newest business reply, a message."""
    overdue_at: datetime | None
    """When it was found that nobody had answered in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRow:
    """A replay as it stands."""

    id: str
    state: ReplayState = ReplayState.PREPARED
    wanted: str
    """What was asked for, as JSON."""
    preview: str
    """What was to be expected when it was prepared, as JSON of `replay.Preview`."""
    reason: str
    per_minute: int
    prepared_by: str
    prepared_at: datetime
    released_by: str | None = None
    released_at: datetime | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None
    items: tuple[tuple[str, str | None, int], ...] = ()
    """State, reason, and how many copies are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold that stands: nothing leaves."""

    began_at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A copy of the store, made while it was at work."""

    file: str
    """Name of the file within the folder of backups."""
    bytes: int
    head: Head
    """This node's audit head when the copy was begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueItem:
    """One copy of a replay whose turn it is."""

    replay: str
    number: int
    delivery: str
    is_forgotten: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentVersion:
    """One version of a Consent; `resource` is FHIR JSON."""

    id: str
    version: int
    subject: str
    resource: dict[str, Any]
    received_at: datetime
    filer: str | None = None
    """Key of the organisation that filed it; None for one of the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """How the directory of another server does."""

    address: str
    asked_at: datetime | None = None
    answered_at: datetime | None = None
    """When it answered last; None if it never did."""
    whole_at: datetime | None = None
    """When all of it was asked for last."""
    stale_at: datetime | None = None
    """From when on nothing is routed by it."""
    since: str | None = None
    """What the next look asks for changes since."""
    failures: int = 0
    """In a row, up to now."""
    code: str | None = None
    """Why the last look failed; None if it did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConsent:
    """A Consent to keep. `subject` comes from `Store.subject_key`."""

    id: str
    subject: str
    resource: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A partner as the engine sees it: may it be sent to now, and does it take delivery reports."""

    key: str
    takes_reports: bool
    waiting: int = 0
    """Deliveries queued for it."""
    failures: int = 0
    """Failed attempts in a row."""
    paused_until: datetime | None = None
    pause_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictRow:
    """A submission that came under the key of an earlier one with other content."""

    id: str
    sender: str
    source: str
    message: str
    """The earlier one."""
    media_type: str
    received_at: datetime
    version: str | None = None
    """Version of a plan, and the one that it is based on."""
    base: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """What an acknowledgement did."""

    verdict: Verdict
    delivery: str | None
    message: str | None
    state: DeliveryState | None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineRow:
    """One moment in the life of a message."""

    at: datetime
    what: str
    """Verb of the audit, or `attempt`, `acknowledgement`."""
    object: str
    outcome: str
    reason: str | None
    actor: str
    detail: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long content is kept after a message came to its end; ids and audit stay."""

    not_applicable: timedelta
    delivered: timedelta
    parked: timedelta
    """Unreadable, invalid, closed, or with a delivery that did not succeed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """How an attempt ended, and what the engine has decided to do about it."""

    delivery: str
    token: int
    started_at: datetime
    ended_at: datetime
    outcome: Class
    status: int | None
    reason: str | None
    """A code of the catalogue; None for success."""
    reached: bool
    """True if the recipient may hold the copy now."""
    counts: bool
    """False if it must not use up the schedule: a fault of the route."""
    events: tuple[DeliveryEvent, ...]
    """Steps from `sending`."""
    due_at: datetime | None
    """Queued again: when to try next. Awaiting: until when. None otherwise."""
    reply: AckCode | None = None
    """Response code that came in the HTTP reply."""
    answer: bytes | None = None
    """What came back: kept with the acknowledgement, or with the attempt where it was refused."""


class Freeze(StrEnum):
    """Whether a copy may go to the socket now."""

    GO = "go"
    LOST = "lost"
    """The lease is no longer ours."""
    ASK_AGAIN = "ask-again"
    """The subject's consents changed since the claim."""
    CLOSED = "closed"
    """It was superseded or cancelled meanwhile, and is closed now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """A route that has just come to rest: what the alarm tells."""

    partner: str
    reason: str
    until: datetime
    alarm: bool
    """True for the first rest since the last success."""


class Opening(StrEnum):
    """Whether a person may be shown a copy now."""

    SHOWN = "shown"
    ASK_AGAIN = "ask-again"
    """The subject's consents changed since it was decided."""
    GONE = "gone"
    """It was corrected, cancelled, closed or forgotten."""
    HELD = "held"
    """Nothing leaves while a hold stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One copy as the reply form lists it: nothing of its content, nothing of a person."""

    number: int
    delivery: str
    message: str
    recipient: str
    sender: str
    kind: Kind
    state: DeliveryState
    reason: str | None
    event: str | None
    meaning: Meaning | None
    notification: str | None
    cancels: str | None
    superseded_by: str | None
    """Message that corrects or cancels it."""
    is_taken_back: bool
    """True if that one cancels it."""
    created_at: datetime
    changed_at: datetime
    is_opened: bool
    is_forgotten: bool
    case: CaseState | None
    reply_due: datetime | None
    """By when an answer is expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferNotice:
    """What a partner is told: how much waits to be opened, and since when."""

    partner: str
    waiting: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody who has signed in."""

    id: str
    """SHA-256 of its secret, hex."""
    person: str
    proof: str
    """Of the password it began with."""
    language: str
    began_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A filled form that was sent."""

    sent_at: datetime
    """The first time."""
    is_same: bool
    """False if the form was sent before with something else in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormReply:
    """One reply that was written on the form."""

    person: str
    sent_at: datetime
    reply: str | None
    """Code of `CaseEvent`; None where the reply was not taken."""
    state: DeliveryState | None
    """How far it has come on its way back to the sender; None where it was not taken."""
    reason: str | None
