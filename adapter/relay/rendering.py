"""A copy as one recipient would get it, for a person to look at: nothing is claimed, frozen or sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.errors import NotFound, NotPermitted
from adapter.fhir import json as fhir_json
from adapter.outcome import Issue
from adapter.relay import decision, form
from adapter.relay.consent import Deny
from adapter.relay.message import Kind

if TYPE_CHECKING:
    from datetime import datetime

    from adapter.relay.deployment import Relay
    from adapter.relay.store.values import Claimed

SHOWN: dict[str, form.Form | None] = {"fhir": "fhir", "cda": "cda", "v2": "hl7v2", "text": None}
"""What a person may ask for, and the form it is; None for text, which is the copy's own narrative."""
TEXT = "text/plain; charset=utf-8"


def delivery_to(message: str, recipient: str, relay: Relay) -> str:
    """Return the id of the newest delivery of a message to an organisation, by any of its keys.

    Raises NotFound ST121 if the message does not go there.
    """
    party = decision.ground_of(relay).directory.party(recipient)
    keys = party.keys if party is not None else (recipient,)
    found = [each for each in relay.store.deliveries(message) if each.recipient in keys]
    if not found:
        raise NotFound("ST121", params={"kind": "delivery"})
    return found[-1].id


def rendered(delivery: str, shown: form.Form | None, relay: Relay, at: datetime) -> tuple[bytes, str]:
    """Return what a delivery carries, as it was made or as it would be made now, and its media type.

    `shown`: None for its text alone.

    Raises NotPermitted with every reason if nothing may go, NotFound IN116 if the content is gone, and what
    `form.written` raises.
    """
    copy = _copy(relay.store.look(delivery), relay, at)
    if shown is None:
        return form.as_text(copy).encode("utf-8"), TEXT
    return form.written(copy, shown, relay.maps)


def _copy(claimed: Claimed, relay: Relay, at: datetime) -> dict[str, Any]:
    made = claimed.frozen
    if made is not None and made.media_type == form.MEDIA_TYPES["fhir"]:
        return _resource(made.body)
    if claimed.content is None:
        if claimed.kind is not Kind.DELIVERY_REPORT:
            raise NotFound("IN116")
        return decision.copy_of(None, claimed, None, relay, at)
    bundle = _resource(claimed.content)
    decided = decision.ask_again(bundle, claimed, relay, at, is_released=claimed.released)
    if isinstance(decided, Deny):
        issues = [Issue(reason) for reason in decided.reasons]
        raise NotPermitted(issues[0].code, issues=issues)
    return decision.copy_of(bundle, claimed, decided, relay, at)


def _resource(body: bytes) -> dict[str, Any]:
    read = fhir_json.read(body)
    return read if isinstance(read, dict) else {}
