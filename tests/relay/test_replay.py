"""Many copies sent again together: counted first, released by another, at a pace, taken back at a word."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import Conflict, NotPermitted
from adapter.relay import resending
from adapter.relay.consent import Deny
from adapter.relay.message import DeliveryState
from adapter.relay.replay import (
    REPLAY_TRANSITIONS,
    Bounds,
    Candidate,
    ReplayEvent,
    ReplayState,
    Wanted,
    after_next,
    preview_of,
)
from tests.relay.world import CLINIC, HOSPITAL, NOON, OTHER_CLINIC, SUBJECT, World, ok_reply, raw_rows, reply

if TYPE_CHECKING:
    from adapter.relay.message import Intake
    from adapter.relay.transport import Inbound, Outbound

MINUTE = timedelta(minutes=1)


def refused(world: World, count: int, *recipients: str, number: int = 1, **changes: Any) -> list[Intake]:
    """Messages whose copies were refused, a minute between them; the hospital takes its reports."""

    def refuse(request: Outbound) -> Inbound:
        return reply("ok" if request.url.startswith(hospital) else "fatal-error")(request)

    hospital = world.partners[HOSPITAL].endpoint
    world.transport.steps = [refuse]
    made = []
    for one in range(number, number + count):
        made.append(world.take(one, *recipients, **changes))
        world.drain()
        world.clock.move(MINUTE)
    world.transport.steps, world.transport.sent = [ok_reply], []
    return made


def prepared(world: World, wanted: Wanted | None = None, **more: Any) -> str:
    """The id of a replay that Aino prepared."""
    given: dict[str, Any] = {"actor": "Aino", "reason": "receiver mended", "decisions": world.decided, **more}
    replay, _ = resending.prepare(wanted or Wanted(), world, **given)  # type: ignore[arg-type]
    return replay


def reason_of(world: World, copy: Intake) -> str | None:
    """Why a message's first copy is where it is."""
    return world.store.delivery(copy.deliveries[0].id).reason


def sent(world: World) -> list[str]:
    """The header ids of the notifications that went out, in order."""
    bodies = [json.loads(request.body) for request in world.transport.sent]
    return [body["header"] for body in bodies if body["kind"] == "notification"]


def test_nothing_goes_before_the_release(world: World) -> None:
    """A prepared replay is only counted: the copies stay as they are."""
    copies = refused(world, 2)

    replay = prepared(world)
    world.drain()

    assert (sent(world), world.store.replay(replay).state) == ([], ReplayState.PREPARED)
    assert {world.state(each) for each in copies} == {DeliveryState.REFUSED}


def test_the_preview_tells_what_would_happen(world: World) -> None:
    """Count, age, recipients, whether consent holds, and how many more match than the bounds allow."""
    refused(world, 3, CLINIC, OTHER_CLINIC)
    world.decided.answer = Deny(reasons=("CO103",))

    _, preview = resending.prepare(
        Wanted(recipient=CLINIC),
        world,  # type: ignore[arg-type]
        actor="Aino",
        reason="why",
        most=2,
        decisions=world.decided,
    )

    assert (preview.count, preview.left_out, preview.permitted) == (2, 1, 0)
    assert (preview.recipients, preview.denied) == ({CLINIC: 2}, {"CO103": 2})
    assert (preview.oldest, preview.newest) == (NOON, NOON + MINUTE)


WANTED: dict[str, tuple[Wanted, int]] = {
    "all": (Wanted(), 4),
    "recipient": (Wanted(recipient=OTHER_CLINIC), 2),
    "state": (Wanted(state=DeliveryState.REFUSED), 4),
    "reason": (Wanted(reason="DL121"), 4),
    "since": (Wanted(since=NOON + MINUTE), 2),
    "until": (Wanted(until=NOON + MINUTE), 2),
}


def test_a_replay_holds_what_was_asked_for(world: World) -> None:
    """By recipient, state, reason and the time since when they wait."""
    refused(world, 2, CLINIC, OTHER_CLINIC)

    held = {
        name: len(world.store.replay_items(prepared(world, asked))) for name, (asked, _) in WANTED.items()
    }

    assert held == {name: count for name, (_, count) in WANTED.items()}


def test_nothing_that_matches_is_said(world: World) -> None:
    """An empty replay is none: DL150, and nothing is kept of it."""
    refused(world, 1)

    for wanted in (
        Wanted(state=DeliveryState.PARKED),
        Wanted(reason="DL102"),
        Wanted(recipient="urn:oid:1.2"),
    ):
        with pytest.raises(Conflict, match="DL150"):
            prepared(world, wanted)

    assert world.store.replays() == []


