"""What the tests of store and delivery stand on: a real file, a scripted wire, a clock that is moved by hand.

Everybody in here is invented.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from adapter.errors import DeliveryError
from adapter.relay import delivery
from adapter.relay.clock import CountedIds, SetClock
from adapter.relay.consent import Deny, Permit
from adapter.relay.custody import Custody
from adapter.relay.deployment import Partner
from adapter.relay.directory import Register
from adapter.relay.disclosure_rules import Basis
from adapter.relay.message import (
    Answer,
    AuditRecord,
    DeliveryState,
    Intake,
    IntakeKey,
    Kind,
    Level,
    Meaning,
    MessageState,
    Mode,
    NewDelivery,
)
from adapter.relay.replay import Bounds
from adapter.relay.retry import RetrySchedule
from adapter.relay.source import HELSINKI
from adapter.relay.store import Store
from adapter.relay.transport import Inbound, Outbound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from zoneinfo import ZoneInfo

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
KEY = bytes(range(32))
HOSPITAL = "urn:oid:1.2.246.10.1"
CLINIC = "urn:oid:1.2.246.10.2"
OTHER_CLINIC = "urn:oid:1.2.246.10.3"
SUBJECT = "a" * 64
PERMIT = Permit(level=Level.MINIMAL, basis=next(iter(Basis)), consent="Consent/1#1")
TTL = timedelta(days=5)


FILE = "silta.db"


def is_empty_file(folder: Path) -> bool:
    """True if the folder's store is a file that nobody has opened yet."""
    return not (folder / "address").exists() and not (folder / FILE).exists()


def settle_on(folder: Path, address: str) -> None:
    """Let the store of this folder be a database; without it the folder has a file."""
    (folder / "address").write_text(address)


def address_of(folder: Path) -> str:
    """The URL of the folder's store."""
    place = folder / "address"
    return place.read_text() if place.exists() else f"sqlite:///{folder / FILE}"


def open_store(folder: Path, clock: SetClock | None = None, **more: Any) -> Store:
    """Open the store of `folder`, the same one every time; leases go by a clock that is set."""
    clock = clock or SetClock(NOON)
    times = clock if isinstance(clock, SetClock) else None
    return Store.open(address_of(folder), key=KEY, clock=clock, lease_times=times, **more)


