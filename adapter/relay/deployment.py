"""One deployment of the relay: its organisations, sources, partners and the parts it works with."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from adapter.relay.case import Patience
from adapter.relay.message import Level, Mode
from adapter.relay.reliability import PROFILES
from adapter.relay.replay import Bounds
from adapter.relay.source import HELSINKI

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from adapter.mapping import MapSet
    from adapter.outcome import Language
    from adapter.relay.clock import Clock, Ids
    from adapter.relay.disclosure_rules import Rules
    from adapter.relay.event import EventTable
    from adapter.relay.form import Form
    from adapter.relay.intake.reader import Reading
    from adapter.relay.reliability import ProfileName, Reliability
    from adapter.relay.retry import RetrySchedule
    from adapter.relay.source import Source
    from adapter.relay.store import Store
    from adapter.relay.transport import Transport
    from adapter.validation import Validator

Acknowledgement = Literal["reply", "later", "none"]
Resend = Literal["automatic", "manual"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """An organisation that may call: a tenant."""

    key: str
    """The one way it is named inside, `directory.key_of`."""
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """An organisation that receives, and how."""

    organisation: str
    """Key of the organisation."""
    endpoint: str
    """Base address of its `$process-message`; changed by configuration only, never by a message.

    Of one whose people read here: the address of the reply form.
    """
    mode: Mode
    """Must be the deployment's own."""
    profile: ProfileName = "r4"
    """How it and we make sure of each other's messages."""
    form: Form = "fhir"
    """What its copies are written as."""
    level: Level = Level.MINIMAL
    """The most it may ever get."""
    acknowledgement: Acknowledgement = "reply"
    """Whether `MessageHeader.response` comes in the HTTP reply, in a message of its own, or never."""
    token: str | None = field(default=None, repr=False)
    """Bearer token we show it."""
    language: Language = "fi"
    """Language of the narrative it gets."""
    acknowledge_within: timedelta | None = None
    """After this without an acknowledgement the delivery is overdue; None takes the profile's."""
    resend: Resend = "automatic"
    """Whether a copy without acknowledgement goes again by itself, or waits for a person."""
    is_asynchronous: bool = False
    """True if it is to answer with a message of its own: `$process-message?async=true`."""
    signing_keys: tuple[bytes, ...] = field(default=(), repr=False)
    """Keys that requests to a webhook are signed with, the newest first."""
    reads_here: bool = False
    """True if it has no system that takes copies: its people open and answer them on the reply form."""

    @property
    def reliability(self) -> Reliability:
        """What its profile asks for."""
        return PROFILES[self.profile]

    @property
    def takes_messages(self) -> bool:
        """True if it has a `$process-message` of its own."""
        speaks_fhir = self.form == "fhir" and self.profile != "webhook"
        return speaks_fhir and self.endpoint.startswith("http") and not self.reads_here

    @property
    def acknowledges(self) -> bool:
        """True if an acknowledgement is waited for."""
        return self.acknowledgement != "none" and self.reliability.acknowledges

    @property
    def resends(self) -> int:
        """How often a copy goes again by itself for want of an acknowledgement."""
        return self.reliability.resends if self.resend == "automatic" else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """Everything the verbs `accept`, `deliver_due` and `settle` work with; built in `config` alone.

    Directory, agreements and consents are not here: decisions read them from the store, where they are
    versioned.
    """

    mode: Mode
    address: str
    """Base address under which this adapter is reached: the source endpoint of every copy."""
    name: str = "Silta"
    """`MessageHeader.source.name` of every copy."""
    store: Store
    maps: MapSet
    validator: Validator
    readers: Reading | None = None
    """What reads originals, where that is not this process."""
    events: EventTable
    """What each trigger of a v2 source means: `mappings/v2-events.csv` with the deployment's own rows."""
    rules: Rules
    """Which event may go out on which basis, as the deployer's lawyer signed it."""
    organisations: Mapping[str, Organisation]
    """By key."""
    sources: Mapping[str, Source]
    """By name."""
    partners: Mapping[str, Partner]
    """By organisation key."""
    clock: Clock
    ids: Ids
    transport: Transport
    schedule: RetrySchedule
    time_to_live: timedelta
    """A copy that has not arrived after this is closed as expired."""
    remembers: timedelta = timedelta(days=90)
    """For how long, at least, a repeat gets its first answer: ids and answers outlive any content."""
    oldest: timedelta | None = None
    """A message that was sent longer ago is not taken; None takes any."""
    patience: Patience = field(default_factory=Patience)
    """How long occupational health may take to answer."""
    bounds: Bounds = field(default_factory=Bounds)
    """How much may be sent again together."""
    zone: ZoneInfo = HELSINKI
    is_polling: bool = False
    """True if another server's directory is kept beside the files."""
    is_shadow: bool = False
    """True if nothing is sent: each copy is decided on, built, and closed as one that would have gone."""
    random: random.Random = field(default_factory=random.Random)
    """Jitter of the retries; seeded in simulations."""
