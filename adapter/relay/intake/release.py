"""A person releases: a copy that waited for somebody to look goes on, if nothing else forbids it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter import fhir
from adapter.errors import Conflict, NotPermitted
from adapter.outcome import Issue
from adapter.relay import answer, decision
from adapter.relay.attempt import may_rebuild, may_reuse
from adapter.relay.consent import Deny
from adapter.relay.message import DeliveryState, Fate, Kind

if TYPE_CHECKING:
    from adapter.relay.deployment import Relay


def release(delivery: str, relay: Relay, *, actor: str, reason: str) -> Fate:
    """Queue a withheld copy that a person has looked at: sensitive content, an identity that changed.

    Everything else is decided as for any other copy, so that nobody releases what the patient or the law
    keeps back. It is asked again before the send.

    Raises NotFound if there is no such delivery, Conflict: RT113 if it is not withheld, DL115 if another copy
    may have arrived already; NotPermitted (RT114) with every reason that a person cannot lift.
    """
    row = relay.store.delivery(delivery)
    if row.state is not DeliveryState.WITHHELD or row.kind is not Kind.NOTIFICATION:
        raise Conflict("RT113", params={"state": row.state.value})
    body = relay.store.content(row.message)
    if body is None:
        raise Conflict("RT112", params={"state": "forgotten"})
    at = relay.clock.now()
    # What has been looked at is looked at: only what changes after this moment stops it again.
    claimed = replace(relay.store.look(delivery), queued_at=at)
    decided = decision.ask_again(fhir.decode(body, answer.FHIR_JSON), claimed, relay, at, is_released=True)
    if decided is None or isinstance(decided, Deny):
        reasons = decided.reasons if decided is not None else ()
        raise NotPermitted("RT114", issues=[Issue("RT114"), *(Issue(code) for code in reasons)])
    if not (may_rebuild(claimed) or may_reuse(claimed, decided.level)):
        raise Conflict("DL115")
    state = relay.store.release(
        delivery, level=decided.level, basis=decided.reference, actor=actor, reason=reason
    )
    return Fate(recipient=row.recipient, state=state, level=decided.level)
