"""The read side of the store: plain values out of the last committed state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from sqlalchemy import bindparam, select

from adapter.relay.message import PROTECTED, DeliveryState, Kind, Level, Meaning, MessageState, Mode
from adapter.relay.store import family_names, intake, schema
from adapter.relay.store.cipher import owner_of
from adapter.relay.store.known import Known
from adapter.relay.store.outcomes import body_of
from adapter.relay.store.standing import Standing
from adapter.relay.store.trail import Trail
from adapter.relay.store.values import AcknowledgementRow, AttemptRow, ConflictRow, DeliveryRow, MessageRow

if TYPE_CHECKING:
    from datetime import datetime

    from adapter.relay.store.prepared import Row

_M, _D, _T, _A = schema.message.c, schema.delivery.c, schema.attempt.c, schema.acknowledgement.c

_MESSAGE = select(schema.message).where(_M.id == bindparam("id"))
_BY_NOTIFICATION = intake.NEWEST.with_only_columns(*schema.message.c)
_IDENTITY_CHANGED = (
    select(_M.id)
    .where(
        _M.subject == bindparam("subject"),
        _M.meaning == Meaning.IDENTITY_CHANGE.value,
        _M.received_at >= bindparam("since"),
    )
    .limit(1)
)
_ABOUT = (
    select(_D.message)
    .join(schema.acknowledgement, _A.delivery == _D.id)
    .where(_A.number == bindparam("the_number"))
)
_NUMBER = select(_M.number).where(_M.id == bindparam("id"))
_PROTECTED_AFTER = (
    select(_M.received_at)
    .where(
        _M.subject == bindparam("subject"),
        _M.number > _NUMBER.scalar_subquery(),
        _M.extra.contains(f'"{PROTECTED}":'),
    )
    .order_by(_M.number)
    .limit(1)
)
_DELIVERY = select(schema.delivery).where(_D.id == bindparam("id"))
_OF_MESSAGE = select(schema.delivery).where(_D.message == bindparam("message")).order_by(_D.number)
_ATTEMPTS = select(schema.attempt).where(_T.delivery == bindparam("delivery")).order_by(_T.number)


class Reader(Trail, Known, Standing):
    """Answers what is asked of messages and their copies, and all that the other three answer."""

    def message(self, id: str) -> MessageRow:
        """Return a message. Raises NotFound ST121."""
        return _message(self.one("message", _MESSAGE, {"id": id}))

    def find_message(self, sender: str, notification: str) -> MessageRow | None:
        """Return the sender's newest message with this notification id that could be read and was valid."""
        found = self.rows(_BY_NOTIFICATION, {"sender": sender, "notification": notification})
        return _message(found[0]) if found else None

    def plan_versions(self, plan: str, subject: str | None) -> list[MessageRow]:
        """Return the versions of a person's plan, oldest first, whoever sent them; its cancellations too.

        `plan`: the id of the plan, `system|value`. Those that were not to be told anybody are no versions.
        """
        if subject is None:
            return []
        return [_message(row) for row in self.rows(intake.VERSIONS, {"plan": plan, "subject": subject})]

    def was_identity_changed(self, subject: str, since: datetime) -> bool:
        """Return True if a message since then changed or merged the identity of this `subject_key`."""
        return bool(self.rows(_IDENTITY_CHANGED, {"subject": subject, "since": since}))

    def protected_after(self, subject: str, message: str) -> datetime | None:
        """Return when a message later than this one first said that the subject's address is protected."""
        found = self.rows(_PROTECTED_AFTER, {"subject": subject, "id": message})
        return found[0].received_at if found else None

    def has_another_family(self, subject: str, family: str) -> bool:
        """Return True if the subject was told of by another family name (keyed hash) last."""
        found = self.rows(family_names.NEWEST, {"subject": subject})
        return bool(found) and found[0].family != family

    def was_renamed(self, subject: str, since: datetime) -> bool:
        """Return True if the subject came by another family name than before since then."""
        return bool(self.rows(family_names.ANOTHER_SINCE, {"subject": subject, "since": since}))

    def messages(
        self,
        *,
        sender: str | None = None,
        state: str | None = None,
        subject: str | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[MessageRow]:
        """Return messages, newest first; `before` is the id of the last one of the page before."""
        statement = select(schema.message).order_by(_M.number.desc()).limit(limit)
        if sender is not None:
            statement = statement.where(_M.sender == sender)
        if state is not None:
            statement = statement.where(_M.state == state)
        if subject is not None:
            statement = statement.where(_M.subject == subject)
        if before is not None:
            statement = statement.where(_M.number < self.one("message", _NUMBER, {"id": before}).number)
        return [_message(row) for row in self.rows(statement)]

    def content(self, message: str, part: str = "content") -> bytes | None:
        """Return the clear bytes of `original`, `content`, `lineage` or `copy/<delivery>`.

        None if there are none or they were forgotten. Who shows them to a person audits that first.
        """
        return self.opened(owner_of(message), part)

    def conflict_content(self, conflict: str) -> bytes | None:
        """Return the bytes of a conflicting submission."""
        return self.opened(f"conflict/{conflict}", "original")

    def acknowledgement_body(self, number: int) -> bytes | None:
        """Return an acknowledgement as it came."""
        body = self.opened(body_of(number), "body")
        about = self.rows(_ABOUT, {"the_number": number}) if body is None else ()
        return self.opened(owner_of(about[0].message), body_of(number)) if about else body

    def delivery(self, id: str) -> DeliveryRow:
        """Return a delivery. Raises NotFound ST121."""
        return _delivery(self.one("delivery", _DELIVERY, {"id": id}))

    def deliveries(self, message: str) -> list[DeliveryRow]:
        """Return a message's deliveries, reports among them, in the order they were made."""
        return [_delivery(row) for row in self.rows(_OF_MESSAGE, {"message": message})]

    def find_deliveries(
        self, *, state: str | None = None, recipient: str | None = None, limit: int = 100
    ) -> list[DeliveryRow]:
        """Return deliveries, newest first."""
        statement = select(schema.delivery).order_by(_D.number.desc()).limit(limit)
        if state is not None:
            statement = statement.where(_D.state == state)
        if recipient is not None:
            statement = statement.where(_D.recipient == recipient)
        return [_delivery(row) for row in self.rows(statement)]

    def attempts(self, delivery: str) -> list[AttemptRow]:
        """Return a delivery's attempts in order."""
        return [AttemptRow(**row._asdict()) for row in self.rows(_ATTEMPTS, {"delivery": delivery})]

    def acknowledgements(self, delivery: str | None = None) -> list[AcknowledgementRow]:
        """Return a delivery's acknowledgements; without one, those that matched none."""
        condition = _A.delivery.is_(None) if delivery is None else _A.delivery == delivery
        rows = self.rows(select(schema.acknowledgement).where(condition).order_by(_A.number))
        return [AcknowledgementRow(**row._asdict()) for row in rows]

    def conflicts(self, message: str | None = None) -> list[ConflictRow]:
        """Return submissions that came under an id of this message, or of any, with other content."""
        table = schema.conflicting_submission
        statement = select(table).order_by(table.c.received_at)
        if message is not None:
            statement = statement.where(table.c.message == message)
        rows = self.rows(statement)
        return [
            ConflictRow(
                id=row.id,
                sender=row.sender,
                source=row.source,
                message=row.message,
                media_type=row.media_type,
                received_at=row.received_at,
                version=row.version,
                base=row.base,
            )
            for row in rows
        ]


def _message(row: Row) -> MessageRow:
    return MessageRow(
        id=row.id,
        sender=row.sender,
        source=row.source,
        mode=Mode(row.mode),
        state=MessageState(row.state),
        meaning=Meaning(row.meaning) if row.meaning else None,
        event=row.event,
        notification=row.notification,
        subject=row.subject,
        received_at=row.received_at,
        happened_at=row.happened_at,
        changed_at=row.changed_at,
        media_type=row.media_type,
        cancels=row.cancels,
        superseded_by=row.superseded_by,
        issues=tuple(orjson.loads(row.issues)),
        extra=orjson.loads(row.extra),
        forgotten_at=row.forgotten_at,
    )


def _delivery(row: Row) -> DeliveryRow:
    return DeliveryRow(
        id=row.id,
        message=row.message,
        recipient=row.recipient,
        kind=Kind(row.kind),
        state=DeliveryState(row.state),
        lane=row.lane,
        level=Level(row.level) if row.level else None,
        reason=row.reason,
        basis=row.basis,
        evidence=row.evidence,
        bundle_id=row.bundle_id,
        header_id=row.header_id,
        attempts=row.attempts,
        created_at=row.created_at,
        queued_at=row.queued_at,
        due_at=row.due_at,
        changed_at=row.changed_at,
        expires_at=row.expires_at,
        sent_at=row.sent_at,
        acknowledged_at=row.acknowledged_at,
        frozen=row.frozen_type is not None,
        reached=row.reached > 0,
        about=row.about,
    )