def test_who_prepared_it_does_not_release_it(world: World) -> None:
    """Four eyes: AC119, and not even the database would take it."""
    refused(world, 1)
    replay = prepared(world)

    with pytest.raises(NotPermitted, match="AC119"):
        world.store.release_replay(replay, actor="Aino", reason="mine")
    with pytest.raises(Exception, match=r"four_eyes|CHECK"):
        raw_rows(world.folder, "UPDATE replay SET released_by = prepared_by")


def test_released_by_another_every_copy_goes_once_and_in_order(world: World) -> None:
    """The oldest first, the same ids as before, and the replay is done."""
    copies = refused(world, 3)
    replay = prepared(world)
    world.store.release_replay(replay, actor="Bertta", reason="looked at")

    for _ in range(6):
        world.drain()
        world.clock.move(timedelta(seconds=1))

    assert sent(world) == [each.deliveries[0].header_id for each in copies]
    assert {world.state(each) for each in copies} == {DeliveryState.ACKNOWLEDGED}
    row = world.store.replay(replay)
    assert (row.state, row.items) == (ReplayState.DONE, (("queued", None, 3),))


def test_a_replay_goes_at_its_pace(world: World) -> None:
    """Two a minute: one at once, the next half a minute later; a pause is not made up for."""
    copies = refused(world, 4)
    replay = prepared(world, per_minute=2)
    world.store.release_replay(replay, actor="Bertta", reason="looked at")

    went = []
    for wait in (0, 29, 1, 300, 1):
        world.clock.move(timedelta(seconds=wait))
        world.drain()
        went.append(len(sent(world)))

    assert went == [1, 1, 2, 3, 3]
    assert [world.state(each) for each in copies[3:]] == [DeliveryState.REFUSED]


def test_the_bounds_of_the_deployment_are_not_widened(world: World) -> None:
    """More than the settings allow counts as what they allow, in number and pace."""
    refused(world, 3)
    world.bounds = Bounds(most=2, per_minute=5)

    replay = prepared(world, most=500, per_minute=600)

    assert (len(world.store.replay_items(replay)), world.store.replay(replay).per_minute) == (2, 5)


def test_what_consent_forbids_by_then_stays(world: World) -> None:
    """Asked again as its turn comes: the copy is left as it is, with the reason, and nothing leaves."""
    [copy] = refused(world, 1)
    replay = prepared(world)
    world.store.release_replay(replay, actor="Bertta", reason="looked at")
    world.decided.answer = Deny(reasons=("CO103",))

    world.drain()

    assert (sent(world), world.state(copy)) == ([], DeliveryState.REFUSED)
    row = world.store.replay(replay)
    assert (row.state, row.items) == (ReplayState.DONE, (("skipped", "CO103", 1),))


def test_what_consent_forbids_at_the_socket_does_not_go(world: World) -> None:
    """Withdrawn between its turn and its send: the engine asks once more, as for any copy."""
    [copy] = refused(world, 1)
    replay = prepared(world)
    world.store.release_replay(replay, actor="Bertta", reason="looked at")
    asked = len(world.decided.asked)

    def withdraw() -> None:
        if len(world.decided.asked) == asked + 2:
            world.decided.answer = Deny(reasons=("CO103",))

    world.decided.when_asked = withdraw
    world.drain()

    assert (sent(world), world.state(copy)) == ([], DeliveryState.WITHHELD)


def test_what_somebody_has_closed_since_is_left(world: World) -> None:
    """A copy that no longer waits is skipped with DL101; the others go."""
    closed, other = refused(world, 2)
    replay = prepared(world)
    world.store.close_delivery(closed.deliveries[0].id, actor="Bertta", reason="told by phone")
    world.store.release_replay(replay, actor="Bertta", reason="looked at")

    for _ in range(3):
        world.drain()
        world.clock.move(timedelta(seconds=1))

    assert sent(world) == [other.deliveries[0].header_id]
    assert world.store.replay(replay).items == (("queued", None, 1), ("skipped", "DL101", 1))


def test_cancelled_what_has_not_left_does_not_go(world: World) -> None:
    """What was queued and still waits is parked again (DL119); the rest was never touched."""
    first, second = refused(world, 2)
    replay = prepared(world, per_minute=2)
    world.transport.steps = [reply("transient-error")]
    world.store.release_replay(replay, actor="Bertta", reason="looked at")
    world.due()
    world.due()

    world.store.cancel_replay(replay, actor="Aino", reason="it fails again")
    world.transport.steps, world.transport.sent = [ok_reply], []
    world.clock.move(timedelta(hours=1))
    world.drain()

    taken_back = world.store.delivery(first.deliveries[0].id)
    assert sent(world) == []
    assert (taken_back.state, taken_back.reason) == (DeliveryState.PARKED, "DL119")
    assert world.state(second) is DeliveryState.REFUSED
    assert world.store.replay(replay).items == (("taken-back", "DL119", 1), ("waiting", None, 1))


