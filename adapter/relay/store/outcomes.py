"""What became of an attempt, an acknowledgement, a wait, or what a person decided.

Every write about an attempt is fenced by the lease's token: one that comes late is kept as an attempt and
changes nothing else.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, or_, select, update

from adapter.errors import Conflict, NotFound
from adapter.relay import retry
from adapter.relay.message import LIVE, DeliveryEvent, DeliveryState
from adapter.relay.retry import Class
from adapter.relay.store import deliveries, offers, schema
from adapter.relay.store.among import Among
from adapter.relay.store.book import ENGINE
from adapter.relay.store.cipher import owner_of
from adapter.relay.store.values import AckCode, AttemptEnd, Matched, Paused, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from adapter.relay.message import Level
    from adapter.relay.store.book import Book
    from adapter.relay.store.prepared import Row
    from adapter.relay.store.values import Claimed

EVENT_OF_CODE: dict[AckCode, DeliveryEvent] = {
    "ok": DeliveryEvent.OK,
    "transient-error": DeliveryEvent.TRANSIENT_ERROR,
    "fatal-error": DeliveryEvent.FATAL_ERROR,
}
"""R4 response-code as a step of the delivery."""

UNKNOWN_KEPT = timedelta(hours=24)
"""How long an acknowledgement of something unknown is kept, and matched again."""
KEPT_OF_ANSWER = 65_536
"""Bytes of a refusal that are kept for the operator."""

_D, _P, _A = schema.delivery.c, schema.party.c, schema.acknowledgement.c

_ADD_ATTEMPT = insert(schema.attempt)
_ROUTE = tuple(field.name for field in fields(retry.Route))
_PARTY = select(schema.party).where(_P.key == bindparam("the_party"))
_PARTIES = select(schema.party).where(Among(_P.key, "parties"))
_WAY = "way"
"""Kind of the rows of partners that are foreseen."""
_PARTY_ALONE = _PARTY.with_for_update(key_share=True)
_CHANGE_PARTY = update(schema.party).where(_P.key == bindparam("the_party"))
_BY_ID = (
    select(_D.id)
    .where(
        _D.recipient == bindparam("partner"),
        or_(
            _D.header_id == bindparam("identifier"),
            _D.bundle_id == bindparam("identifier"),
            _D.envelope_id == bindparam("identifier"),
        ),
    )
    .order_by((_D.header_id == bindparam("identifier")).desc())
    .limit(1)
)
_ADD_ACK = insert(schema.acknowledgement)
_OPEN = LIVE | {DeliveryState.PARKED}
_VERDICTS = select(_A.code).where(_A.delivery == bindparam("the_delivery"), _A.verdict == "first")
_UNMATCHED = (
    select(_A.number, _A.code)
    .where(
        _A.identifier.in_([bindparam("header_id"), bindparam("bundle_id"), bindparam("envelope_id")]),
        _A.partner == bindparam("partner"),
        _A.delivery.is_(None),
        _A.received_at > bindparam("since", type_=schema.Moment),
    )
    .order_by(_A.number)
)
_MATCH = update(schema.acknowledgement).where(_A.number == bindparam("the_number"))


def body_of(number: int) -> str:
    """Return the name of an acknowledgement's body: the part of its message's, or an owner by itself."""
    return f"acknowledgement/{number}"


def foresee(book: Book, ends: Sequence[AttemptEnd]) -> None:
    """Read in one go what `record_attempt` will ask about these."""
    deliveries.foresee(book, [end.delivery for end in ends])
    recipients = {row.recipient for (kind, _), row in book.foreseen.items() if kind == deliveries.FOUND}
    if told := sum(end.reply is not None for end in ends):
        book.reserve(_A.number, told)
    for party in book.all(_PARTIES, {"parties": sorted(recipients)}):
        book.foreseen[_WAY, party.key] = party


def record_attempt(book: Book, end: AttemptEnd) -> Paused | None:
    """Keep the attempt and do what its end asks for. Returns a pause of the route that begins with it."""
    row = deliveries.find(book, end.delivery)
    late = row.token != end.token
    book.later(
        _ADD_ATTEMPT,
        {
            "delivery": end.delivery,
            "number": row.tries + 1,
            "node": book.node,
            "token": end.token,
            "started_at": end.started_at,
            "ended_at": end.ended_at,
            "outcome": end.outcome.value,
            "status": end.status,
            "reason": end.reason,
            "late": late,
        },
    )
    changes: dict[str, Any] = {"tries": row.tries + 1}
    if end.counts:
        changes["attempts"] = row.attempts + 1
    if end.reached:
        changes["reached"] = 2
    elif row.reached == 1 and not late:
        changes["reached"] = 0
    if end.outcome is Class.REFUSED and end.answer:
        book.seal_more(owner_of(row.message), f"answer/{row.id}/{row.tries + 1}", end.answer[:KEPT_OF_ANSWER])
    if late or row.state != DeliveryState.SENDING.value:
        _keep_count(book, row, end, changes, late=late)
    elif end.reply is not None:
        _take(book, row, end.reply, end=end, changes=changes)
    else:
        _step(book, row, end, changes)
    return _route(book, row.recipient, end) if not late else None


def _keep_count(book: Book, row: Row, end: AttemptEnd, changes: dict[str, Any], *, late: bool) -> None:
    """The delivery went on without this attempt: only the count, and the lane if it is still ours."""
    deliveries.change(book, row.id, changes)
    if not late:
        deliveries.step_lane(book, row.lane, 0, token=row.token)
        book.work = True
    book.note(
        "attempt",
        f"delivery/{row.id}",
        row.state,
        at=end.ended_at,
        reason=end.reason,
        message=row.message,
        result=end.outcome.value,
        status=end.status,
        late="true" if late else None,
    )


def _step(book: Book, row: Row, end: AttemptEnd, changes: dict[str, Any]) -> None:
    if end.due_at is not None:
        changes["due_at"] = end.due_at
    if end.outcome in (Class.TAKEN, Class.RECEIVED):
        changes |= {"sent_at": row.sent_at or end.ended_at, "taken": True}
    after = deliveries.move(
        book,
        row,
        *end.events,
        at=end.ended_at,
        action="attempt",
        reason=end.reason,
        release=True,
        detail={"result": end.outcome.value, "status": end.status, "attempt": row.tries + 1},
        **changes,
    )
    if after is DeliveryState.AWAITING:
        _match_earlier(book, row, end.ended_at)


def _take(
    book: Book,
    row: Row,
    code: AckCode,
    *,
    end: AttemptEnd,
    changes: dict[str, Any],
) -> None:
    """The reply carried the acknowledgement itself."""
    _keep(book, row.recipient, row.header_id, code, "first", row, end.answer, end.ended_at)
    if code == "ok":
        changes["acknowledged_at"] = end.ended_at
    if end.due_at is not None:
        changes["due_at"] = end.due_at
    deliveries.move(
        book,
        row,
        *end.events,
        at=end.ended_at,
        action="attempt",
        reason=end.reason,
        release=True,
        detail={
            "result": end.outcome.value,
            "status": end.status,
            "attempt": row.tries + 1,
            "acknowledgement": code,
        },
        sent_at=row.sent_at or end.ended_at,
        taken=True,
        **changes,
    )


def _match_earlier(book: Book, row: Row, at: datetime) -> None:
    """An acknowledgement that came before its delivery was known finds it now."""
    given = {
        "header_id": row.header_id,
        "bundle_id": row.bundle_id,
        "envelope_id": row.envelope_id or row.bundle_id,
        "partner": row.recipient,
        "since": at - UNKNOWN_KEPT,
    }
    for earlier in book.all(_UNMATCHED, given):
        found = deliveries.find(book, row.id)
        verdict = _apply(book, found, earlier.code, at, due_at=None)
        book.run(_MATCH, {"the_number": earlier.number, "delivery": row.id, "verdict": verdict})


def _route(book: Book, partner: str, end: AttemptEnd) -> Paused | None:
    """Keep what this attempt says about the way to the partner; tell of a pause that begins with it."""
    party = book.foreseen.get((_WAY, partner)) or book.first(_PARTY, {"the_party": partner})
    if party is None:
        return None
    got_through = end.outcome in (Class.TAKEN, Class.RECEIVED, Class.REFUSED)
    if got_through and _route_of(party).is_untroubled:
        return None  # as nearly always
    before = _route_of(book.all(_PARTY_ALONE, {"the_party": partner})[0])
    if got_through:
        after = retry.after_success(before, end.ended_at)
    else:
        after = retry.after_failure(before, end.ended_at, is_wrong_way=end.outcome is Class.ROUTE)
    changes = {name: getattr(after, name) for name in _ROUTE}
    if after.pauses > before.pauses and after.paused_until is not None:
        reason = end.reason or "DL103"
        _change_party(book, partner, **changes, pause_reason=reason)
        alarm = before.pauses == 0
        book.note(
            "pause",
            f"partner/{partner}",
            "paused",
            at=end.ended_at,
            reason=reason,
            alarm="true" if alarm else None,
        )
        return Paused(partner=partner, reason=reason, until=after.paused_until, alarm=alarm)
    if after.pauses < before.pauses:
        changes["pause_reason"] = None
        book.note("resume", f"partner/{partner}", "open", at=end.ended_at)
    _change_party(book, partner, **changes)
    book.work = book.work or got_through
    return None


def _route_of(party: Row) -> retry.Route:
    return retry.Route(**{name: getattr(party, name) for name in _ROUTE})


def _change_party(book: Book, partner: str, **changes: object) -> None:
    book.foreseen.pop((_WAY, partner), None)
    book.run(_CHANGE_PARTY, {"the_party": partner, **changes})


def acknowledge(
    book: Book,
    partner: str,
    identifier: str,
    code: AckCode,
    body: bytes,
    now: datetime,
    *,
    retry_after: timedelta,
) -> Matched:
    """Take in an acknowledgement that came by itself.

    Only deliveries to `partner` can match, so that nobody acknowledges for another. The first final code
    wins, and what contradicts it changes nothing; a late `ok` lifts what was parked, or refused by a status
    (table of `message.advance`).
    """
    match = book.first(_BY_ID, {"partner": partner, "identifier": identifier})
    if match is None:
        number = _keep(book, partner, identifier, code, "unknown", None, body, now)
        book.note("acknowledge", body_of(number), "unknown", at=now, actor=partner, code=code)
        return Matched(verdict="unknown", delivery=None, message=None, state=None)
    row = deliveries.find(book, match.id)
    verdict = _apply(book, row, code, now, due_at=now + retry_after)
    _keep(book, partner, identifier, code, verdict, row, body, now)
    state = DeliveryState(deliveries.find(book, row.id).state)
    return Matched(verdict=verdict, delivery=row.id, message=row.message, state=state)


def _apply(book: Book, row: Row, code: AckCode, now: datetime, *, due_at: datetime | None) -> Verdict:
    """Step if the table has the step, and say what the acknowledgement was to the delivery."""
    event = EVENT_OF_CODE[code]
    earlier = [first.code for first in book.all(_VERDICTS, {"the_delivery": row.id})]
    # What is open has been sent again by a person since: an earlier final word is of the time before that.
    finals = (given for given in earlier if given != "transient-error")
    final = next(finals, None) if DeliveryState(row.state) not in _OPEN else None
    contradicts = final is not None and code != final
    if final is not None or not deliveries.has_step(row.state, event):
        verdict: Verdict = "contradicting" if contradicts else "repeat" if final or earlier else "late"
        book.note(
            "acknowledge",
            f"delivery/{row.id}",
            row.state,
            at=now,
            actor=row.recipient,
            message=row.message,
            code=code,
            verdict=verdict,
        )
        return verdict
    changes: dict[str, Any] = {"reached": 2, "taken": True}
    if code == "ok":
        changes["acknowledged_at"] = now
        changes["sent_at"] = row.sent_at or now
    elif code == "transient-error" and due_at is not None:
        changes["due_at"] = due_at
    deliveries.move(
        book,
        row,
        event,
        at=now,
        action="acknowledge",
        actor=row.recipient,
        reason=None if code == "ok" else "DL120" if code == "transient-error" else "DL121",
        detail={"code": code},
        **changes,
    )
    return "first"


def _keep(
    book: Book,
    partner: str,
    identifier: str,
    code: AckCode,
    verdict: Verdict,
    row: Row | None,
    body: bytes | None,
    at: datetime,
) -> int:
    """Keep the acknowledgement; returns its number.

    Its body is sealed under the key of the message it is about and forgotten with that; under one of its own
    if nobody knows what it is about.
    """
    number = book.number(_A.number)
    book.later(
        _ADD_ACK,
        {
            "number": number,
            "partner": partner,
            "identifier": identifier,
            "code": code,
            "verdict": verdict,
            "delivery": row.id if row else None,
            "received_at": at,
        },
    )
    if body is not None and row is None:
        book.seal_new(body_of(number), {"body": body}, at)
    elif body is not None and row is not None and row.wrapped is not None:
        book.seal(book.vault.envelope(owner_of(row.message), row.wrapped), body_of(number), body)
    return number


def overdue(
    book: Book, delivery: str, now: datetime, *, most: Mapping[str, int], due_at: datetime
) -> DeliveryState | None:
    """No acknowledgement came in time: send again, or park after so many repeats. None if it moved on.

    `most`: how many by the recipient; none to one that is no partner any more. What waits on the reply form
    cannot be sent again: it is parked at once, and can be opened all the same.
    """
    row = deliveries.find(book, delivery)
    if row.state != DeliveryState.AWAITING.value or row.due_at is None or row.due_at > now:
        return None
    unopened = offers.is_unopened(row.state, row.reached)
    spent = unopened or row.overdue >= most.get(row.recipient, 0)
    events = (DeliveryEvent.OVERDUE, DeliveryEvent.ATTEMPTS_SPENT) if spent else (DeliveryEvent.OVERDUE,)
    changes: dict[str, Any] = {} if spent else {"due_at": due_at}
    return deliveries.move(
        book,
        row,
        *events,
        at=now,
        action="overdue",
        reason=offers.UNOPENED if unopened else "DL104",
        overdue=row.overdue + 1,
        **changes,
    )


def release(
    book: Book,
    delivery: str,
    *,
    level: Level,
    basis: str,
    at: datetime,
    actor: str,
    reason: str | None = None,
) -> DeliveryState:
    """Queue a withheld delivery: it is permitted now, or a person has looked at it and says why."""
    row = deliveries.find(book, delivery)
    changes: dict[str, Any] = {"level": level.value, "basis": basis, "queued_at": at, "attempts": 0}
    if actor != ENGINE:
        changes["released_by"] = actor
    return deliveries.move(
        book,
        row,
        DeliveryEvent.PERMITTED,
        at=at,
        action="release",
        actor=actor,
        detail={"level": level.value, "basis": basis, "why": reason},
        **changes,
    )


def still_withheld(book: Book, delivery: str) -> None:
    """The consents were asked again and still do not permit it: wait for the next change."""
    row = deliveries.find(book, delivery)
    if row.state == DeliveryState.WITHHELD.value:
        deliveries.change(book, delivery, {"due_at": None})


def resend(
    book: Book, delivery: str, *, actor: str, reason: str, at: datetime, replay: str | None = None
) -> DeliveryState:
    """Queue a parked or refused delivery again, with a fresh time to live. `replay`: which it is part of.

    Raises Conflict ST123 if its content was forgotten.
    """
    row = deliveries.find(book, delivery)
    if row.forgotten_at is not None:
        raise Conflict("ST123")
    return deliveries.move(
        book,
        row,
        DeliveryEvent.RESENT,
        at=at,
        action="resend",
        actor=actor,
        reason=None,
        detail={"why": reason, "replay": replay},
        queued_at=at,
        expires_at=max(row.expires_at, at + (row.expires_at - row.created_at)),
        attempts=0,
        overdue=0,
    )


def close(book: Book, delivery: str, *, actor: str, reason: str, at: datetime) -> DeliveryState:
    """Close a parked or refused delivery."""
    row = deliveries.find(book, delivery)
    return deliveries.move(
        book,
        row,
        DeliveryEvent.CLOSED_BY_OPERATOR,
        at=at,
        action="close",
        actor=actor,
        reason="DL113",
        detail={"why": reason},
    )


def rehearse(book: Book, claimed: Claimed, *, would: Mapping[str, str], at: datetime) -> None:
    """Close a claimed copy that would go now, and keep what it would have been: nothing is sent in shadow."""
    row = deliveries.find(book, claimed.delivery)
    if row.token != claimed.token or row.state != DeliveryState.SENDING.value:
        return
    deliveries.move(
        book,
        row,
        DeliveryEvent.LEASE_EXPIRED,
        DeliveryEvent.CANCELLED,
        at=at,
        action="rehearse",
        reason=deliveries.REHEARSED,
        release=True,
        detail=dict(would),
    )


def resume(book: Book, partner: str, *, actor: str, reason: str | None, at: datetime) -> None:
    """Lift the rest of a partner's route.

    Raises NotFound ST121.
    """
    if book.first(_PARTY_ALONE, {"the_party": partner}) is None:
        raise NotFound("ST121", params={"kind": "partner"})
    calm = {name: getattr(retry.UNTROUBLED, name) for name in _ROUTE}
    _change_party(book, partner, **calm, pause_reason=None)
    book.note("resume", f"partner/{partner}", "open", at=at, actor=actor, why=reason)
    book.work = True


def import_parties(book: Book, takers: dict[str, bool]) -> None:
    """Make known which partners there are, and which of them take delivery reports."""
    for key, takes in takers.items():
        deliveries.ensure_party(book, key)
        book.run(_CHANGE_PARTY, {"the_party": key, "takes_reports": takes})
