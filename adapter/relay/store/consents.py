"""Consents: sealed, in versions, found by the keyed hash of the person they speak for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select, update

from adapter.errors import Conflict
from adapter.fhir import json as fhir_json
from adapter.relay.message import DeliveryState
from adapter.relay.store import offers, schema
from adapter.relay.store.freezing import consents_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from adapter.relay.message import ConsentFiling
    from adapter.relay.store.book import Book
    from adapter.relay.store.prepared import Row

_C, _D, _M = schema.consent.c, schema.delivery.c, schema.message.c
_F = schema.consent_filer.c
_K, _Y = schema.content_key.c, schema.payload.c

PART = "resource"

_NEWEST = select(schema.consent).where(_C.id == bindparam("the_id"), _C.newest.is_(True))
_FROM_FOLDER = select(schema.consent).where(_C.newest.is_(True), _C.ended.is_(False), _C.origin == "folder")
_ADD = insert(schema.consent)
_ADD_FILER = insert(schema.consent_filer)
_RETIRE = update(schema.consent).where(_C.number == bindparam("the_number")).values(newest=False)
_ASK_AGAIN = (
    update(schema.delivery)
    .where(
        _D.state == DeliveryState.WITHHELD.value,
        _D.message.in_(select(_M.id).where(_M.subject == bindparam("subject"))),
    )
    .values(due_at=bindparam("at", type_=schema.Moment))
)
_SEALED = (
    select(schema.consent, _K.wrapped, _Y.sealed, _F.filer)
    .join(schema.content_key, _K.owner == _C.owner)
    .join(schema.payload, _Y.owner == _K.owner)
    .outerjoin(schema.consent_filer, _F.id == _C.id)
)
FOR_SUBJECT = _SEALED.where(
    _C.subject == bindparam("subject"), _C.newest.is_(True), _C.ended.is_(False)
).order_by(_C.number)
IN_FORCE = _SEALED.where(_C.newest.is_(True), _C.ended.is_(False)).order_by(_C.number)
ONE = _SEALED.where(_C.id == bindparam("the_id")).order_by(_C.version.desc())


def owner_of(consent: str, version: int) -> str:
    """Return the name under which one version is sealed."""
    return f"consent/{consent}/{version}"


def put(
    book: Book,
    consent: str,
    subject: str,
    body: bytes,
    *,
    origin: str,
    actor: str,
    at: datetime,
    filer: str | None = None,
    reason: str | None = None,
    expected: int | None = None,
) -> tuple[int, bool]:
    """Keep a version if it says something new. Returns its number and whether it is new.

    `expected`: the version this one was made from, 0 for none; None if that does not matter.
    Raises Conflict CO214 if the newest is another.
    """
    row = book.first(_NEWEST, {"the_id": consent})
    newest = row.version if row is not None else 0
    if expected not in (None, newest):
        raise Conflict("CO214", params={"version": newest})
    digest = book.vault.fingerprint(subject.encode(), body)
    if row is not None and not row.ended and row.digest == digest:
        return row.version, False
    version = _next(book, row, consent, subject, digest, origin=origin, at=at, body=body)
    if filer is not None and row is None:
        book.run(_ADD_FILER, {"id": consent, "filer": filer})
    book.note(
        "put-consent", f"consent/{consent}", "in-force", at=at, actor=actor, reason=reason, version=version
    )
    if row is not None and row.subject != subject:
        _ask_again(book, row.subject, at)
    return version, True


def stand_as(book: Book, filings: Sequence[ConsentFiling]) -> bool:
    """Return True if each consent still is as it was when its next version was made."""
    for each in filings:
        row = book.first(_NEWEST, {"the_id": each.id})
        if (row.version if row is not None else 0) != each.expected:
            return False
    return True


def file(book: Book, filings: Sequence[ConsentFiling], filer: str, at: datetime) -> None:
    """Keep what a message has brought, in its transaction."""
    for each in filings:
        body = fhir_json.write(each.resource)
        put(book, each.id, each.subject, body, origin="door", actor=filer, at=at, filer=filer)


def _next(
    book: Book,
    row: Row | None,
    consent: str,
    subject: str,
    digest: str,
    *,
    origin: str,
    at: datetime,
    body: bytes | None,
) -> int:
    """Write the next version; without a body it ends the consent."""
    book.foreseen.clear()  # copies that were decided on what is just changing may be about to go
    book.ground.lock(book, consents_of(subject))
    if row is not None:
        book.run(_RETIRE, {"the_number": row.number})
    version = row.version + 1 if row is not None else 1
    owner = None if body is None else owner_of(consent, version)
    if owner is not None:
        book.seal_new(owner, {PART: body}, at)
    book.run(
        _ADD,
        {
            "id": consent,
            "version": version,
            "subject": subject,
            "owner": owner,
            "digest": digest,
            "origin": origin,
            "received_at": at,
            "newest": True,
            "ended": body is None,
        },
    )
    _ask_again(book, subject, at)
    book.work = True
    return version


def _ask_again(book: Book, subject: str, at: datetime) -> None:
    """What was decided about a person and has not left is decided anew."""
    book.run(_ASK_AGAIN, {"subject": subject, "at": at})
    offers.take_back_of(book, subject, at)


def end(book: Book, consent: str, *, actor: str, at: datetime) -> None:
    """End a consent that has no successor: nothing is permitted by it any more."""
    row = book.first(_NEWEST, {"the_id": consent})
    if row is None or row.ended:
        return
    version = _next(book, row, consent, row.subject, row.digest, origin=row.origin, at=at, body=None)
    book.note("end-consent", f"consent/{consent}", "ended", at=at, actor=actor, version=version)


def replace(book: Book, consents: Sequence[tuple[str, str, bytes]], at: datetime) -> int:
    """Make the folder's consents these: (id, subject, body). Missing ones end. Returns how many changed.

    What came by a door or was withdrawn stands above the folder: a restart brings nothing back.
    """
    changed = 0
    for consent, subject, body in consents:
        row = book.first(_NEWEST, {"the_id": consent})
        if row is not None and row.origin != "folder":
            continue
        _, new = put(book, consent, subject, body, origin="folder", actor="silta", at=at)
        changed += new
    there = {consent for consent, _, _ in consents}
    for row in book.all(_FROM_FOLDER):
        if row.id not in there:
            end(book, row.id, actor="silta", at=at)
            changed += 1
    return changed
