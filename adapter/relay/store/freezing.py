"""What is written down before the socket: the bytes that go now, to whom, and on what ground."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import bindparam, func, literal, select

from adapter.relay.message import TO_THE_SENDER, DeliveryEvent, DeliveryState, Kind
from adapter.relay.store import deliveries, schema
from adapter.relay.store.among import Among
from adapter.relay.store.cipher import owner_of
from adapter.relay.store.deliveries import CHECKED
from adapter.relay.store.values import Freeze

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from adapter.relay.store.book import Book
    from adapter.relay.store.values import Claimed, Frozen

_D, _L, _M = schema.delivery.c, schema.lane.c, schema.message.c
_C, _K, _Y, _U = schema.consent.c, schema.content_key.c, schema.payload.c, schema.audit.c

OWNER = literal(owner_of("")).concat(_D.message)
"""Under whose key the content of a delivery's message is sealed."""
MARK = select(func.coalesce(func.max(_C.number), 0)).where(_C.subject == _M.subject).scalar_subquery()
"""The newest change to the consents of a message's patient."""
_CHECK = (
    select(
        _D.id,
        _D.token,
        _L.lease_until,
        _D.state,
        _D.kind,
        _D.frozen_type,
        _M.superseded_by,
        _K.wrapped,
        MARK.label("consents"),
    )
    .select_from(schema.delivery)
    .join(schema.lane, _L.key == _D.lane)
    .join(schema.message, _M.id == _D.message)
    .join(schema.content_key, _K.owner == OWNER)
    .where(Among(_D.id, "the_deliveries"))
    .order_by(_D.number)
    .with_for_update(of=schema.delivery)
)
_DISCLOSED = (
    select(_U.detail)
    .where(_U.object == bindparam("the_object"), _U.action == "disclose")
    .order_by(_U.at.desc(), _U.node, _U.sequence.desc())
)
_DROP_PAYLOAD = schema.payload.delete().where(
    _Y.owner == bindparam("owner"), _Y.part == bindparam("the_part")
)


def consents_of(subject: str) -> str:
    """Return the name of the lock that a decision on a person's consents is taken under."""
    return f"consents/{subject}"


def part_of(delivery: str) -> str:
    """Return the name of the part that holds a delivery's frozen copy."""
    return f"copy/{delivery}"


def foresee(book: Book, claimed: Sequence[Claimed]) -> None:
    """Read in one go what `freeze` will ask about these, once nobody can change their people's consents."""
    subjects = [consents_of(each.subject) for each in claimed if each.subject is not None]
    book.ground.lock_each(book, subjects, shared=True)
    for row in book.all(_CHECK, {"the_deliveries": [each.delivery for each in claimed]}):
        book.foreseen[CHECKED, row.id] = row


def freeze(
    book: Book,
    claimed: Claimed,
    *,
    copy: Frozen | None,
    basis: str | None,
    seen: int,
    until: datetime,
    at: datetime,
    detail: Sequence[tuple[str, str]] = (),
) -> tuple[Freeze, int]:
    """Write down, before the socket, that this copy goes out now.

    `copy`: bytes to fix; None if those of an earlier attempt go again. `seen`: mark of the consents that
    the decision was made on. `until`: the send would have ended by then, so the lease must not end before.
    Returns what to do, and the mark of the consents as they are now.
    """
    if (CHECKED, claimed.delivery) not in book.foreseen:
        foresee(book, [claimed])
    row = book.foreseen.pop((CHECKED, claimed.delivery), None)
    needed = book.ground.lease_time(book, at) + (until - at)
    if row is None or row.token != claimed.token or row.lease_until is None or row.lease_until < needed:
        return Freeze.LOST, seen
    if row.state != DeliveryState.SENDING.value:
        return Freeze.LOST, seen
    if row.kind == Kind.NOTIFICATION.value and row.superseded_by is not None:
        steps = (DeliveryEvent.LEASE_EXPIRED, DeliveryEvent.SUPERSEDED)
        found = deliveries.find(book, claimed.delivery)
        deliveries.move(book, found, *steps, at=at, action="close", reason="DL111", release=True)
        return Freeze.CLOSED, seen
    mark = int(row.consents) if claimed.kind not in TO_THE_SENDER else seen
    if mark != seen:
        return Freeze.ASK_AGAIN, mark
    reached = max(int(claimed.reached) * 2, 1)
    values: dict[str, Any] = {"reached": reached, "basis": basis}
    if copy is not None:
        values |= {
            "frozen_type": copy.media_type,
            "frozen_level": copy.level.value if copy.level else None,
            "level": copy.level.value if copy.level else None,
            "taken": False,
        }
        if copy.envelope is not None:
            values["envelope_id"] = copy.envelope
        keep_copy(book, claimed, copy, row.wrapped, had_one=row.frozen_type is not None)
    deliveries.change(book, claimed.delivery, values)
    book.note(
        "disclose",
        f"delivery/{claimed.delivery}",
        DeliveryState.SENDING.value,
        at=at,
        message=claimed.message,
        recipient=claimed.recipient,
        basis=basis,
        consents=mark or None,
        attempt=claimed.tries + 1,
        envelope=copy.envelope if copy is not None else None,
        content=content_of(book, claimed, copy),
        **dict(detail),
    )
    return Freeze.GO, mark


def content_of(book: Book, claimed: Claimed, copy: Frozen | None) -> str | None:
    """Return which resources go out: those of the copy, or of the sending it repeats, as the audit has it."""
    if copy is not None and copy.content is not None:
        return copy.content
    if not claimed.reached:
        return None
    rows = book.all(_DISCLOSED, {"the_object": f"delivery/{claimed.delivery}"})
    found = (dict(orjson.loads(row.detail)).get("content") for row in rows)
    return next((each for each in found if each), None)


def keep_copy(book: Book, claimed: Claimed, copy: Frozen, wrapped: bytes | None, *, had_one: bool) -> None:
    """Seal the bytes of a copy in the place of those it had. `wrapped`: its message's key, None once gone."""
    owner, part = owner_of(claimed.message), part_of(claimed.delivery)
    if had_one:
        book.run(_DROP_PAYLOAD, {"owner": owner, "the_part": part})
    if wrapped is not None:
        book.seal(book.vault.envelope(owner, wrapped), part, copy.body)