def test_what_waits_for_a_wire_stops_within_a_second_of_the_cancellation(world: World) -> None:
    """Five were claimed, one goes each second: after the word at the second none goes, and three are back."""
    copies = [
        copy for number in range(1, 7) for copy in refused(world, 1, number=number, subject=f"{number:064x}")
    ]
    world.bounds = Bounds(per_minute=240)
    world.pace = replace(world.pace, each=1, ahead=16)
    replay = prepared(world, per_minute=240)
    world.store.release_replay(replay, actor="Bertta", reason="looked at")
    world.clock.move(MINUTE)

    def cancel_at_the_second(_: Outbound) -> None:
        world.clock.move(timedelta(seconds=1))
        if len(world.transport.sent) == 2:
            world.store.cancel_replay(replay, actor="Aino", reason="enough")

    world.transport.before = cancel_at_the_second
    world.drain()

    assert len(sent(world)) == 2
    assert Counter((world.state(each), reason_of(world, each)) for each in copies) == {
        (DeliveryState.ACKNOWLEDGED, None): 2,
        (DeliveryState.PARKED, "DL119"): 3,
        (DeliveryState.REFUSED, "DL121"): 1,
    }
    counted = (("queued", None, 2), ("taken-back", "DL119", 3), ("waiting", None, 1))
    assert world.store.replay(replay).items == counted


def test_what_fails_on_the_wire_after_the_cancellation_is_not_tried_again(world: World) -> None:
    """The copy was being sent at the word; its failure would have queued it, and no retry follows."""
    copy, _ = refused(world, 2)
    replay = prepared(world)
    world.transport.steps = [reply("transient-error")]
    world.transport.before = lambda _: world.store.cancel_replay(replay, actor="Aino", reason="enough")
    world.store.release_replay(replay, actor="Bertta", reason="looked at")
    world.due()
    world.transport.before = None
    world.clock.move(timedelta(hours=1))
    world.drain()

    assert (len(sent(world)), world.state(copy), reason_of(world, copy)) == (1, DeliveryState.PARKED, "DL119")


def test_a_copy_taken_back_can_be_sent_again(world: World) -> None:
    """Alone or in another replay: the cancelled one holds nothing back any more."""
    copy, _ = refused(world, 2)
    replay = prepared(world)
    world.transport.steps = [reply("transient-error")]
    world.store.release_replay(replay, actor="Bertta", reason="looked at")
    world.due()
    world.store.cancel_replay(replay, actor="Aino", reason="enough")
    world.transport.steps = [ok_reply]
    world.clock.move(MINUTE)
    world.store.resend(copy.deliveries[0].id, actor="Aino", reason="mended")
    world.drain()

    assert world.state(copy) is DeliveryState.ACKNOWLEDGED


def test_what_is_all_queued_can_be_cancelled_while_some_of_it_waits(world: World) -> None:
    """Done means queued: what has not left is parked; with nothing under way there is nothing to cancel."""
    copy, other = refused(world, 2)
    replay = prepared(world, per_minute=60)
    world.transport.steps = [reply("transient-error")]
    world.store.release_replay(replay, actor="Bertta", reason="looked at")
    for _ in range(4):
        world.clock.move(timedelta(seconds=1))
        world.due()
    assert world.store.replay(replay).state is ReplayState.DONE

    world.store.cancel_replay(replay, actor="Aino", reason="it fails again")
    world.transport.steps, world.transport.sent = [ok_reply], []
    world.clock.move(timedelta(hours=1))
    world.drain()

    assert sent(world) == []
    assert {world.state(copy), world.state(other)} == {DeliveryState.PARKED}
    assert world.store.replay(replay).state is ReplayState.CANCELLED
    with pytest.raises(Conflict, match="DL101"):
        world.store.cancel_replay(replay, actor="Aino", reason="again")


def test_what_is_done_and_gone_cannot_be_cancelled(world: World) -> None:
    """All of it was acknowledged: DL101, and the replay stays done."""
    refused(world, 2)
    replay = prepared(world, per_minute=60)
    world.store.release_replay(replay, actor="Bertta", reason="looked at")
    for _ in range(4):
        world.clock.move(timedelta(seconds=1))
        world.drain()

    with pytest.raises(Conflict, match="DL101"):
        world.store.cancel_replay(replay, actor="Aino", reason="too late")
    assert world.store.replay(replay).state is ReplayState.DONE


def test_what_has_arrived_is_not_taken_back(world: World) -> None:
    """Cancelling after a copy was acknowledged leaves it acknowledged."""
    first, _second = refused(world, 2)
    replay = prepared(world, per_minute=2)
    world.store.release_replay(replay, actor="Bertta", reason="looked at")
    world.drain()

    world.store.cancel_replay(replay, actor="Bertta", reason="enough")

    assert world.state(first) is DeliveryState.ACKNOWLEDGED


