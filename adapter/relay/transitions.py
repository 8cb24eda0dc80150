"""A table of states: the one way anything changes its state is by an event that the table has a step for."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from adapter.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


def advance(table: Mapping[tuple[State, Event], State], state: State, event: Event) -> State:
    """Return the state that `event` leads to from `state`.

    Raises Conflict (DL101) if the table has no such step.
    """
    try:
        return table[state, event]
    except KeyError:
        raise Conflict("DL101", params={"state": state.value, "event": event.value}) from None
