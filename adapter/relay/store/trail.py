"""What the trail says: who got what, who saw what, what was done and when."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, null, or_, select

from adapter.relay import audit
from adapter.relay.message import TO_THE_SENDER, DeliveryState, Kind, Level, Mode
from adapter.relay.store import schema
from adapter.relay.store.asking import Asking
from adapter.relay.store.values import Act, Disclosed, Disclosure, TimelineRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import ColumnElement

    from adapter.relay.store.prepared import Row

_M, _D, _T, _U = schema.message.c, schema.delivery.c, schema.attempt.c, schema.audit.c

_OF_ONE_MESSAGE = (
    select(schema.audit)
    .where(
        or_(
            _U.object == "message/" + bindparam("message", type_=_M.id.type),
            _U.object.in_(select("delivery/" + _D.id).where(_D.message == bindparam("message"))),
            _U.object.in_(select("case/" + _D.id).where(_D.message == bindparam("message"))),
        )
    )
    .order_by(_U.at, _U.sequence)
)
_CHAIN = (
    select(schema.audit)
    .where(_U.node == bindparam("node"), _U.sequence > bindparam("after"))
    .order_by(_U.sequence)
    .limit(bindparam("room"))
)
_REHEARSED = (
    select(schema.audit)
    .where(_U.object == bindparam("object"), _U.action == "rehearse")
    .order_by(_U.at.desc())
    .limit(1)
)
_CHAIN_PAGE = 1000
_INTAKES = ("accept", "conflict")
"""Acts by which content came to be kept."""
_DENIABLE = ("decide", "assign", "reply")
"""Acts on a message that decide for a recipient."""
_DENIED = ("denied", DeliveryState.WITHHELD.value)
_ACKNOWLEDGED = or_(
    _U.action == "acknowledge",
    # An answer that came in the reply stands in the row of the attempt.
    and_(_U.action == "attempt", _U.detail.contains('"acknowledgement"')),
)
_AUDIT_COLUMNS = tuple(column.name for column in schema.audit.columns)


class Trail(Asking):
    """The audit, and what it proves was disclosed."""

    def disclosures(
        self, *, subject: str | None = None, recipient: str | None = None, since: datetime | None = None
    ) -> list[Disclosure]:
        """Return every copy that left or may have left, oldest first.

        `subject`: of one person (`subject_key`). `since`: those that something happened to from then on.
        """
        statement = (
            select(schema.delivery, _M.sender, _M.event)
            .join(schema.message, _M.id == _D.message)
            .where(*_left(subject, recipient, since))
            .order_by(_D.number)
        )
        return [
            Disclosure(
                message=row.message,
                delivery=row.id,
                sender=row.sender,
                recipient=row.recipient,
                event=row.event,
                kind=Kind(row.kind),
                level=Level(row.level) if row.level else None,
                basis=row.basis,
                evidence=row.evidence,
                state=DeliveryState(row.state),
                sent_at=row.sent_at,
                acknowledged_at=row.acknowledged_at,
            )
            for row in self.rows(statement)
        ]

    def disclosed(
        self, *, subject: str | None = None, recipient: str | None = None, since: datetime | None = None
    ) -> list[Disclosed]:
        """Return every sending of those copies, with its row of the audit, oldest first."""
        rows = self.rows(
            select(
                schema.audit,
                _D.id.label("delivery"),
                _D.message,
                _D.recipient,
                _D.kind,
                _D.state,
                _D.level,
                _D.basis,
                _D.evidence,
                _D.bundle_id,
                _M.sender,
                _M.subject,
                _M.mode,
                _M.event,
            )
            .join(schema.delivery, _U.object == "delivery/" + _D.id)
            .join(schema.message, _M.id == _D.message)
            .where(_U.action == "disclose", *_left(subject, recipient, since))
            .order_by(_U.at, _U.node, _U.sequence)
        )
        tried = (
            select(_T.delivery, _T.number, _T.outcome)
            .join(schema.delivery, _D.id == _T.delivery)
            .join(schema.message, _M.id == _D.message)
            .where(*_left(subject, recipient, since))
        )
        ended = {(row.delivery, row.number): row.outcome for row in self.rows(tried)}
        return [_disclosed(row, ended) for row in rows]

    def looks(self, subject: str) -> list[audit.AuditRow]:
        """Return the rows that say who saw content of messages about one person, oldest first."""
        about = select("message/" + _M.id).where(_M.subject == subject)
        statement = (
            select(schema.audit)
            .where(_U.action == "reveal", _U.object.in_(about))
            .order_by(_U.at, _U.node, _U.sequence)
        )
        return [_audit(row) for row in self.rows(statement)]

    def acts(
        self, *, subject: str | None = None, recipient: str | None = None, since: datetime | None = None
    ) -> list[Act]:
        """Return what was taken in, denied and acknowledged, oldest first.

        `recipient`: what one was denied or has acknowledged; nothing is taken in for one alone.
        """
        about = (_M.id.label("message"), _M.sender, _M.subject, _M.mode, _M.event)
        when = [] if since is None else [_U.at >= audit.moment(since)]
        of_person = [] if subject is None else [_M.subject == subject]
        denied = and_(_U.action.in_(_DENIABLE), _U.outcome.in_(_DENIED))
        on_messages = (
            select(schema.audit, *about, null().label("recipient"))
            .join(schema.message, _U.object == "message/" + _M.id)
            .where(denied if recipient is not None else or_(_U.action.in_(_INTAKES), denied))
            .where(*when, *of_person)
        )
        on_copies = (
            select(schema.audit, *about, _D.recipient)
            .join(schema.delivery, _U.object == "delivery/" + _D.id)
            .join(schema.message, _M.id == _D.message)
            .where(
                or_(_ACKNOWLEDGED, _U.outcome.in_(_DENIED)),
                *(_D.kind != kind.value for kind in TO_THE_SENDER),
            )
            .where(*when, *of_person)
        )
        if recipient is not None:
            told = select(_D.message).where(_D.recipient == recipient)
            on_messages = on_messages.where(_M.id.in_(told))
            on_copies = on_copies.where(_D.recipient == recipient)
        found = [_act(row) for row in (*self.rows(on_messages), *self.rows(on_copies))]
        found = [each for each in found if recipient in (None, each.recipient)]
        return sorted(found, key=lambda each: (each.row.at, each.row.node, each.row.sequence))

    def timeline(self, message: str) -> list[TimelineRow]:
        """Return what was done with a message and its deliveries, oldest first."""
        return [_moment(_audit(row)) for row in self.rows(_OF_ONE_MESSAGE, {"message": message})]

    def rehearsal(self, delivery: str) -> dict[str, str]:
        """Return what a copy would have been and where it would have gone; empty if it was not rehearsed."""
        rows = self.rows(_REHEARSED, {"object": f"delivery/{delivery}"})
        return dict(_audit(rows[0]).pairs) if rows else {}

    def audit_rows(
        self, *, object: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[audit.AuditRow]:
        """Return rows of the chain, in order, after sequence `after`."""
        statement = (
            select(schema.audit).where(_U.sequence > after).order_by(_U.node, _U.sequence).limit(limit)
        )
        if object is not None:
            statement = statement.where(_U.object == object)
        return [_audit(row) for row in self.rows(statement)]

    def chain(self, node: str) -> Iterator[audit.AuditRow]:
        """Walk a node's whole chain without holding it in memory."""
        after = 0
        while page := self.rows(_CHAIN, {"node": node, "after": after, "room": _CHAIN_PAGE}):
            yield from map(_audit, page)
            after = page[-1].sequence