def raw_rows(folder: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Ask the folder's database without the store, behind its back; `?` stands for a value."""
    address = address_of(folder)
    if address.startswith("sqlite"):
        file = sqlite3.connect(folder / FILE)
        try:
            rows = file.execute(sql, values).fetchall()
            file.commit()
        finally:
            file.close()
        return rows
    with psycopg.connect(address, autocommit=True) as connection:
        cursor = connection.execute(sql.replace("%", "%%").replace("?", "%s").encode(), values)
        return cursor.fetchall() if cursor.description else []


def ok_reply(request: Outbound) -> Inbound:
    """A recipient that acknowledges in its reply."""
    return reply("ok")(request)


def reply(code: str, identifier: str | None = None) -> Callable[[Outbound], Inbound]:
    """A recipient that acknowledges with `code` in its reply."""

    def answer(request: Outbound) -> Inbound:
        header = identifier or request.headers["X-Request-Id"]
        return Inbound(
            status=200, headers={"content-type": "application/fhir+json"}, body=response(header, code)
        )

    return answer


def response(identifier: str, code: str) -> bytes:
    """The bytes of a response Bundle."""
    header = {"resourceType": "MessageHeader", "response": {"identifier": identifier, "code": code}}
    return json.dumps({"resourceType": "Bundle", "type": "message", "entry": [{"resource": header}]}).encode()


def status(code: int, body: bytes = b"", **headers: str) -> Callable[[Outbound], Inbound]:
    """A recipient that answers with a bare status."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def answer(_: Outbound) -> Inbound:
        return Inbound(status=code, headers=named, body=body)

    return answer


Step = "DeliveryError | Callable[[Outbound], Inbound]"


def open_to_change(folder: Path, table: str) -> None:
    """Drop what keeps an append-only table from changes, as somebody with the database in hand can."""
    where = "" if address_of(folder).startswith("sqlite") else f" ON {table}"
    for name in ("unchanged", "undeleted"):
        raw_rows(folder, f"DROP TRIGGER {table}_{name}{where}")


@dataclass
class Wire:
    """A scripted wire: one step per request, the last one again and again."""

    steps: list[Any] = field(default_factory=lambda: [ok_reply])
    sent: list[Outbound] = field(default_factory=list)
    before: Callable[[Outbound], None] | None = None

    async def send(self, request: Outbound) -> Inbound:
        self.sent.append(request)
        if self.before:
            self.before(request)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, DeliveryError):
            raise step
        answer: Inbound = step(request)
        return answer


@dataclass
class Decided:
    """Decisions as the test sets them: per recipient, or the same for all."""

    answer: Permit | Deny | None = PERMIT
    asked: list[str] = field(default_factory=list)
    when_asked: Callable[[], None] | None = None
    copies: int = 0

    def ask_again(self, bundle: Any, claimed: Any, relay: Any, at: Any, *, is_released: bool = False) -> Any:
        self.asked.append(claimed.delivery)
        if self.when_asked:
            self.when_asked()
        return self.answer if claimed.kind is Kind.NOTIFICATION else None

    def copy_of(self, bundle: Any, claimed: Any, permit: Any, relay: Any, at: Any) -> dict[str, Any]:
        self.copies += 1
        return {
            "resourceType": "Bundle",
            "id": claimed.bundle_id,
            "header": claimed.header_id,
            "kind": claimed.kind.value,
            "level": permit.level.value if permit else None,
            "made": self.copies,
            "about": claimed.about.state.value if claimed.about else None,
            "reason": claimed.about.reason if claimed.about else None,
        }

    def custody_of(self, bundle: Any, claimed: Any, relay: Any) -> Custody:
        return Custody(register=Register.HEALTH, controllers=(claimed.sender,))

    def versions_of(self, bundle: Any, claimed: Any, permit: Any, relay: Any, at: Any) -> dict[str, str]:
        return {}


def partner(key: str, **more: Any) -> Partner:
    """A partner of the test world."""
    return Partner(organisation=key, endpoint=f"https://{key[-1]}.example/fhir", mode=Mode.TEST, **more)


@dataclass
class World:
    """A relay without its deciding side."""

    store: Store
    clock: SetClock
    transport: Any = field(default_factory=Wire)
    decided: Decided = field(default_factory=Decided)
    partners: dict[str, Partner] = field(
        default_factory=lambda: {key: partner(key) for key in (HOSPITAL, CLINIC, OTHER_CLINIC)}
    )
    schedule: RetrySchedule = field(default_factory=RetrySchedule)
    random: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311
    ids: CountedIds = field(default_factory=lambda: CountedIds(7))
    pace: delivery.Pace = delivery.PACE
    bounds: Bounds = field(default_factory=Bounds)
    is_shadow: bool = False
    zone: ZoneInfo = HELSINKI
    file: Path | None = None

    @property
    def folder(self) -> Path:
        """Where the store is found."""
        assert self.file is not None
        return self.file.parent

    def due(self, limit: int = 64) -> int:
        """Deliver what is due, once."""
        return asyncio.run(
            delivery.deliver_due(self, limit=limit, pace=self.pace, decisions=self.decided)  # type: ignore[arg-type]
        )

    def drain(self) -> int:
        """Deliver until nothing is due."""
        rounds = 0
        while self.due():
            rounds += 1
        return rounds

    def take(self, number: int, *recipients: str, **changes: Any) -> Intake:
        """Accept message `number` to the recipients."""
        new = intake(number, recipients or (CLINIC,), at=self.clock.now(), **changes)
        self.store.import_parties(dict.fromkeys(self.partners, True))
        self.store.commit_intake(new)
        return new

    def state(self, new: Intake, which: int = 0) -> DeliveryState:
        """The state of one of a message's deliveries."""
        return self.store.delivery(new.deliveries[which].id).state


def new_delivery(
    ids: CountedIds, recipient: str, at: datetime, subject: str | None = SUBJECT, **changes: Any
) -> NewDelivery:
    """One delivery as intake makes it."""
    made = NewDelivery(
        id=ids.new(),
        recipient=recipient,
        kind=Kind.NOTIFICATION,
        state=DeliveryState.QUEUED,
        lane=f"{recipient}|{subject}",
        level=Level.MINIMAL,
        reason=None,
        basis=PERMIT.reference,
        evidence="named",
        bundle_id=ids.new(),
        header_id=ids.new(),
        expires_at=at + TTL,
    )
    return replace(made, **changes)


def key(text: str) -> IntakeKey:
    """What a notification is known again by."""
    return IntakeKey(text, clash="ST120", at="Bundle.entry[1].resource.identifier[0]")


def intake(
    number: int,
    recipients: Iterable[str] = (CLINIC,),
    *,
    at: datetime = NOON,
    subject: str | None = SUBJECT,
    kind: Kind = Kind.NOTIFICATION,
    delivery_state: DeliveryState = DeliveryState.QUEUED,
    **changes: Any,
) -> Intake:
    """One intake; the same number gives the same one."""
    ids = CountedIds(number)
    message = ids.new()
    body = f"invented message {number}".encode()
    made = Intake(
        message=message,
        sender=HOSPITAL,
        source="ehr1",
        mode=Mode.TEST,
        state=MessageState.ACCEPTED,
        meaning=Meaning.DONE,
        event="procedure-notification",
        notification=f"n{number}",
        keys=(key(f"n{number}"),),
        digest=f"{number:064x}",
        subject=subject,
        received_at=at,
        original=body,
        media_type="x-application/hl7-v2+er7",
        content=json.dumps({"resourceType": "Bundle", "id": message}).encode(),
        lineage=b"{}",
        deliveries=tuple(
            new_delivery(ids, recipient, at, subject, kind=kind, state=delivery_state)
            for recipient in recipients
        ),
        answer=Answer(status=200, media_type="application/fhir+json", body=b'{"n": %d}' % number),
        audit=(
            AuditRecord(
                at=at, actor=HOSPITAL, action="accept", object=f"message/{message}", outcome="accepted"
            ),
        ),
    )
    return replace(made, **changes)
