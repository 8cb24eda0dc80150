"""The intake transaction: message, keys, payloads, deliveries, audit and answer, all or none."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import bindparam, insert, select, text, update

from adapter.errors import NotFound
from adapter.relay.duplicates import Case, Id, case_of
from adapter.relay.event import CLIENT_PLAN
from adapter.relay.message import (
    ENDED,
    LIVE,
    MESSAGE_TRANSITIONS,
    Answer,
    DeliveryEvent,
    IntakeKey,
    Kind,
    Meaning,
    MessageEvent,
    MessageState,
)
from adapter.relay.store import cases, consents, deliveries, family_names, offers, schema
from adapter.relay.store.among import Among
from adapter.relay.store.cipher import owner_of
from adapter.relay.store.claims import sealed_answer
from adapter.relay.transitions import advance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Row

    from adapter.outcome import Issue
    from adapter.relay.case import CaseStep
    from adapter.relay.message import AuditRecord, Behind, Intake, NewDelivery, PlanHead
    from adapter.relay.store.book import Book
    from adapter.relay.store.cipher import Vault

_M, _I, _D = schema.message.c, schema.intake_key.c, schema.delivery.c

NUL = "\0"
OTHER_ENVELOPE = "ST128"
"""What a clash of the ids of a message is called."""

WITHOUT_MEMORY = frozenset({MessageState.UNREADABLE, MessageState.INVALID})
"""Submissions whose very bytes may be tried again: a map or a profile may have been mended meanwhile."""

_ANSWER = (_M.id, _M.answer_status, _M.answer_type, _M.answer_body)
_ASKED = select(_I.key, _I.digest, *_ANSWER).join(schema.message, _M.id == _I.message)
KNOWN = _ASKED.where(_I.sender == bindparam("sender"), _I.key == bindparam("key"))
_KNOWN = _ASKED.where(_I.sender == bindparam("sender"), Among(_I.key, "the_keys"))
_KEY = "key"
"""Kind of the rows of intake keys that are foreseen."""
_ADD_MESSAGE = insert(schema.message)
_ADD_CONTENT_KEY = insert(schema.content_key)
_ADD_PAYLOAD = insert(schema.payload)
_ADD_INTAKE_KEY = insert(schema.intake_key)
_ADD_CONFLICT = insert(schema.conflicting_submission)
_SAME_CONFLICT = select(schema.conflicting_submission.c.id).where(
    schema.conflicting_submission.c.message == bindparam("the_message"),
    schema.conflicting_submission.c.digest == bindparam("the_digest"),
)
_SUPERSEDE = (
    update(schema.message)
    .where(_M.id == bindparam("the_message"), _M.superseded_by.is_(None))
    .values(superseded_by=bindparam("by"))
)
_UNSENT = select(_D.id, _D.state, _D.reached).where(
    _D.message == bindparam("the_message"), _D.kind == Kind.NOTIFICATION.value
)
NEWEST = (
    select(_M.id)
    .where(
        _M.sender == bindparam("sender"),
        _M.notification == bindparam("notification"),
        _M.state != MessageState.UNREADABLE.value,
        _M.state != MessageState.INVALID.value,
    )
    .order_by(_M.number.desc())
    .limit(1)
)
"""The newest message of a sender about one notification."""
VERSIONS = (
    select(schema.message)
    .where(
        _M.subject == bindparam("subject"),
        _M.notification == bindparam("plan"),
        _M.event == CLIENT_PLAN,
        _M.state != MessageState.UNREADABLE.value,
        _M.state != MessageState.INVALID.value,
        _M.state != MessageState.NOT_APPLICABLE.value,
    )
    .order_by(_M.number)
)
"""The versions of a person's plan that were to be told somebody, oldest first, whoever sent them."""
_ANSWER_ON_ITS_WAY = select(_D.id).where(
    _D.message == bindparam("the_message"),
    _D.kind == Kind.ANSWER.value,
    text(schema.allowed("delivery.state", sorted(LIVE))),
)
_STATE = select(_M.state, _M.sender).where(_M.id == bindparam("the_message")).with_for_update(key_share=True)
_CHANGE_MESSAGE = update(schema.message).where(_M.id == bindparam("the_message"))


@dataclass(frozen=True, slots=True)
class Clash:
    """The same key came with other content; both are kept."""

    message: str
    key: IntakeKey


@dataclass(frozen=True, slots=True)
class Overtaken:
    """What this one was decided on has changed since: a message about the same notification, a consent."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An intake with what costs time done before its transaction begins: digests and sealed payloads."""

    intake: Intake
    digest: str
    keys: tuple[tuple[IntakeKey, str], ...]
    """Intake keys with their digests; the key of the very bytes among them."""
    wrapped: bytes
    payloads: tuple[dict[str, Any], ...]