def test_a_resting_route_is_waited_for(world: World) -> None:
    """While a partner's route rests its copies wait in the replay, where they can be cancelled whole."""
    copies = refused(world, 2, CLINIC, OTHER_CLINIC)
    replay = prepared(world)
    world.store.release_replay(replay, actor="Bertta", reason="looked at")
    until = (world.clock.now() + timedelta(minutes=5)).isoformat(timespec="microseconds")
    raw_rows(
        world.folder,
        "UPDATE party SET paused_until = ?, pauses = 1 WHERE key = ?",
        until[:26] + "Z",
        CLINIC,
    )

    for _ in range(4):
        world.drain()
        world.clock.move(timedelta(seconds=1))

    states = {
        (one.recipient, world.store.delivery(one.id).state) for each in copies for one in each.deliveries
    }
    assert states == {(CLINIC, DeliveryState.REFUSED), (OTHER_CLINIC, DeliveryState.ACKNOWLEDGED)}
    assert world.store.replay(replay).state is ReplayState.RELEASED


def test_a_preview_of_yesterday_releases_nothing(world: World) -> None:
    """After a day DL151; the next look at the clock ends it as lapsed."""
    refused(world, 1)
    replay = prepared(world)
    world.clock.move(timedelta(hours=24))

    with pytest.raises(Conflict, match="DL151"):
        world.store.release_replay(replay, actor="Bertta", reason="late")
    world.due()

    assert world.store.replay(replay).state is ReplayState.LAPSED


def test_every_step_stands_in_the_audit(world: World) -> None:
    """Who prepared, who released, each copy with the replay it is part of, and the end."""
    [copy] = refused(world, 1)
    replay = prepared(world)
    world.store.release_replay(replay, actor="Bertta", reason="looked at")
    world.drain()

    steps = [(row.action, row.actor) for row in world.store.audit_rows(object=f"replay/{replay}")]
    resent = [
        (row.actor, dict(row.pairs)["replay"])
        for row in world.store.audit_rows(object=f"delivery/{copy.deliveries[0].id}")
        if row.action == "resend"
    ]
    assert steps == [("prepare-replay", "Aino"), ("release-replay", "Bertta"), ("finish-replay", "silta")]
    assert resent == [("Bertta", replay)]
    assert world.store.verify_audit() is None


def test_a_released_replay_goes_on_after_a_restart(world: World) -> None:
    """It stands in the store: another process takes it up where it was."""
    copies = refused(world, 2)
    replay = prepared(world, per_minute=60)
    world.store.release_replay(replay, actor="Bertta", reason="looked at")
    world.drain()
    rows = raw_rows(world.folder, "SELECT state FROM replay_item ORDER BY number")

    again = World(store=world.store, clock=world.clock, file=world.file)
    again.clock.move(timedelta(seconds=2))
    again.drain()

    assert rows == [("queued",), ("waiting",)]
    assert {again.state(each) for each in copies} == {DeliveryState.ACKNOWLEDGED}


def test_only_the_table_moves_a_replay(file_world: World) -> None:
    """A step that the table has not is refused with DL101 and changes nothing."""
    refused(file_world, 1)
    replay, store = prepared(file_world), file_world.store
    acts = {ReplayEvent.RELEASE: store.release_replay, ReplayEvent.CANCEL: store.cancel_replay}

    reached: dict[tuple[ReplayState, ReplayEvent], ReplayState] = {}
    for state in ReplayState:
        for event, act in acts.items():
            raw_rows(file_world.folder, "UPDATE replay SET state = ?, released_by = NULL", state.value)
            with suppress(Conflict):
                act(replay, actor="Bertta", reason="why")
                reached[state, event] = store.replay(replay).state

    # Nothing of this one is under way, which a replay that is done needs to be cancelled.
    guarded = (ReplayState.DONE, ReplayEvent.CANCEL)
    asked = {step: to for step, to in REPLAY_TRANSITIONS.items() if step[1] in acts and step != guarded}
    assert reached == asked


def test_the_pace_lets_a_second_of_delay_be_made_up_for_and_no_more() -> None:
    """Sixty a minute, a step each second: one each; after an hour's rest two, not 3,600."""
    late = NOON + timedelta(hours=1)

    assert after_next(NOON, NOON, 60) == NOON + timedelta(seconds=1)
    assert after_next(NOON, late, 60) == late


def test_a_preview_of_nothing_is_empty() -> None:
    """No copies: no times, no recipients."""
    assert preview_of([]).oldest is None
    assert (
        preview_of([Candidate(delivery="d", recipient=SUBJECT, created_at=NOON, denied=None)]).permitted == 1
    )
