"""Resending many: a replay is prepared with its preview, and led on copy by copy once it was released.

Consent is asked three times: for the preview, before a copy is queued again, and before it is sent, as for
any other copy.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import orjson

from adapter.errors import Conflict
from adapter.fhir import json as fhir_json
from adapter.relay import decision
from adapter.relay.consent import Deny
from adapter.relay.message import TO_THE_SENDER
from adapter.relay.replay import Candidate, ItemState, ReplayState, preview_of
from adapter.relay.store.values import ReplayRow

if TYPE_CHECKING:
    from datetime import datetime

    from adapter.relay.decisions import Decisions
    from adapter.relay.deployment import Relay
    from adapter.relay.replay import Preview, Wanted
    from adapter.relay.store.values import Claimed


def prepare(
    wanted: Wanted,
    relay: Relay,
    *,
    actor: str,
    reason: str,
    most: int | None = None,
    per_minute: int | None = None,
    decisions: Decisions | None = None,
) -> tuple[str, Preview]:
    """Keep a replay of the oldest copies that are asked for; return its id and what is to be expected of it.

    `most`, `per_minute`: less than the deployment's bounds; more of either counts as those.
    Raises Conflict (DL150) if no copy matches.
    """
    matches = relay.store.replay_matches(wanted)
    bounds = relay.bounds
    held = matches[: min(most or bounds.most, bounds.most)]
    if not held:
        raise Conflict("DL150")
    now = relay.clock.now()
    preview = preview_of(
        [_candidate(row.id, relay, now, decisions) for row in held], left_out=len(matches) - len(held)
    )
    row = ReplayRow(
        id=relay.ids.new(),
        wanted=_json({key: value for key, value in asdict(wanted).items() if value is not None}),
        preview=_json(asdict(preview)),
        reason=reason,
        per_minute=min(per_minute or bounds.per_minute, bounds.per_minute),
        prepared_by=actor,
        prepared_at=now,
    )
    relay.store.add_replay(row, [each.id for each in held])
    return row.id, preview


def preview_now(replay: str, relay: Relay, decisions: Decisions | None = None) -> Preview | None:
    """Return what is to be expected of a prepared replay as of now; None once it was released or ended."""
    if relay.store.replay(replay).state is not ReplayState.PREPARED:
        return None
    now = relay.clock.now()
    waiting = [delivery for delivery, state in relay.store.replay_items(replay) if state is ItemState.WAITING]
    return preview_of([_candidate(delivery, relay, now, decisions) for delivery in waiting])


def denial(claimed: Claimed, relay: Relay, at: datetime, decisions: Decisions | None = None) -> str | None:
    """Return why a copy would not be sent now, as a code; None if it would.

    What discloses nothing new (a cancellation, a delivery report) is not asked about.
    """
    if claimed.kind in TO_THE_SENDER:
        return None
    if claimed.content is None:
        return "ST123"
    bundle = fhir_json.read(claimed.content)
    if not isinstance(bundle, dict):
        return "DL117"
    answer = (decisions or decision).ask_again(bundle, claimed, relay, at, is_released=claimed.released)
    return answer.reason if isinstance(answer, Deny) else None


def _candidate(delivery: str, relay: Relay, now: datetime, decisions: Decisions | None) -> Candidate:
    row = relay.store.delivery(delivery)
    return Candidate(
        delivery=row.id,
        recipient=row.recipient,
        created_at=row.created_at,
        denied=denial(relay.store.look(row.id), relay, now, decisions),
    )


def _json(value: dict[str, object]) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
