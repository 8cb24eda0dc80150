"""The message and its deliveries: what they are, and the tables of states they walk through.

A *submission* is the bytes a door took in. It becomes one *message*. A message has one *delivery* per
recipient. Nothing else changes a state than `transitions.advance` with an event of these tables; the store
checks the same tables in the database, and the docs are drawn from them.

Message: received until the intake transaction has decided, then one of the others. `received` exists only
within that transaction: a committed message is always in a state that says what happened to it.

Delivery: `withheld` keeps the content here until a consent permits it or time runs out. `parked` and
`refused` wait for a person. Success is `acknowledged`, or `delivered` for a partner that sends no
acknowledgement. A late `ok` lifts even a parked delivery, because somebody has it after all.

A partner whose people read on the reply form gets an *offer* instead of a sending: the delivery awaits the
person who opens it, and nothing has left before that. What comes in between (another consent, a correction,
a cancellation) takes the offer back into the queue, where it is decided on anew.

What we are not content with: `sending` cannot know whether the bytes arrived when the process dies. It goes
back to `queued` when the lease ends and the same bytes with the same ids are sent again; only the
recipient's duplicate check removes the second copy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from adapter.relay.duplicates import R4

if TYPE_CHECKING:
    from datetime import datetime

    from adapter.outcome import Issue
    from adapter.relay.duplicates import Cases, Id


class MessageState(StrEnum):
    """What became of a submission."""

    RECEIVED = "received"
    UNREADABLE = "unreadable"
    INVALID = "invalid"
    NOT_APPLICABLE = "not-applicable"
    NEEDS_ROUTING = "needs-routing"
    ACCEPTED = "accepted"
    SETTLED = "settled"
    CLOSED = "closed"


class MessageEvent(StrEnum):
    """What moves a message from one state to the next."""

    NOT_READ = "not-read"
    FOUND_INVALID = "found-invalid"
    FOUND_NOT_APPLICABLE = "found-not-applicable"
    NOT_ROUTED = "not-routed"
    ROUTED = "routed"
    ASSIGNED = "assigned"
    DECLINED = "declined"
    EXPIRED = "expired"
    ALL_ENDED = "all-ended"
    RESENT = "resent"


MESSAGE_TRANSITIONS: dict[tuple[MessageState, MessageEvent], MessageState] = {
    (MessageState.RECEIVED, MessageEvent.NOT_READ): MessageState.UNREADABLE,
    (MessageState.RECEIVED, MessageEvent.FOUND_INVALID): MessageState.INVALID,
    (MessageState.RECEIVED, MessageEvent.FOUND_NOT_APPLICABLE): MessageState.NOT_APPLICABLE,
    (MessageState.RECEIVED, MessageEvent.NOT_ROUTED): MessageState.NEEDS_ROUTING,
    (MessageState.RECEIVED, MessageEvent.ROUTED): MessageState.ACCEPTED,
    (MessageState.NEEDS_ROUTING, MessageEvent.ASSIGNED): MessageState.ACCEPTED,
    (MessageState.NEEDS_ROUTING, MessageEvent.DECLINED): MessageState.CLOSED,
    (MessageState.NEEDS_ROUTING, MessageEvent.EXPIRED): MessageState.CLOSED,
    (MessageState.ACCEPTED, MessageEvent.ALL_ENDED): MessageState.SETTLED,
    (MessageState.SETTLED, MessageEvent.RESENT): MessageState.ACCEPTED,
}


class DeliveryState(StrEnum):
    """Where one recipient's copy is."""

    QUEUED = "queued"
    SENDING = "sending"
    AWAITING = "awaiting"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    WITHHELD = "withheld"
    PARKED = "parked"
    REFUSED = "refused"
    CLOSED = "closed"


class DeliveryEvent(StrEnum):
    """What moves a delivery from one state to the next."""

    CLAIMED = "claimed"
    SENT = "sent"
    SENT_UNACKNOWLEDGED = "sent-unacknowledged"
    """Sent to a partner that sends no acknowledgement."""
    OK = "ok"
    TRANSIENT_ERROR = "transient-error"
    FATAL_ERROR = "fatal-error"
    LEASE_EXPIRED = "lease-expired"
    OVERDUE = "overdue"
    TAKEN_BACK = "taken-back"
    """Of a copy that waits on the reply form and that nobody has opened: nothing of it has left."""
    ATTEMPTS_SPENT = "attempts-spent"
    CONSENT_WITHDRAWN = "consent-withdrawn"
    PERMITTED = "permitted"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    RESENT = "resent"
    CLOSED_BY_OPERATOR = "closed-by-operator"


