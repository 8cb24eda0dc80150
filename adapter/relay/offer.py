"""Offers: what waits on the reply form, and the moment in which a person is shown it.

A receiver whose system takes no messages gets nothing sent. Its copy waits here, and what counts as its
arrival is that a named person of it has opened it. To show a copy is to disclose it, so everything that is
asked before a send is asked here, each time: whose it is, whether it still stands, what the consents say at
this moment. The audit row is on disk before the caller has the copy in its hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from adapter.errors import NotFound
from adapter.fhir import json as fhir_json
from adapter.relay import case, decision
from adapter.relay.attempt import MEDIA_TYPE
from adapter.relay.case import Patience
from adapter.relay.consent import Deny
from adapter.relay.custody import content_of, written_down
from adapter.relay.message import AuditRecord, DeliveryState, Kind, Level
from adapter.relay.protection import is_outdated
from adapter.relay.store.deliveries import RECALLED
from adapter.relay.store.offers import may_open
from adapter.relay.store.values import Frozen, Opening

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from adapter.relay.consent import Permit
    from adapter.relay.deployment import Partner, Relay
    from adapter.relay.store.values import Claimed, Offer

OPENED_WITHIN = Patience(reply_within=1)
"""Working days in which somebody is expected to open what waits: provider's staff looks every day."""
KEPT_IN_SIGHT = timedelta(days=60)
"""How long what came to its end is still listed."""
ASKS = 5
"""How often the decision is taken anew while consents keep changing under it."""


class Standing(StrEnum):
    """What an offer is to those who may open it."""

    WAITS = "waits"
    """Nobody has opened it."""
    OPENED = "opened"
    CANCELLED = "cancelled"
    """The sender took it back: nothing of it is shown any more."""
    REPLACED = "replaced"
    """There is a newer one."""
    EXPIRED = "expired"
    """Nobody opened it while it could be."""
    FORGOTTEN = "forgotten"
    """It was opened; its content is no longer kept here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A copy that a person may be shown now; that it is stands in the audit."""

    bundle: dict[str, Any] = field(repr=False)
    level: Level | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotShown:
    """Why nothing is shown."""

    reason: str
    """A code of the catalogue: RF1xx, or that of a denial."""


def open_by(queued_at: datetime, partner: Partner, zone: ZoneInfo) -> datetime:
    """Return the moment from which a copy that nobody has opened is overdue.

    The partner's own `acknowledge_within`, or the end of the next working day.
    """
    if partner.acknowledge_within is not None:
        return queued_at + partner.acknowledge_within
    return case.due(queued_at, None, OPENED_WITHIN, zone)


def keys_of(organisation: str, relay: Relay) -> tuple[str, ...]:
    """Return every key by which an organisation may be a recipient."""
    party = decision.ground_of(relay).directory.party(organisation)
    return tuple(dict.fromkeys((organisation, *(party.keys if party is not None else ()))))


def listed(organisation: str, relay: Relay, at: datetime) -> list[Offer]:
    """Return what an organisation is offered and has opened, newest first."""
    return relay.store.offers(keys_of(organisation, relay), since=at - KEPT_IN_SIGHT)


def find(delivery: str, organisation: str, relay: Relay) -> Offer:
    """Return one of an organisation's offers.

    Raises NotFound (ST121) alike for what never was and for what is somebody else's.
    """
    found = relay.store.offer(delivery, keys_of(organisation, relay))
    if found is None:
        raise NotFound("ST121", params={"kind": "delivery"})
    return found


def standing(offer: Offer) -> Standing:
    """Say what an offer is to those who may open it."""
    if offer.kind is Kind.NOTIFICATION and offer.superseded_by is not None:
        return Standing.CANCELLED if offer.is_taken_back else Standing.REPLACED
    if offer.reason == RECALLED:
        return Standing.CANCELLED
    if offer.state is DeliveryState.CLOSED:
        return Standing.EXPIRED
    if offer.is_forgotten:
        return Standing.FORGOTTEN
    return Standing.OPENED if offer.is_opened else Standing.WAITS


def reference(offer: Offer, relay: Relay) -> str:
    """Return a short name by which people know a notification again: of its id, which tells nobody anything.

    A correction and a cancellation have the name of what they are about.
    """
    given = decision.notification_id(offer.sender, offer.notification or offer.message, relay)
    return f"{given[:4]}-{given[4:8]}".upper()


def show(delivery: str, organisation: str, person: str, relay: Relay) -> Shown | NotShown:
    """Show a person of the recipient a copy: decide as of now, write it down, then return it.

    `person`: as the audit names them. Whoever was told of this copy before is decided on anew as well; a copy
    that was not opened and may not be any more goes back to where it is withheld and its sender told.

    Raises NotFound (ST121) for what never was and for what is somebody else's.
    """
    found = find(delivery, organisation, relay)
    if standing(found) not in (Standing.WAITS, Standing.OPENED) or not may_open(found.state, found.reason):
        return NotShown(reason="RF110")
    offered = relay.store.look(delivery)
    if offered.content is None:
        return NotShown(reason="RF110")
    seen = offered.consents_seen
    for _ in range(ASKS):
        at = relay.clock.now()
        bundle = fhir_json.read(offered.content)
        permit = decision.ask_again(bundle, offered, relay, at, is_released=offered.released)
        if isinstance(permit, Deny):
            return _refused(delivery, person, permit.reason, relay, at)
        level = permit.level if permit is not None else offered.level
        copy = _copy(bundle, offered, permit, level, relay, at)
        opening, seen = relay.store.open_offer(
            offered,
            person=person,
            copy=copy,
            basis=permit.reference if permit is not None else offered.basis,
            seen=seen,
            detail=(
                *written_down(relay.partners[offered.recipient].endpoint, level, permit),
                *decision.custody_of(bundle, offered, relay).pairs(),
            ),
        )
        if opening is Opening.SHOWN:
            return Shown(bundle=_resource(copy.body), level=level)
        if opening is not Opening.ASK_AGAIN:
            return NotShown(reason="RF111" if opening is Opening.HELD else "RF110")
    return NotShown(reason="RF112")


def _refused(delivery: str, person: str, reason: str, relay: Relay, at: datetime) -> NotShown:
    """Write down that somebody was not shown a copy; what nobody has opened is decided on anew."""
    refusal = AuditRecord(
        at=at, actor=person, action="open", object=f"delivery/{delivery}", outcome="denied", reason=reason
    )
    relay.store.audit([refusal])
    relay.store.take_back_offer(delivery, reason)
    return NotShown(reason=reason)


def _copy(
    bundle: Any,  # noqa: ANN401 - JSON
    offered: Claimed,
    permit: Permit | None,
    level: Level | None,
    relay: Relay,
    at: datetime,
) -> Frozen:
    """Return the copy that was shown before, if it is of the same level, else a new one."""
    if offered.frozen is not None and offered.frozen.level is level and not is_outdated(offered, relay):
        return offered.frozen
    made = decision.copy_of(bundle, offered, permit, relay, at)
    versions = decision.versions_of(bundle, offered, permit, relay, at)
    return Frozen(
        body=fhir_json.write(made),
        media_type=MEDIA_TYPE,
        level=level,
        content=content_of(made, versions),
    )


def _resource(body: bytes) -> dict[str, Any]:
    read = fhir_json.read(body)
    return read if isinstance(read, dict) else {}
