"""The tables of states: what leads where, and that nothing leads out of an end without a reason."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import Conflict
from adapter.relay.case import CASE_TRANSITIONS, CaseEvent, CaseState
from adapter.relay.message import (
    DELIVERY_TRANSITIONS,
    ENDED,
    LIVE,
    MESSAGE_TRANSITIONS,
    SUCCESS,
    DeliveryEvent,
    DeliveryState,
    MessageEvent,
    MessageState,
)
from adapter.relay.transitions import advance


@pytest.mark.parametrize("state", DeliveryState)
@pytest.mark.parametrize("event", DeliveryEvent)
def test_a_step_outside_the_table_is_a_conflict(state: DeliveryState, event: DeliveryEvent) -> None:
    """`advance` answers exactly as the table does, and refuses with DL101 where it is silent."""
    if (state, event) in DELIVERY_TRANSITIONS:
        assert advance(DELIVERY_TRANSITIONS, state, event) is DELIVERY_TRANSITIONS[state, event]
    else:
        with pytest.raises(Conflict, match="DL101"):
            advance(DELIVERY_TRANSITIONS, state, event)


@pytest.mark.parametrize("state", MessageState)
@pytest.mark.parametrize("event", MessageEvent)
def test_messages_follow_their_table(state: MessageState, event: MessageEvent) -> None:
    """`advance` answers as its table does."""
    if (state, event) in MESSAGE_TRANSITIONS:
        assert advance(MESSAGE_TRANSITIONS, state, event) is MESSAGE_TRANSITIONS[state, event]
    else:
        with pytest.raises(Conflict, match="DL101"):
            advance(MESSAGE_TRANSITIONS, state, event)


@pytest.mark.parametrize("state", CaseState)
@pytest.mark.parametrize("event", CaseEvent)
def test_cases_follow_their_table(state: CaseState, event: CaseEvent) -> None:
    """`advance` answers as its table does."""
    if (state, event) in CASE_TRANSITIONS:
        assert advance(CASE_TRANSITIONS, state, event) is CASE_TRANSITIONS[state, event]
    else:
        with pytest.raises(Conflict, match="DL101"):
            advance(CASE_TRANSITIONS, state, event)


def test_every_delivery_state_is_live_or_ended() -> None:
    """A delivery is either still the engine's matter or has come to an end; never both, never neither."""
    assert frozenset(DeliveryState) == LIVE | ENDED
    assert not LIVE & ENDED


def test_nothing_leads_out_of_success_or_closure() -> None:
    """What somebody has, and what was closed, stays so."""
    finished = SUCCESS | {DeliveryState.CLOSED}
    assert not [step for step in DELIVERY_TRANSITIONS if step[0] in finished]


def test_every_delivery_state_can_be_reached_from_the_queue() -> None:
    """No state is there that no road leads to."""
    reached = {DeliveryState.QUEUED}
    while more := {
        to for (state, _), to in DELIVERY_TRANSITIONS.items() if state in reached and to not in reached
    }:
        reached |= more
    assert reached == set(DeliveryState)


def test_every_live_state_can_come_to_success() -> None:
    """As long as a delivery is live it can still be acknowledged."""
    assert all((state, DeliveryEvent.OK) in DELIVERY_TRANSITIONS for state in LIVE)


@given(st.integers(0, 2**32))
def test_any_walk_through_the_table_ends_where_it_may(seed: int) -> None:
    """A walk of random permitted steps never leaves the table, and a finished one has no step left."""
    draw = random.Random(seed)  # noqa: S311 - a walk, no secret
    state = DeliveryState.QUEUED
    for _ in range(60):
        steps = [event for (at, event) in DELIVERY_TRANSITIONS if at is state]
        if not steps:
            break
        state = advance(DELIVERY_TRANSITIONS, state, draw.choice(steps))
    else:
        steps = [DeliveryEvent.CLAIMED]
    assert bool(steps) == (state not in SUCCESS | {DeliveryState.CLOSED} or steps == [DeliveryEvent.CLAIMED])
