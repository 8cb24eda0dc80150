"""An attempt: what is sent, what its end means, and when to go on. Pure: the wire's answer is an argument."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import adapter
from adapter.errors import DeliveryError
from adapter.relay import webhook
from adapter.relay.bundling import in_envelope
from adapter.relay.category import rule_of
from adapter.relay.message import TO_THE_SENDER, DeliveryEvent, Kind
from adapter.relay.reply import Reply, read_reply
from adapter.relay.retry import Class, asked_wait, class_of_status, next_attempt
from adapter.relay.store.outcomes import EVENT_OF_CODE
from adapter.relay.store.values import AttemptEnd
from adapter.relay.transport import UNSENT, WRONG_WAY, Inbound, Outbound

if TYPE_CHECKING:
    from collections.abc import Container
    from datetime import datetime, timedelta

    from adapter.relay.deployment import Partner
    from adapter.relay.message import Level
    from adapter.relay.retry import RetrySchedule
    from adapter.relay.store.values import Claimed, Frozen

MEDIA_TYPE = "application/fhir+json"


def outbound(claimed: Claimed, partner: Partner, copy: Frozen, deadline: timedelta, at: datetime) -> Outbound:
    """Return the request of an attempt: every repeat has the same body, a webhook's a signature of its own.

    FHIR R4 messaging: POST to `$process-message`; a webhook and other wires have the whole address.
    """
    headers = {
        "Content-Type": copy.media_type,
        "Accept": MEDIA_TYPE,
        "User-Agent": f"silta/{adapter.__version__}",
        "X-Request-Id": claimed.header_id,
    }
    if partner.token:
        headers["Authorization"] = f"Bearer {partner.token}"
    if partner.profile == "webhook":
        headers |= webhook.headers(claimed.header_id, at, copy.body, partner.signing_keys)
    return Outbound(
        url=_address(partner, claimed.kind),
        headers=headers,
        body=copy.body,
        deadline_seconds=deadline.total_seconds(),
    )


def _address(partner: Partner, kind: Kind) -> str:
    if partner.profile == "webhook" or not partner.endpoint.startswith("http"):
        return partner.endpoint
    asks = "?async=true" if partner.is_asynchronous or kind is Kind.ANSWER else ""
    return f"{partner.endpoint.rstrip('/')}/$process-message{asks}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What an attempt's end means for its delivery."""

    outcome: Class
    reason: str | None
    status: int | None
    reached: bool
    counts: bool
    events: tuple[DeliveryEvent, ...]
    retries: bool
    """True if it is queued again; False if `events` end it or let it wait for its acknowledgement."""
    reply: Reply | None = None
    asked: timedelta | None = None
    """The partner's Retry-After."""


_REASON_OF_CLASS = {
    Class.TRANSIENT: "DL210",
    Class.REFUSED: "DL211",
    Class.ROUTE: "DL212",
    Class.AMBIGUOUS: "DL213",
}
_UNSURE = frozenset({"DL102", "DL204", "DL205", "DL213"})
"""The process died, the wire broke off, or no answer came that could be understood."""
_REASON_OF_REPLY = {"ok": None, "transient-error": "DL120", "fatal-error": "DL121"}


def judge(
    got: Inbound | DeliveryError,
    *,
    kind: Kind,
    partner: Partner,
    ids: Container[str | None],
    now: datetime,
) -> Judgement:
    """Say what came of an attempt.

    `ids`: header and bundle ids of the copy; a reply that names another id says nothing about this one.
    """
    if isinstance(got, DeliveryError):
        return _failed(got)
    outcome = class_of_status(got.status)
    if outcome in (Class.TAKEN, Class.RECEIVED):
        return _taken(got, outcome, kind, partner, ids, now)
    retries = outcome is not Class.REFUSED
    return Judgement(
        outcome=outcome,
        reason=_REASON_OF_CLASS[outcome],
        status=got.status,
        reached=True,
        counts=outcome is not Class.ROUTE,
        events=(DeliveryEvent.TRANSIENT_ERROR if retries else DeliveryEvent.FATAL_ERROR,),
        retries=retries,
        asked=asked_wait(got.headers.get("retry-after"), now),
    )