def prepare(intake: Intake, vault: Vault) -> Prepared:
    """Seal the payloads and take the digests."""
    intake = _storable(intake, vault)
    digest = vault.fingerprint(intake.digest.encode())
    keys = [(key, digest) for key in dict.fromkeys(intake.keys)]
    if intake.state not in WITHOUT_MEMORY:
        keys.append(body_key(vault, intake.source, intake.original))
    owner = owner_of(intake.message)
    envelope, wrapped = vault.new_key(owner)
    parts = {"original": intake.original, "content": intake.content, "lineage": intake.lineage}
    payloads = tuple(
        {"owner": owner, "part": part, "sealed": envelope.seal(part, clear)}
        for part, clear in parts.items()
        if clear is not None
    )
    return Prepared(intake, digest, tuple(keys), wrapped, payloads)


def _storable(intake: Intake, vault: Vault) -> Intake:
    """Leave out what no text column of PostgreSQL can hold: U+0000, as a broken submission may have it.

    A message whose notification id holds one is not valid, so nothing is lost but a way to find it; the
    original keeps it. A key is only compared: its keyed hash does as well.
    """
    changes: dict[str, Any] = {
        name: None
        for name in ("notification", "event", "happened_at")
        if NUL in (getattr(intake, name) or "")
    }
    if any(NUL in key.text for key in intake.keys):
        changes["keys"] = tuple(
            replace(key, text=f"nul:{vault.fingerprint(key.text.encode())}") if NUL in key.text else key
            for key in intake.keys
        )
    return replace(intake, **changes) if changes else intake


def body_key(vault: Vault, source: str, body: bytes) -> tuple[IntakeKey, str]:
    """Return the intake key of the very bytes, and its digest: no other content can have it."""
    digest = vault.fingerprint(source.encode(), body)
    return IntakeKey(f"body:{digest}", clash="ST120", at=""), digest


def commit(book: Book, prepared: Prepared) -> Answer | Clash | Overtaken:
    """Write the intake, or find that it was here before; see `commit_after` for consents."""
    known = _known(book, prepared)
    if known is not None:
        return known
    if not consents.stand_as(book, prepared.intake.consents):
        return Overtaken()
    _write(book, prepared)
    return prepared.intake.answer


def commit_after(book: Book, prepared: Prepared, newest: str | None) -> Answer | Clash | Overtaken:
    """Write the intake if `newest` still is the newest message about its notification; else see `commit`.

    Overtaken too if a consent that the message changes is another by now.
    """
    known = _known(book, prepared)
    if known is not None:
        return known
    intake = prepared.intake
    book.ground.lock(book, f"notification/{intake.sender}/{intake.notification}")
    rows = book.peek(
        NEWEST,
        {"sender": intake.sender, "notification": intake.notification},
        ("notification", intake.sender, intake.notification or ""),
    )
    if (rows[0].id if rows else None) != newest or not consents.stand_as(book, intake.consents):
        return Overtaken()
    _write(book, prepared)
    return intake.answer


def commit_plan(
    book: Book, prepared: Prepared, newest: str | None, head: PlanHead
) -> Answer | Clash | Overtaken:
    """Write a version of a plan if `head` still is the newest of all; else see `commit_after`."""
    book.ground.lock(book, f"plan/{head.plan}")
    rows = book.peek(VERSIONS, {"subject": head.subject, "plan": head.plan}, ("plan", head.plan))
    if (rows[-1].id if rows else None) != head.newest and _known(book, prepared) is None:
        return Overtaken()
    return commit_after(book, prepared, newest)


def commit_conflict(book: Book, prepared: Prepared, behind: Behind) -> Answer | Clash:
    """Keep a version of a plan that came too late beside the newest; a repeat of what is known is that."""
    known = _known(book, prepared)
    if known is not None:
        return known
    return _keep_conflict(book, prepared, behind.message, IntakeKey("plan", clash=behind.code, at=behind.at))


def commit_reply(book: Book, prepared: Prepared, step: CaseStep) -> Answer | Clash | Overtaken:
    """Write a business reply and move its case, if the case still is as it was; else see `commit`."""
    known = _known(book, prepared)
    if known is not None:
        return known
    intake = prepared.intake
    if not cases.stands_as(book, step) or not consents.stand_as(book, intake.consents):
        return Overtaken()
    _write(book, prepared)
    cases.move(book, step, intake.message, intake.received_at)
    return intake.answer