_Q, _S, _A = DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.AWAITING
_W, _P, _R, _C = DeliveryState.WITHHELD, DeliveryState.PARKED, DeliveryState.REFUSED, DeliveryState.CLOSED
_OK, _DELIVERED = DeliveryState.ACKNOWLEDGED, DeliveryState.DELIVERED
_E = DeliveryEvent

DELIVERY_TRANSITIONS: dict[tuple[DeliveryState, DeliveryEvent], DeliveryState] = {
    (_Q, _E.CLAIMED): _S,
    (_Q, _E.CONSENT_WITHDRAWN): _W,
    (_Q, _E.ATTEMPTS_SPENT): _P,
    (_Q, _E.EXPIRED): _C,
    (_Q, _E.SUPERSEDED): _C,
    (_Q, _E.CANCELLED): _C,
    (_Q, _E.OK): _OK,
    (_S, _E.SENT): _A,
    (_S, _E.SENT_UNACKNOWLEDGED): _DELIVERED,
    (_S, _E.CONSENT_WITHDRAWN): _W,
    (_S, _E.TRANSIENT_ERROR): _Q,
    (_S, _E.LEASE_EXPIRED): _Q,
    (_S, _E.FATAL_ERROR): _R,
    (_S, _E.OK): _OK,
    (_A, _E.OK): _OK,
    (_A, _E.TRANSIENT_ERROR): _Q,
    (_A, _E.OVERDUE): _Q,
    (_A, _E.TAKEN_BACK): _Q,
    (_A, _E.FATAL_ERROR): _R,
    (_A, _E.EXPIRED): _C,
    (_W, _E.PERMITTED): _Q,
    (_W, _E.EXPIRED): _C,
    (_W, _E.SUPERSEDED): _C,
    (_W, _E.CANCELLED): _C,
    (_P, _E.RESENT): _Q,
    (_P, _E.SUPERSEDED): _C,
    (_P, _E.CANCELLED): _C,
    (_P, _E.CLOSED_BY_OPERATOR): _C,
    (_P, _E.OK): _OK,
    (_R, _E.RESENT): _Q,
    (_R, _E.SUPERSEDED): _C,
    (_R, _E.CANCELLED): _C,
    (_R, _E.CLOSED_BY_OPERATOR): _C,
    (_R, _E.OK): _OK,
}

LIVE = frozenset({_Q, _S, _A})
"""The engine still has something to do by itself."""
SUCCESS = frozenset({_OK, _DELIVERED})
ENDED = frozenset({_OK, _DELIVERED, _W, _P, _R, _C})
"""Nothing more happens without a person, a consent or an answer."""


class Mode(StrEnum):
    """Test and production are walled off from each other."""

    TEST = "test"
    PRODUCTION = "production"


class Meaning(StrEnum):
    """What the sender's event says about the procedure."""

    DONE = "done"
    PLANNED = "planned"
    UPDATE = "update"
    CANCEL = "cancel"
    IDENTITY_CHANGE = "identity-change"
    PERSON_DATA = "person-data"
    NOT_OURS = "not-ours"


class Level(StrEnum):
    """How much of a notification a recipient may see, the least first."""

    MINIMAL = "minimal"
    CLINICAL = "clinical"


LEVELS = tuple(Level)
"""The least first."""


class Kind(StrEnum):
    """What a delivery carries."""

    NOTIFICATION = "notification"
    CANCELLATION = "cancellation"
    DELIVERY_REPORT = "delivery-report"
    FEEDBACK = "feedback"
    """A business reply, on its way back to the hospital."""
    ANSWER = "answer"
    """The answer to a message that was handed in to be answered later."""


PROTECTED = "protected"
"""In a message's `extra`: it says that the person's address is protected."""

