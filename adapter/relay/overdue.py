"""Cases that nobody answers: a time for each, and a notice to the hospital when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhir import json as fhir_json
from adapter.relay import case, notification

if TYPE_CHECKING:
    from datetime import date, datetime

    from adapter.relay.deployment import Relay


def look(relay: Relay, now: datetime) -> int:
    """Give every new case its time, and tell the hospital of those whose time is over.

    Returns how many were told of; nobody is while a hold stands. The notice is a delivery report without
    clinical content, with a Task for whoever follows up.
    """
    if relay.store.hold() is not None:
        return 0
    for each in relay.store.untimed_cases():
        due = case.due(each.opened_at, _last_day(each.message, relay), relay.patience, relay.zone)
        relay.store.give_case_time(each.id, due)
    return sum(relay.store.tell_overdue(each.id, now) for each in relay.store.overdue_cases(now))


def _last_day(message: str, relay: Relay) -> date | None:
    """Return the last day of the sick leave that a message told of; None where none is known any more."""
    content = relay.store.content(message, "content")
    leave = notification.read(fhir_json.read(content)).sick_leave if content is not None else None
    return leave[1] if leave is not None else None