def _known(book: Book, prepared: Prepared) -> Answer | Clash | None:
    """What an earlier submission with one of the same keys was told; a clash if it said something else."""
    intake = prepared.intake
    known = None
    found = _rows_of(book, intake.sender, [key.text for key, _ in prepared.keys])
    ids = {key.id: key for key, _ in prepared.keys if key.id is not None and key.text in found}
    case = case_of({id_: found[key.text].id for id_, key in ids.items()}, intake.cases)
    if case is Case.CLASH:
        key = replace(ids[Id.BUNDLE], clash=OTHER_ENVELOPE)
        return _keep_conflict(book, prepared, found[key.text].id, key)
    for key, digest in prepared.keys:
        row = found.get(key.text)
        if row is not None and row.digest != digest:
            return _keep_conflict(book, prepared, row.id, key)
        known = known or row
    if known is None:
        return None
    action = case if case is Case.RESUBMISSION else Case.REPEAT
    book.note(action.value, f"message/{known.id}", "known", at=intake.received_at, actor=intake.sender)
    return answer_of(known)


def foresee(book: Book, prepared: Sequence[Prepared]) -> None:
    """Read in one go which keys of these are known already."""
    asked: defaultdict[str, list[str]] = defaultdict(list)
    for each in prepared:
        asked[each.intake.sender] += [key.text for key, _ in each.keys]
    for sender, keys in asked.items():
        rows = {row.key: row for row in book.all(_KNOWN, {"sender": sender, "the_keys": keys})}
        book.foreseen |= {_place(sender, key): rows.get(key) for key in keys}


def _place(sender: str, key: str) -> tuple[str, str]:
    return _KEY, sender + NUL + key


def _rows_of(book: Book, sender: str, keys: list[str]) -> dict[str, Row[Any]]:
    """Return what is known under these keys of the sender, by key."""
    if all(_place(sender, key) in book.foreseen for key in keys):
        foreseen = {key: book.foreseen[_place(sender, key)] for key in keys}
        return {key: row for key, row in foreseen.items() if row is not None}
    given = {"sender": sender, "the_keys": keys}
    return {row.key: row for row in book.peek(_KNOWN, given, *(("key", sender, key) for key in keys))}


def answer_of(row: Row[Any]) -> Answer:
    """Return the stored answer."""
    return Answer(
        status=row.answer_status, media_type=row.answer_type, body=bytes(row.answer_body), message=row.id
    )


def _write(book: Book, prepared: Prepared) -> None:
    intake = prepared.intake
    book.later(
        _ADD_MESSAGE,
        {
            "id": intake.message,
            "sender": intake.sender,
            "source": intake.source,
            "mode": intake.mode.value,
            "state": intake.state.value,
            "meaning": intake.meaning.value if intake.meaning else None,
            "event": intake.event,
            "notification": intake.notification,
            "digest": prepared.digest,
            "subject": intake.subject,
            "received_at": intake.received_at,
            "happened_at": intake.happened_at,
            "changed_at": intake.received_at,
            "media_type": intake.media_type,
            "cancels": intake.cancels,
            "issues": write_issues(intake.issues),
            "extra": orjson.dumps(intake.extra).decode(),
            "answer_status": intake.answer.status,
            "answer_type": intake.answer.media_type,
            "answer_body": intake.answer.body,
        },
    )
    book.mark("notification", intake.sender, intake.notification or "")
    if intake.event == CLIENT_PLAN:
        book.mark("plan", intake.notification or "")
    book.later(
        _ADD_CONTENT_KEY,
        {
            "owner": owner_of(intake.message),
            "wrapped": prepared.wrapped,
            "master": book.vault.name,
            "made_at": intake.received_at,
        },
    )
    for payload in prepared.payloads:
        book.later(_ADD_PAYLOAD, payload)
    for key, digest in prepared.keys:
        book.later(
            _ADD_INTAKE_KEY,
            {"sender": intake.sender, "key": key.text, "message": intake.message, "digest": digest},
        )
        book.mark("key", intake.sender, key.text)
        book.foreseen.pop(_place(intake.sender, key.text), None)
    if intake.subject is not None and intake.family is not None:
        family_names.note(book, intake.subject, intake.family, intake.message, intake.received_at)
    consents.file(book, intake.consents, intake.sender, intake.received_at)
    if intake.cancels is not None:
        _supersede(book, intake)
    _add_deliveries(book, intake.message, intake.sender, intake.deliveries, intake.received_at)
    for record in intake.audit:
        book.record(record)


def _add_deliveries(book: Book, message: str, sender: str, new: Sequence[NewDelivery], at: datetime) -> None:
    for delivery in new:
        deliveries.add(book, message, sender, delivery, at)
    if new and all(delivery.state in ENDED for delivery in new):
        deliveries.settle(book, message, at)


