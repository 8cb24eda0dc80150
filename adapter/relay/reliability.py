"""Reliability profiles: how a partner and we make sure of each other's messages. Agreed with each partner.

`r4` is FHIR R4 messaging as it stands. `medcom` is MedCom's reliable messaging (MedCom FHIR Communication)
and its EHMI envelope: a resend is the same message in a new envelope. `webhook` is a plain HTTP receiver
after Standard Webhooks: it checks a signature, and its 2xx is all there will be.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from adapter.relay import duplicates

if TYPE_CHECKING:
    from adapter.relay.duplicates import Cases

ProfileName = Literal["r4", "medcom", "webhook"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """What a profile asks for."""

    cases: Cases
    """What ids that came before make of a message from the partner."""
    acknowledges: bool
    """False if no acknowledgement is to be waited for: what it took with 2xx is delivered."""
    acknowledge_within: timedelta = timedelta(minutes=15)
    """How long it has, unless agreed otherwise."""
    resends: int = 2
    """How often an unacknowledged copy goes again by itself."""
    renews_envelope: bool = False
    """True if what it took once goes again in a new envelope: other `Bundle.id` and time, same message."""
    checks_repeats: bool = True
    """True if it knows a repeat by its ids, so that one more copy does no harm."""


PROFILES: dict[ProfileName, Reliability] = {
    "r4": Reliability(cases=duplicates.R4, acknowledges=True),
    "medcom": Reliability(cases=duplicates.MEDCOM, acknowledges=True, renews_envelope=True),
    "webhook": Reliability(cases=duplicates.R4, acknowledges=False, checks_repeats=False),
}