TO_THE_SENDER = frozenset({Kind.DELIVERY_REPORT, Kind.ANSWER})
"""Tells a sender of its own message: discloses nothing, is acknowledged by nobody and told of to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a door took in, before anybody has looked into it."""

    sender: str
    """Key of the calling organisation; from its credentials, never from the message."""
    source: str
    """Name of the configured source, or `fhir` for the FHIR doors."""
    body: bytes
    media_type: str
    charset: str | None
    """As the transport declared it; None if it did not."""
    received_at: datetime
    is_asynchronous: bool = False
    """True if the sender wants its answer as a message of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of one recipient's copy, as the sender is told it."""

    recipient: str | None
    """Key of the organisation; None where no recipient was found."""
    state: DeliveryState | MessageState
    reason: str | None = None
    """A code of the catalogue; None for success."""
    level: Level | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the sender gets back, stored so that a repeat gets the same bytes."""

    status: int
    """HTTP status."""
    media_type: str
    body: bytes
    message: str | None = None
    """Id of the message, None where nothing was stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """A delivery as the intake transaction writes it."""

    id: str
    recipient: str
    kind: Kind
    state: DeliveryState
    lane: str
    """Order is kept within a lane: recipient and subject."""
    level: Level | None
    reason: str | None
    """Why it is not queued: a code of the catalogue."""
    basis: str | None
    """Legal basis and consent that permitted it, for the audit: `Consent/<id>#<version>` or a rule."""
    evidence: str | None
    """Why this recipient: the rung of the routing ladder and what proves it."""
    bundle_id: str
    header_id: str
    """Ids of the copy, fixed once: every automatic repeat carries the same."""
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One act, as the hash chain keeps it: ids and codes, no content."""

    at: datetime
    actor: str
    """Organisation key, operator name, or `silta` for what the engine does itself."""
    action: str
    """Verb of the field: accept, map, validate, route, decide, disclose, attempt, settle, reveal, ..."""
    object: str
    """`message/<id>`, `delivery/<id>`, `consent/<id>` ..."""
    outcome: str
    """State reached, or `denied`."""
    reason: str | None = None
    """A code of the catalogue, or what an operator wrote."""
    detail: tuple[tuple[str, str], ...] = ()
    """Further ids and codes, in order: basis, level, recipient, versions."""


@dataclass(frozen=True, slots=True)
class IntakeKey:
    """One way to know a submission again: the same sender with the same key is a repeat."""

    text: str
    clash: str
    """Code of what the sender is told if other content has this key."""
    at: str
    """FHIRPath of the id within the message."""
    id: Id | None = None
    """Which id of a FHIR message it is; None for any other key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanHead:
    """Which plan, and its newest version at the time of asking, whoever sent it."""

    plan: str
    """The id of the plan, `system|value`."""
    subject: str | None
    newest: str | None
    """Message of the newest version; None if there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """A version of a plan whose author had not seen the newest one."""

    message: str
    """Message of the newest version."""
    code: str
    """What the sender is told, a code of the catalogue."""
    at: str
    """FHIRPath of what names the version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentFiling:
    """The next version of a consent, kept in the transaction of the message that brought it."""

    id: str
    subject: str
    resource: dict[str, Any]
    expected: int
    """The version it was made from, 0 for none."""
    keeps_back: bool
    """True if it lets nothing go that did not go before: it holds whatever becomes of its message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Everything that one intake transaction commits, the answer included."""

    message: str
    sender: str
    source: str
    mode: Mode
    state: MessageState
    meaning: Meaning | None
    event: str | None
    """Code of our message-event system; None where the submission could not be read."""
    notification: str | None
    """The sender's own id of the notification: the same in every repeat of it."""
    keys: tuple[IntakeKey, ...]
    """What a repeat of it has again."""
    cases: Cases = field(default_factory=lambda: R4)
    """What its ids make of it, if they came before."""
    digest: str
    """SHA-256 of the canonical content, hex: other content under the same key is a conflict."""
    subject: str | None
    """Keyed hash of the patient's identifier; never the identifier."""
    family: str | None = None
    """Keyed hash of the patient's family name, where the message is one that is relayed."""
    received_at: datetime
    original: bytes
    media_type: str
    content: bytes | None
    """The message Bundle as canonical JSON, where mapping succeeded."""
    lineage: bytes | None
    """Where each element of `content` came from, as JSON."""
    issues: tuple[Issue, ...] = ()
    deliveries: tuple[NewDelivery, ...] = ()
    cancels: str | None = None
    """Id of the earlier message that this one cancels or supersedes."""
    answer: Answer
    audit: tuple[AuditRecord, ...] = ()
    happened_at: str | None = None
    """When the procedure ended, as the sender wrote it (FHIR dateTime): the first of the clocks."""
    extra: dict[str, str] = field(default_factory=dict)
    consents: tuple[ConsentFiling, ...] = ()
    """What the patient has permitted or denied, as the message tells it."""