def _supersede(book: Book, intake: Intake) -> None:
    """Close what the earlier message has not sent. What is on the wire now is closed when it comes back."""
    earlier, at = intake.cancels, intake.received_at
    book.foreseen.clear()  # its copies may be among what is about to go
    book.run(_SUPERSEDE, {"the_message": earlier, "by": intake.message})
    cancelled = intake.meaning is Meaning.CANCEL
    event = DeliveryEvent.CANCELLED if cancelled else DeliveryEvent.SUPERSEDED
    for row in book.all(_UNSENT, {"the_message": earlier}):
        if not _steps_to_close(row, event):
            continue
        found = deliveries.find(book, row.id)
        if steps := _steps_to_close(found, event):
            reason = "DL114" if cancelled else "DL111"
            deliveries.move(book, found, *steps, at=at, action="close", actor=intake.sender, reason=reason)
    book.note(
        "cancel" if cancelled else "supersede",
        f"message/{earlier}",
        "superseded",
        at=at,
        actor=intake.sender,
        by=intake.message,
    )


def _steps_to_close(row: Row[Any], event: DeliveryEvent) -> tuple[DeliveryEvent, ...]:
    """Return the steps that close a copy of which nothing has left; empty where it has, or has ended."""
    if offers.is_unopened(row.state, row.reached):
        return DeliveryEvent.TAKEN_BACK, event
    return (event,) if deliveries.has_step(row.state, event) else ()


def _keep_conflict(book: Book, prepared: Prepared, message: str, key: IntakeKey) -> Clash:
    """Keep the second content where an operator can see it; once for the same content.

    What its patient denies or takes back holds all the same.
    """
    intake = prepared.intake
    kept_back = [each for each in intake.consents if each.keeps_back]
    consents.file(book, kept_back, intake.sender, intake.received_at)
    if book.first(_SAME_CONFLICT, {"the_message": message, "the_digest": prepared.digest}) is None:
        book.run(
            _ADD_CONFLICT,
            {
                "id": intake.message,
                "sender": intake.sender,
                "source": intake.source,
                "message": message,
                "media_type": intake.media_type,
                "digest": prepared.digest,
                "received_at": intake.received_at,
                "version": intake.extra.get("version"),
                "base": intake.extra.get("base"),
            },
        )
        book.seal_new(f"conflict/{intake.message}", {"original": intake.original}, intake.received_at)
    book.note(
        "conflict",
        f"message/{message}",
        "denied",
        at=intake.received_at,
        actor=intake.sender,
        reason=key.clash,
        submission=intake.message,
    )
    return Clash(message, key)


def queue_answer(book: Book, answer: Answer, new: NewDelivery, at: datetime) -> None:
    """Queue an answer to the sender of its message as a delivery, unless one is on its way already."""
    if book.first(_ANSWER_ON_ITS_WAY, {"the_message": answer.message}) is not None:
        return
    deliveries.add(book, str(answer.message), new.recipient, new, at)
    book.seal_new(sealed_answer(new.id), {answer.media_type: answer.body}, at)
    book.note(
        "answer",
        f"delivery/{new.id}",
        new.state.value,
        at=at,
        message=answer.message,
        recipient=new.recipient,
    )


def assign(
    book: Book, message: str, new: Sequence[NewDelivery], records: Sequence[AuditRecord], at: datetime
) -> None:
    """A person has named the recipients: needs-routing -> accepted."""
    sender = _advance(book, message, MessageEvent.ASSIGNED, at)
    _add_deliveries(book, message, sender, new, at)
    for record in records:
        book.record(record)


def decline(book: Book, message: str, *, actor: str, reason: str, at: datetime) -> None:
    """A person has decided that nobody is to be told: needs-routing -> closed."""
    _advance(book, message, MessageEvent.DECLINED, at)
    book.note("decline", f"message/{message}", MessageState.CLOSED.value, at=at, actor=actor, why=reason)


def _advance(book: Book, message: str, event: MessageEvent, at: datetime) -> str:
    row = book.first(_STATE, {"the_message": message})
    if row is None:
        raise NotFound("ST121", params={"kind": "message"})
    state = advance(MESSAGE_TRANSITIONS, MessageState(row.state), event)
    book.run(_CHANGE_MESSAGE, {"the_message": message, "state": state.value, "changed_at": at})
    return str(row.sender)


def write_issues(issues: Sequence[Issue]) -> str:
    """Keep findings as JSON: they hold names, codes and places, never what a record says."""
    return orjson.dumps([asdict(issue) for issue in issues], default=dict).decode()
