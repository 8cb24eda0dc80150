"""The read side of the store: query-only connections, plain values out."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import bindparam, case, func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from adapter.errors import NotFound, StoreError
from adapter.relay import audit
from adapter.relay.case import CaseState
from adapter.relay.message import DeliveryState, Kind, Level, Meaning, MessageState, Mode
from adapter.relay.replay import ItemState, ReplayState
from adapter.relay.store import cases, consents, family_names, holds, intake, references, replays, schema
from adapter.relay.store.claims import owner_of
from adapter.relay.store.prepared import Library
from adapter.relay.store.values import (
    AcknowledgementRow,
    AttemptRow,
    CaseRow,
    ConflictRow,
    ConsentVersion,
    DeliveryRow,
    Disclosed,
    Disclosure,
    Hold,
    MessageRow,
    Party,
    ReplayRow,
    TimelineRow,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Select, Table

    from adapter.relay.replay import Wanted
    from adapter.relay.store.cipher import Vault
    from adapter.relay.store.ground import Ground
    from adapter.relay.store.prepared import Row

_M, _D, _T = schema.message.c, schema.delivery.c, schema.attempt.c
_A, _K, _Y, _U = schema.acknowledgement.c, schema.content_key.c, schema.payload.c, schema.audit.c

_MESSAGE = select(schema.message).where(_M.id == bindparam("id"))
_BY_NOTIFICATION = (
    select(schema.message)
    .where(
        _M.sender == bindparam("sender"),
        _M.notification == bindparam("notification"),
        _M.state != MessageState.UNREADABLE.value,
        _M.state != MessageState.INVALID.value,
    )
    .order_by(_M.number.desc())
    .limit(1)
)
_IDENTITY_CHANGED = (
    select(_M.id)
    .where(
        _M.subject == bindparam("subject"),
        _M.meaning == Meaning.IDENTITY_CHANGE.value,
        _M.received_at >= bindparam("since"),
    )
    .limit(1)
)
_NUMBER = select(_M.number).where(_M.id == bindparam("id"))
_DELIVERY = select(schema.delivery).where(_D.id == bindparam("id"))
_OF_MESSAGE = select(schema.delivery).where(_D.message == bindparam("message")).order_by(_D.number)
_ATTEMPTS = select(schema.attempt).where(_T.delivery == bindparam("delivery")).order_by(_T.number)
_PAYLOAD = (
    select(_K.wrapped, _Y.sealed)
    .join(schema.payload, _Y.owner == _K.owner)
    .where(_K.owner == bindparam("owner"), _Y.part == bindparam("part"), _K.wrapped.is_not(None))
)
_MESSAGE_STATES = select(_M.state, func.count().label("how_many")).group_by(_M.state)
_DELIVERY_STATES = select(
    case((_D.kind == Kind.DELIVERY_REPORT.value, "reports"), else_="deliveries").label("what"),
    _D.state,
    func.count().label("how_many"),
).group_by("what", _D.state)
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
_AUDIT_COLUMNS = tuple(column.name for column in schema.audit.columns)
_WAITING = (
    select(schema.lane.c.recipient, func.sum(schema.lane.c.waiting).label("waiting"))
    .where(schema.lane.c.waiting > 0)
    .group_by(schema.lane.c.recipient)
)


class Reader:
    """Answers questions from the last committed state; blocks nobody and is blocked by nobody."""

    def __init__(self, ground: Ground, vault: Vault) -> None:
        self._ground = ground
        self._engine = ground.reading
        self._library = Library(ground.reading.dialect)
        self._vault = vault

    def rows(self, statement: Select[Any], parameters: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Return every row of one statement, as named tuples.

        A statement with `parameters` is one that stands in the code: it is compiled once. One without may
        have been put together for this question. Asked once more where the connection was lost.

        Raises StoreError ST111 if the database cannot answer, ST116 if it is not there.
        """
        try:
            try:
                return self._asked(statement, parameters)
            except Exception as exc:
                if not self._ground.is_lost(exc):
                    raise
                self._engine.dispose()
                return self._asked(statement, parameters)
        except (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error) as exc:
            raise self._ground.unread(exc) from None

    def _asked(self, statement: Select[Any], parameters: Mapping[str, Any] | None) -> Sequence[Row]:
        if parameters is not None:
            return self._prebuilt(statement, parameters)
        with self._engine.connect() as connection:
            return connection.execute(statement).all()

    def _prebuilt(self, statement: Select[Any], parameters: Mapping[str, Any]) -> list[Row]:
        prepared = self._library.find(statement, tuple(parameters))
        connection = self._engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute(prepared.sql, prepared.bound(parameters))
            return prepared.rows(cursor)
        finally:
            connection.close()

    def one(self, kind: str, statement: Select[Any], parameters: Mapping[str, Any]) -> Row:
        """Return the only row. Raises NotFound ST121."""
        found = self.rows(statement, parameters)
        if not found:
            raise NotFound("ST121", params={"kind": kind})
        return found[0]

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
        return self.opened(f"acknowledgement/{number}", "body")

    def opened(self, owner: str, part: str) -> bytes | None:
        """Return the clear bytes, or None if there are none or they were forgotten."""
        found = self.rows(_PAYLOAD, {"owner": owner, "part": part})
        if not found:
            return None
        return self._vault.envelope(owner, found[0].wrapped).open(part, found[0].sealed)

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

    def attempts(self, delivery: str) -> list[AttemptRow]:
        """Return a delivery's attempts in order."""
        return [AttemptRow(**row._asdict()) for row in self.rows(_ATTEMPTS, {"delivery": delivery})]

    def acknowledgements(self, delivery: str | None = None) -> list[AcknowledgementRow]:
        """Return a delivery's acknowledgements; without one, those that matched none."""
        condition = _A.delivery.is_(None) if delivery is None else _A.delivery == delivery
        rows = self.rows(select(schema.acknowledgement).where(condition).order_by(_A.number))
        return [AcknowledgementRow(**row._asdict()) for row in rows]

    def timeline(self, message: str) -> list[TimelineRow]:
        """Return what was done with a message and its deliveries, oldest first."""
        return [_moment(_audit(row)) for row in self.rows(_OF_ONE_MESSAGE, {"message": message})]

    def cases(
        self, *, message: str | None = None, state: str | None = None, is_overdue: bool | None = None
    ) -> list[CaseRow]:
        """Return cases, oldest first."""
        statement = select(schema.case).order_by(schema.case.c.opened_at)
        if is_overdue is not None:
            told = schema.case.c.overdue_at
            waits = schema.case.c.state == CaseState.AWAITING_REPLY.value
            statement = (
                statement.where(told.is_not(None), waits) if is_overdue else statement.where(told.is_(None))
            )
        if message is not None:
            statement = statement.where(schema.case.c.message == message)
        if state is not None:
            statement = statement.where(schema.case.c.state == state)
        return [_case(row) for row in self.rows(statement)]

    def untimed_cases(self) -> list[CaseRow]:
        """Return the cases that nobody has yet said a time for."""
        return [_case(row) for row in self.rows(cases.UNTIMED)]

    def overdue_cases(self, at: datetime) -> list[CaseRow]:
        """Return the cases without an answer whose time is over and of which nobody knows, oldest first."""
        return [_case(row) for row in self.rows(cases.OVERDUE, {"at": at})]

    def hold(self) -> Hold | None:
        """Return the hold that stands, None if what is due may leave."""
        found = self.rows(holds.STANDING, {})
        if not found:
            return None
        return Hold(began_at=found[0].began_at, actor=found[0].actor, reason=found[0].reason)

    def alarms(self) -> list[tuple[str, str, datetime]]:
        """Return the alarms that stand, the oldest first: code, what it is about, since when."""
        rows = self.rows(select(schema.alarm).order_by(schema.alarm.c.began_at))
        return [(row.code, row.about, row.began_at) for row in rows]

    def is_shadow(self) -> bool:
        """Return True for a store that was filled in shadow."""
        return bool(self.rows(holds.SHADOW, {}))

    def rehearsal(self, delivery: str) -> dict[str, str]:
        """Return what a copy would have been and where it would have gone; empty if it was not rehearsed."""
        rows = self.rows(_REHEARSED, {"object": f"delivery/{delivery}"})
        return dict(_audit(rows[0]).pairs) if rows else {}

    def replay_matches(self, wanted: Wanted) -> Sequence[Row]:
        """Return id, recipient and created_at of every copy that is asked for, in their order."""
        return self.rows(replays.matching(wanted))

    def replays(self, limit: int = 100) -> list[ReplayRow]:
        """Return replays, the newest first."""
        newest = select(schema.replay).order_by(schema.replay.c.number.desc()).limit(limit)
        return self._replays(self.rows(newest))

    def replay(self, id: str) -> ReplayRow:
        """Return a replay. Raises NotFound ST121."""
        return self._replays([self.one("replay", replays.ONE, {"the_replay": id})])[0]

    def replay_items(self, id: str) -> list[tuple[str, ItemState]]:
        """Return the deliveries of a replay in their order, and what became of each."""
        rows = self.rows(replays.ITEMS, {"the_replay": id})
        return [(row.delivery, ItemState(row.state)) for row in rows]

    def _replays(self, rows: Sequence[Row]) -> list[ReplayRow]:
        counts = self.rows(replays.COUNTS.where(schema.replay_item.c.replay.in_([row.id for row in rows])))
        return [
            ReplayRow(
                id=row.id,
                state=ReplayState(row.state),
                wanted=row.wanted,
                preview=row.preview,
                reason=row.reason,
                per_minute=row.per_minute,
                prepared_by=row.prepared_by,
                prepared_at=row.prepared_at,
                released_by=row.released_by,
                released_at=row.released_at,
                ended_by=row.ended_by,
                ended_at=row.ended_at,
                items=tuple((one.state, one.reason, one.how_many) for one in counts if one.replay == row.id),
            )
            for row in rows
        ]

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

    def parties(self) -> list[Party]:
        """Return the partners as the engine sees them: waiting, failing, resting."""
        waiting = {row.recipient: int(row.waiting) for row in self.rows(_WAITING, {})}
        return [
            Party(
                key=row.key,
                takes_reports=row.takes_reports,
                waiting=waiting.get(row.key, 0),
                failures=row.failures,
                paused_until=row.paused_until,
                pause_reason=row.pause_reason,
            )
            for row in self.rows(select(schema.party).order_by(schema.party.c.key))
        ]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return `{"messages"|"deliveries"|"reports": {state: how many}}`."""
        counted: dict[str, dict[str, int]] = {"messages": {}, "deliveries": {}, "reports": {}}
        for row in self.rows(_MESSAGE_STATES, {}):
            counted["messages"][row.state] = row.how_many
        for row in self.rows(_DELIVERY_STATES, {}):
            counted[row.what][row.state] = row.how_many
        return counted

    def directory(self) -> list[dict[str, Any]]:
        """Return the resources of the directory that are in force."""
        return [_parsed(text) for text in self._references(schema.directory).values()]

    def directory_version(self) -> int:
        """Return a number that grows whenever directory or agreements change: a key for caches."""
        return int(self.rows(references.VERSION, {})[0][0])

    def agreements(self) -> dict[str, dict[str, Any]]:
        """Return the agreements in force, by name."""
        return {name: orjson.loads(text) for name, text in self._references(schema.agreement).items()}

    def _references(self, table: Table) -> dict[str, str]:
        return {row.name: row.body for row in self.rows(references.newest(table))}

    def subject_key(self, system: str, value: str) -> str:
        """Return the keyed hash (64 hex digits) of a patient's identifier; the identifier is not kept."""
        return self._vault.subject(system, value)

    def consents_for(self, subject: str) -> list[ConsentVersion]:
        """Return the newest version of each consent of the subject."""
        return [self._consent(row) for row in self.rows(consents.FOR_SUBJECT, {"subject": subject})]

    def consents(self) -> list[ConsentVersion]:
        """Return the newest version of every consent that has not ended, withdrawn ones too."""
        return [self._consent(row) for row in self.rows(consents.IN_FORCE, {})]

    def consent(self, id: str, version: int | None = None) -> ConsentVersion | None:
        """Return one version, or the newest with content; None if there is none."""
        rows = self.rows(consents.ONE, {"the_id": id})
        found = next((row for row in rows if version in (None, row.version)), None)
        return None if found is None else self._consent(found)

    def _consent(self, row: Row) -> ConsentVersion:
        from adapter.fhir import json as fhir_json

        clear = self._vault.envelope(row.owner, row.wrapped).open(consents.PART, row.sealed)
        resource = fhir_json.read(clear)
        if not isinstance(resource, dict):
            raise StoreError("ST107", params={"owner": row.owner, "part": consents.PART})
        return ConsentVersion(
            id=row.id,
            version=row.version,
            subject=row.subject,
            resource=resource,
            received_at=row.received_at,
            filer=row.filer,
        )

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
    """Return the conditions of copies that left or may have left; a report discloses nothing."""
    conditions = [_D.reached > 0, _D.kind != Kind.DELIVERY_REPORT.value]
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
        bundle_id=row.bundle_id,
        state=DeliveryState(row.state),
        endpoint=said.get("endpoint"),
        attempt=ended.get((row.delivery, int(number))) if number.isdecimal() else None,
    )


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


def _case(row: Row) -> CaseRow:
    return CaseRow(**{**row._asdict(), "state": CaseState(row.state)})


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


def _parsed(text: str) -> dict[str, Any]:
    from adapter.fhir import json as fhir_json

    resource = fhir_json.read(text.encode())
    if not isinstance(resource, dict):
        raise StoreError("ST107", params={"owner": "directory", "part": "body"})
    return resource
