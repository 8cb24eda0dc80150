"""Random walks: whatever happens in whatever order, what must always hold holds.

Each walk is drawn from a seed: accept, cancel, update, deliver with every kind of answer, let time pass,
acknowledge, withdraw and permit, resend, close, restart. Clock and wire are scripted; the database is real.
"""

from __future__ import annotations

import random
import tempfile
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.errors import AmbiguousDelivery, Conflict, RefusedDelivery, TransientDelivery
from adapter.relay.clock import SetClock
from adapter.relay.consent import Deny
from adapter.relay.message import Kind, Meaning
from adapter.relay.store.values import NewConsent
from adapter.relay.transport import UNSENT, WRONG_WAY, Inbound, Outbound
from tests.relay.world import (
    CLINIC,
    NOON,
    OTHER_CLINIC,
    PERMIT,
    TTL,
    Wire,
    World,
    open_store,
    partner,
    raw_rows,
    reply,
    settle_on,
    status,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.relay.cluster import Cluster

ANSWERS: list[Any] = [
    *[reply("ok")] * 4,
    reply("transient-error"),
    reply("fatal-error"),
    *(status(code) for code in (200, 202, 204, 404, 409, 422, 429, 503)),
    *(AmbiguousDelivery(code) for code in ("DL204", "DL205")),
    TransientDelivery("DL201"),
    RefusedDelivery("DL203"),
]
WAITS = [TTL / 100_000, TTL / 5_000, TTL / 400, TTL / 10, TTL]


class Drawn(Wire):
    """A wire that answers as the walk draws, and remembers what may have arrived."""

    def __init__(self, draw: random.Random) -> None:
        super().__init__()
        self.draw = draw
        self.arrived: defaultdict[str, set[bytes]] = defaultdict(set)
        self.forbidden = False

    async def send(self, request: Outbound) -> Inbound:
        assert not (self.forbidden and b'"kind":"notification"' in request.body), "sent after a withdrawal"
        self.steps = [self.draw.choice(ANSWERS)]
        header = request.headers["X-Request-Id"]
        assert self.arrived[header] <= {request.body}, "a repeat with other bytes"
        step = self.steps[0]
        if getattr(step, "code", None) not in UNSENT | WRONG_WAY:
            self.arrived[header].add(request.body)
        return await super().send(request)


class Walk:
    """One walk."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.draw = random.Random(seed)  # noqa: S311 - a walk, no secret
        self.folder = folder
        self.clock = SetClock(NOON)
        self.wire = Drawn(self.draw)
        self.messages: list[Any] = []
        self.world = self._opened()

    def _opened(self) -> World:
        store = open_store(self.folder, self.clock)
        world = World(store=store, clock=self.clock, transport=self.wire)
        ways = {CLINIC: "reply", OTHER_CLINIC: "later"}
        for key, way in ways.items():
            world.partners[key] = partner(key, acknowledgement=way)
        return world

    def step(self) -> None:
        """Do one thing."""
        steps: list[Callable[[], None]] = [
            *[self.accept] * 3,
            self.follow,
            *[self.deliver] * 6,
            *[self.wait] * 3,
            self.acknowledge,
            self.withdraw,
            self.permit,
            self.person,
            self.restart,
        ]
        self.draw.choice(steps)()

    def accept(self) -> None:
        subject = f"{self.draw.randrange(2):064x}"
        number = len(self.messages) + 1
        self.messages.append(self.world.take(number, CLINIC, OTHER_CLINIC, subject=subject))

    def follow(self) -> None:
        """Cancel or replace an earlier one."""
        if not self.messages:
            return
        earlier = self.draw.choice(self.messages)
        meaning = self.draw.choice([Meaning.CANCEL, Meaning.UPDATE])
        kind = Kind.CANCELLATION if meaning is Meaning.CANCEL else Kind.NOTIFICATION
        recipients = [each.recipient for each in earlier.deliveries]
        self.messages.append(
            self.world.take(
                len(self.messages) + 1,
                *recipients,
                subject=earlier.subject,
                kind=kind,
                meaning=meaning,
                cancels=earlier.message,
            )
        )

    def deliver(self) -> None:
        self.world.due()

    def wait(self) -> None:
        self.clock.move(self.draw.choice(WAITS))

    def acknowledge(self) -> None:
        rows = self.world.store.find_deliveries()
        if rows:
            row = self.draw.choice(rows)
            code = self.draw.choice(["ok", "transient-error", "fatal-error"])
            self.world.store.acknowledgement(row.recipient, row.header_id, code, b"{}", self.clock.now())

    def withdraw(self) -> None:
        self.world.decided.answer = Deny(reasons=("CO103",))
        self.wire.forbidden = True

    def permit(self) -> None:
        self.world.decided.answer = PERMIT
        self.wire.forbidden = False
        for number in range(2):
            made = NewConsent(
                id=f"c{number}",
                subject=f"{number:064x}",
                resource={"resourceType": "Consent", "n": self.draw.random().hex()},
            )
            self.world.store.put_consent(made, actor=CLINIC, at=self.clock.now())

    def person(self) -> None:
        rows = self.world.store.find_deliveries()
        if rows:
            do = self.draw.choice([self.world.store.resend, self.world.store.close_delivery])
            with suppress(Conflict):
                do(self.draw.choice(rows).id, actor="operator", reason="drawn")

    def restart(self) -> None:
        self.world.store.close()
        decided = self.world.decided
        self.world = self._opened()
        self.world.decided = decided

    def check(self) -> None:
        """What must always hold."""
        assert raw_rows(self.folder, BROKEN) == []
        assert self.world.store.verify_audit() is None


MUST_BE_EMPTY = {
    "a lane counts what waits in it": """
        SELECT key FROM lane WHERE waiting <>
        (SELECT count(*) FROM delivery WHERE lane = lane.key AND state = 'queued')""",
    "a lane is ready when its head is due": """
        SELECT key FROM lane WHERE waiting > 0 AND ready_at <>
        (SELECT due_at FROM delivery WHERE lane = lane.key AND state = 'queued' ORDER BY number LIMIT 1)""",
    "a token stands where something is on the wire": """
        SELECT id FROM delivery WHERE token IS NOT NULL AND state <> 'sending'""",
    "nothing is left on the wire between two rounds": "SELECT id FROM delivery WHERE state = 'sending'",
    "no lease is left between two rounds": "SELECT key FROM lane WHERE lease_until IS NOT NULL",
    "a settled message has nothing live": """
        SELECT id FROM message WHERE state = 'settled' AND EXISTS (SELECT 1 FROM delivery
        WHERE message = message.id AND kind <> 'delivery-report'
        AND state IN ('queued', 'sending', 'awaiting'))""",
    "an accepted message has something live": """
        SELECT id FROM message WHERE state = 'accepted' AND NOT EXISTS (SELECT 1 FROM delivery
        WHERE message = message.id AND kind <> 'delivery-report'
        AND state IN ('queued', 'sending', 'awaiting'))""",
    "every success of a notification has its case, and nothing else has": """
        SELECT id FROM delivery d WHERE kind = 'notification' AND
        (state IN ('acknowledged', 'delivered')) <> EXISTS (SELECT 1 FROM "case" c WHERE c.id = d.id)""",
    "every end that is not success has one report": """
        SELECT id FROM delivery d WHERE kind <> 'delivery-report' AND state IN
        ('withheld', 'parked', 'refused', 'closed') AND 1 <>
        (SELECT count(*) FROM delivery r WHERE r.about = d.id AND r.about_round = d.ends
         AND r.about_state = d.state)""",
    "never a report about a report": """
        SELECT r.id FROM delivery r JOIN delivery d ON d.id = r.about WHERE d.kind = 'delivery-report'""",
    "every attempt was disclosed first": """
        SELECT a.delivery FROM attempt a WHERE NOT EXISTS (SELECT 1 FROM audit u
        WHERE u.object = 'delivery/' || a.delivery AND u.action = 'disclose')""",
}


BROKEN = " UNION ALL ".join(
    f"SELECT '{name}' AS what FROM ({sql}) q"  # noqa: S608 - all of it stands above
    for name, sql in MUST_BE_EMPTY.items()
)
"""Names what does not hold, once for each row that shows it."""


def walk(seed: int, steps: int, cluster: Cluster | None) -> None:
    """Walk, and look after each step; on PostgreSQL with a cluster."""
    with tempfile.TemporaryDirectory(prefix="silta-walk-") as folder:
        if cluster is not None:
            settle_on(Path(folder), cluster.database())
        one = Walk(seed, Path(folder))
        try:
            for _ in range(steps):
                one.step()
                one.check()
        finally:
            one.world.store.close()


QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)


@given(st.integers(0, 2**32))
@settings(QUIET, max_examples=4)
def test_whatever_happens_what_must_hold_holds(seed: int) -> None:
    """Four walks of forty steps."""
    walk(seed, 40, None)


@given(st.integers(0, 2**32))
@settings(QUIET, max_examples=2)
def test_on_postgresql_too(cluster: Cluster, seed: int) -> None:
    """Two walks of forty steps."""
    walk(seed, 40, cluster)


@pytest.mark.long
@pytest.mark.timeout(3600)
@given(st.integers(0, 2**32))
@settings(QUIET, max_examples=150)
@pytest.mark.parametrize("is_shared", [False, True], ids=["sqlite", "postgresql"])
def test_on_long_walks_too(cluster: Cluster, is_shared: bool, seed: int) -> None:
    """A hundred and fifty walks of two hundred steps on each engine."""
    walk(seed, 200, cluster if is_shared else None)