def _failed(error: DeliveryError) -> Judgement:
    code = error.code
    outcome = Class.ROUTE if code in WRONG_WAY else Class.UNSENT if code in UNSENT else Class.AMBIGUOUS
    return Judgement(
        outcome=outcome,
        reason=code,
        status=None,
        reached=outcome is Class.AMBIGUOUS,
        counts=outcome is not Class.ROUTE,
        events=(DeliveryEvent.TRANSIENT_ERROR,),
        retries=True,
    )


def _taken(
    got: Inbound,
    outcome: Class,
    kind: Kind,
    partner: Partner,
    ids: Container[str | None],
    now: datetime,
) -> Judgement:
    speaks = got.complete and partner.reliability.acknowledges and kind is not Kind.ANSWER
    reply = read_reply(got.body, got.headers.get("content-type")) if speaks else None
    if reply is not None and reply.identifier is not None and reply.identifier not in ids:
        reply = None
    expects_none = not partner.acknowledges or kind in TO_THE_SENDER
    if reply is not None:
        event = EVENT_OF_CODE[reply.code]
    else:
        event = DeliveryEvent.SENT_UNACKNOWLEDGED if expects_none else DeliveryEvent.SENT
    return Judgement(
        outcome=outcome,
        reason=_REASON_OF_REPLY[reply.code] if reply else None,
        status=got.status,
        reached=True,
        counts=True,
        events=(event,),
        retries=event is DeliveryEvent.TRANSIENT_ERROR,
        reply=reply,
        asked=asked_wait(got.headers.get("retry-after"), now),
    )


def attempt_end(
    judged: Judgement,
    claimed: Claimed,
    *,
    started_at: datetime,
    now: datetime,
    schedule: RetrySchedule,
    acknowledge_within: timedelta,
    draw: float,
    answer: bytes | None,
) -> AttemptEnd:
    """Add to the judgement when to go on, or that the schedule is spent. `draw`: random, 0 up to 1."""
    events, due = judged.events, None
    if judged.retries:
        due = _next(judged, claimed, now=now, schedule=schedule, draw=draw)
        if due is None:
            events = (*events, DeliveryEvent.ATTEMPTS_SPENT)
    elif DeliveryEvent.SENT in events:
        due = now + acknowledge_within
    return AttemptEnd(
        delivery=claimed.delivery,
        token=claimed.token,
        started_at=started_at,
        ended_at=now,
        outcome=judged.outcome,
        status=judged.status,
        reason=judged.reason,
        reached=judged.reached,
        counts=judged.counts,
        events=events,
        due_at=due,
        reply=judged.reply.code if judged.reply else None,
        answer=answer,
    )


def _next(
    judged: Judgement, claimed: Claimed, *, now: datetime, schedule: RetrySchedule, draw: float
) -> datetime | None:
    """A fault of the route waits with its partner, not by the schedule; it still gives up in the end."""
    if judged.outcome is Class.ROUTE:
        return now if now <= claimed.queued_at + schedule.give_up else None
    return next_attempt(
        claimed.attempts + 1,
        schedule,
        queued_at=claimed.queued_at,
        now=now,
        draw=draw,
        asked=judged.asked,
    )


def may_reuse(claimed: Claimed, level: Level | None) -> bool:
    """Return True if the frozen copy is still what this recipient may have."""
    return claimed.frozen is not None and (level is None or claimed.frozen.level is level)


def may_repeat(claimed: Claimed, partner: Partner) -> bool:
    """Return False if one copy too many could do harm: nobody knows whether it arrived, nor could tell.

    A person who sends it again has found out.
    """
    is_unsure = claimed.reached and claimed.reason in _UNSURE
    return not is_unsure or partner.reliability.checks_repeats or rule_of(claimed.event).may_go_twice


def resent(frozen: Frozen, claimed: Claimed, partner: Partner, id: str, at: datetime) -> Frozen | None:
    """Return the copy in a new envelope of this id, where the partner took the one before; else None.

    What it did not take goes again byte for byte. MedCom reliable messaging: a resend has a new envelope id
    and time of sending, and the same message.
    """
    if not (claimed.taken and partner.reliability.renews_envelope):
        return None
    return replace(frozen, body=in_envelope(frozen.body, id, at), envelope=id)


def may_rebuild(claimed: Claimed) -> bool:
    """Return True if no earlier copy can have reached the recipient, so that another may take its place."""
    return not claimed.reached