def _left(subject: str | None, recipient: str | None, since: datetime | None) -> list[ColumnElement[bool]]:
    """Return the conditions of copies that left or may have left; what a sender is told discloses nothing."""
    conditions = [_D.reached > 0, *(_D.kind != kind.value for kind in TO_THE_SENDER)]
    if subject is not None:
        conditions.append(_M.subject == subject)
    if recipient is not None:
        conditions.append(_D.recipient == recipient)
    if since is not None:
        conditions.append(_D.changed_at >= since)
    return conditions


def _disclosed(row: Row, ended: Mapping[tuple[str, int], str]) -> Disclosed:
    written = audit.AuditRow(**{name: getattr(row, name) for name in _AUDIT_COLUMNS})
    said = dict(written.pairs)
    number = said.get("attempt", "")
    return Disclosed(
        row=written,
        message=row.message,
        delivery=row.delivery,
        sender=row.sender,
        recipient=row.recipient,
        subject=row.subject,
        mode=Mode(row.mode),
        event=row.event,
        kind=Kind(row.kind),
        level=said.get("level", row.level),
        basis=said.get("basis"),
        evidence=row.evidence,
        bundle_id=said.get("envelope", row.bundle_id),
        state=DeliveryState(row.state),
        endpoint=said.get("endpoint"),
        purpose=said.get("purpose"),
        rules=said.get("rules"),
        content=said.get("content"),
        register=said.get("register"),
        register_type=said.get("register-type"),
        controller=said.get("controller"),
        attempt=ended.get((row.delivery, int(number))) if number.isdecimal() else None,
    )


def _act(row: Row) -> Act:
    written = audit.AuditRow(**{name: getattr(row, name) for name in _AUDIT_COLUMNS})
    said = dict(written.pairs)
    is_answer = written.action == "acknowledge" or "acknowledgement" in said
    return Act(
        row=written,
        what="intake" if written.action in _INTAKES else "acknowledgement" if is_answer else "denial",
        message=row.message,
        sender=row.sender,
        recipient=row.recipient or said.get("recipient"),
        subject=row.subject,
        mode=Mode(row.mode),
        event=row.event,
    )


def _audit(row: Row) -> audit.AuditRow:
    return audit.AuditRow(**row._asdict())


def _moment(row: audit.AuditRow) -> TimelineRow:
    return TimelineRow(
        at=datetime.fromisoformat(row.at),
        what=row.action,
        object=row.object,
        outcome=row.outcome,
        reason=row.reason,
        actor=row.actor,
        detail=row.pairs,
    )
