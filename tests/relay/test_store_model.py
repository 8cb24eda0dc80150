"""The store against a model of it: whatever is asked of both, in whatever order, they say the same.

The model is some dictionaries and knows nothing of SQL, leases by token, counters or recovery; it says what
each delivery must be. The same machine walks over both engines.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from adapter.errors import Conflict
from adapter.relay import retry
from adapter.relay.clock import SetClock
from adapter.relay.message import LIVE, DeliveryEvent, DeliveryState, MessageState
from adapter.relay.retry import Class, Route
from adapter.relay.store import claims, outcomes
from adapter.relay.store.values import AttemptEnd
from tests.relay.world import CLINIC, NOON, OTHER_CLINIC, intake, open_store, settle_on

if TYPE_CHECKING:
    from adapter.relay.store.values import Claimed
    from tests.relay.cluster import Cluster

S, E = DeliveryState, DeliveryEvent
MINUTE = timedelta(minutes=1)
ENDS: dict[str, tuple[Class, DeliveryEvent, DeliveryState, str | None]] = {
    "ok": (Class.TAKEN, E.OK, S.ACKNOWLEDGED, "ok"),
    "later": (Class.RECEIVED, E.SENT, S.AWAITING, None),
    "refused": (Class.REFUSED, E.FATAL_ERROR, S.REFUSED, None),
    "busy": (Class.TRANSIENT, E.TRANSIENT_ERROR, S.QUEUED, None),
}
HOWS = st.sampled_from(sorted(ENDS))
LIFTED_BY_OK = frozenset({S.QUEUED, S.SENDING, S.AWAITING, S.PARKED, S.REFUSED})


@dataclass
class Copy:
    """What the model knows of a delivery."""

    message: str
    recipient: str
    lane: str
    header: str
    state: DeliveryState = S.QUEUED
    due_at: datetime = NOON
    claim: Claimed | None = None
    """The claim that holds it, while it does."""


@dataclass
class Lane:
    """Who holds a lane, and until when."""

    holder: Claimed | None = None
    until: datetime = NOON
    queue: list[str] = field(default_factory=list)


class StoreMachine(RuleBasedStateMachine):
    """One walk."""

    cluster: ClassVar[Cluster | None] = None
    migrated: ClassVar[Path | None] = None
    """A file with its tables made, which saves making them for each walk."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="silta-model-"))
        self.address = None
        if self.cluster is not None:
            self.address = self.cluster.database()
            settle_on(self.folder, self.address)
        elif self.migrated is not None:
            shutil.copy(self.migrated, self.folder)
        self.clock = SetClock(NOON)
        self.store = open_store(self.folder, self.clock)
        self.taken: list[Any] = []
        self.copies: dict[str, Copy] = {}
        self.lanes: dict[str, Lane] = {}
        self.routes = {CLINIC: Route(), OTHER_CLINIC: Route()}
        self.claims: list[Claimed] = []

    def teardown(self) -> None:
        self.store.close()
        if self.cluster is not None and self.address is not None:
            self.cluster.drop(self.address)
        shutil.rmtree(self.folder)

    # What is asked ---------------------------------------------------------------------------------------

    @rule(person=st.integers(0, 1), both=st.booleans())
    def accept(self, person: int, both: bool) -> None:
        recipients = (CLINIC, OTHER_CLINIC) if both else (CLINIC,)
        new = intake(len(self.taken) + 1, recipients, at=self.clock.now(), subject=f"{person:064x}")
        self.store.commit_intake(new)
        self.taken.append(new)
        for each in new.deliveries:
            self.copies[each.id] = Copy(
                new.message, each.recipient, each.lane, each.header_id, due_at=self.clock.now()
            )
            self.lanes.setdefault(each.lane, Lane()).queue.append(each.id)

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        again = data.draw(st.sampled_from(self.taken))
        answer = self.store.commit_intake(replace(again, message="another", deliveries=()))
        assert (answer.body, answer.message) == (again.answer.body, again.message)

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def contradict(self, data: st.DataObject) -> None:
        earlier = data.draw(st.sampled_from(self.taken))
        other = replace(earlier, message=f"x-{earlier.message}", digest="f" * 64, original=b"other")
        with pytest.raises(Conflict, match="ST120"):
            self.store.commit_intake(other)

    @rule()
    def claim(self) -> None:
        now = self.clock.now()
        for lane in self.lanes.values():
            if lane.holder is not None and lane.until <= now:
                self._freed(lane)
        ready = {key: self._head(lane) for key, lane in self.lanes.items() if lane.holder is None}
        heads = [id for id in ready.values() if id is not None and self.copies[id].due_at <= now]
        room = {recipient: self._room(recipient) for recipient in self.routes}
        claimed = self.store.submit(claims.claim, now, 64, each=64).result()
        for recipient, places in room.items():
            mine = [one.delivery for one in claimed if one.recipient == recipient]
            expected = [id for id in heads if self.copies[id].recipient == recipient]
            assert set(mine) <= set(expected)
            assert len(mine) == min(len(expected), places)
        for one in claimed:
            copy, lane = self.copies[one.delivery], self.lanes[one.lane]
            copy.state, copy.claim = S.SENDING, one
            lane.holder, lane.until = one, now + claims.LEASE
        self.claims += claimed

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), how=HOWS)
    def end(self, data: st.DataObject, how: str) -> None:
        self._end(data.draw(st.sampled_from(self.claims)), how)

    @precondition(lambda self: self.copies)
    @rule(hows=st.lists(HOWS, min_size=1, max_size=4))
    def deliver(self, hows: list[str]) -> None:
        before = len(self.claims)
        self.claim()
        for claim, how in zip(self.claims[before:], hows, strict=False):
            self._end(claim, how)

    @precondition(lambda self: self.copies)
    @rule(how=HOWS)
    def outlast(self, how: str) -> None:
        """An attempt ends after its lease, and after another has the lane."""
        before = len(self.claims)
        self.claim()
        late = self.claims[before:]
        self.clock.move(claims.LEASE)
        self.claim()
        for claim in late:
            self._end(claim, how)

    def _end(self, claim: Claimed, how: str) -> None:
        now = self.clock.now()
        outcome, event, after, reply = ENDS[how]
        end = AttemptEnd(
            delivery=claim.delivery,
            token=claim.token,
            started_at=now,
            ended_at=now,
            outcome=outcome,
            status=200,
            reason=None,
            reached=True,
            counts=True,
            events=(event,),
            due_at=now + MINUTE if how in ("busy", "later") else None,
            reply=reply,  # type: ignore[arg-type]
            answer=b"{}",
        )
        self.store.submit(outcomes.record_attempt, end).result()
        copy, lane = self.copies[claim.delivery], self.lanes[claim.lane]
        if copy.claim is not claim:
            return  # too late: it changes nothing
        lane.holder = copy.claim = None
        route = self.routes[claim.recipient]
        failed = outcome is Class.TRANSIENT
        self.routes[claim.recipient] = (
            retry.after_failure(route, now, is_wrong_way=False) if failed else retry.after_success(route, now)
        )
        if copy.state is S.SENDING:
            copy.state, copy.due_at = after, now + MINUTE

    @precondition(lambda self: self.copies)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        self._acknowledge(data.draw(st.sampled_from(sorted(self.copies))))

    @precondition(lambda self: any(copy.state is S.REFUSED for copy in self.copies.values()))
    @rule(data=st.data())
    def lift(self, data: st.DataObject) -> None:
        """A refused one is acknowledged after all."""
        refused = [id for id, copy in self.copies.items() if copy.state is S.REFUSED]
        self._acknowledge(data.draw(st.sampled_from(refused)))

    def _acknowledge(self, id: str) -> None:
        copy = self.copies[id]
        self.store.acknowledgement(copy.recipient, copy.header, "ok", b"{}", self.clock.now())
        if copy.state in LIFTED_BY_OK:
            copy.state = S.ACKNOWLEDGED

    @precondition(lambda self: self.copies)
    @rule(data=st.data(), resent=st.booleans())
    def decide(self, data: st.DataObject, resent: bool) -> None:
        id = data.draw(st.sampled_from(sorted(self.copies)))
        copy = self.copies[id]
        do = self.store.resend if resent else self.store.close_delivery
        if copy.state is not S.REFUSED:
            with pytest.raises(Conflict, match="DL101"):
                do(id, actor="operator", reason="drawn")
            return
        do(id, actor="operator", reason="drawn")
        copy.state, copy.due_at = (S.QUEUED if resent else S.CLOSED), self.clock.now()

    @rule(seconds=st.sampled_from([1, 30, 61, 600]))
    def wait(self, seconds: int) -> None:
        self.clock.move(timedelta(seconds=seconds))

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = open_store(self.folder, self.clock)
        for lane in self.lanes.values():
            self._freed(lane)

    # What the model says ---------------------------------------------------------------------------------

    def _freed(self, lane: Lane) -> None:
        """Nobody holds the lane any more: what was being sent in it waits again."""
        for id in lane.queue:
            copy = self.copies[id]
            if copy.claim is not None and copy.claim is lane.holder:
                copy.claim = None
                if copy.state is S.SENDING:
                    copy.state, copy.due_at = S.QUEUED, self.clock.now()
        lane.holder = None

    def _head(self, lane: Lane) -> str | None:
        return next((id for id in lane.queue if self.copies[id].state is S.QUEUED), None)

    def _room(self, recipient: str) -> int:
        route, now = self.routes[recipient], self.clock.now()
        if route.paused_until is not None and route.paused_until > now:
            return 0
        held = sum(
            one.holder is not None and one.holder.recipient == recipient for one in self.lanes.values()
        )
        probing = route.pauses or route.failures >= retry.FAILURES_THAT_SLOW
        return max((1 if probing else 64) - held, 0)

    @invariant()
    def says_the_same(self) -> None:
        found = {row.id: row.state for row in self.store.find_deliveries(limit=1000)}
        assert found == {id: copy.state for id, copy in self.copies.items()}
        live = {copy.message for copy in self.copies.values() if copy.state in LIVE}
        states = {row.id: row.state for row in self.store.messages(limit=1000)}
        assert states == {
            new.message: MessageState.ACCEPTED if new.message in live else MessageState.SETTLED
            for new in self.taken
        }
        waiting = {party.key: party.waiting for party in self.store.parties()}
        for recipient, counted in waiting.items():
            queued = [c for c in self.copies.values() if c.recipient == recipient and c.state is S.QUEUED]
            assert counted == len(queued)


QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)


@pytest.mark.parametrize(("name", "walks"), [("sqlite", 10), ("postgresql", 4)])
def test_store_and_model_say_the_same(
    name: str, walks: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Some walks of twenty steps on each engine."""
    walk(name, tmp_path, request, walks, 20)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_store_and_model_say_the_same_for_long(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Three hundred walks of a hundred steps on each engine."""
    walk(name, tmp_path, request, 300, 100)


def walk(name: str, folder: Path, request: pytest.FixtureRequest, walks: int, steps: int) -> None:
    """Walk the machine over one engine."""
    cluster = request.getfixturevalue("cluster") if name == "postgresql" else None
    open_store(folder).close()
    machine = type("Machine", (StoreMachine,), {"cluster": cluster, "migrated": folder / "silta.db"})
    run_state_machine_as_test(
        machine, settings=settings(QUIET, max_examples=walks, stateful_step_count=steps)
    )
