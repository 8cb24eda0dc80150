"""The network of a shared plan as a deployment: social services, hospital, Kela and whoever else.

Everybody in here is invented.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from adapter.relay import consent_filing, delivery, intake
from adapter.relay.message import Kind, Submission
from adapter.relay.source import Source
from adapter.shipped import folder
from tests.relay import site
from tests.relay.site import KASKELA, TUULILAHTI
from tests.relay.world import Wire

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.relay.deployment import Relay
    from adapter.relay.message import Answer
    from adapter.relay.store.values import DeliveryRow

VUORELA = "urn:uuid:313889e1-dd7a-57e7-81e8-4d02d39d839a"
KELA = "urn:uuid:fb966dd1-ceb1-5ac2-b08f-f3ead0508b5a"
TYOLLISYYS = "urn:uuid:e09a082a-b69d-5cf6-87ea-97f8ce1b9009"
NAMES = {
    VUORELA: "vuorela",
    KASKELA: "kaskela",
    TYOLLISYYS: "tyollisyys",
    TUULILAHTI: "tuulilahti",
    KELA: "kela",
}
TYPES = {"xml": "application/xml", "json": "application/json", "fhir": "application/fhir+json"}


def relay_in(place: Path, **more: Any) -> Relay:
    """Build the deployment of the demo with the whole network reachable and a wire that acknowledges."""
    sources = {
        f"{name}-{kind}": Source(name=f"{name}-{kind}", organisation=key, format=kind)  # type: ignore[arg-type]
        for key, name in NAMES.items()
        for kind in ("xml", "json")
    }
    parts: dict[str, Any] = {
        "sources": sources,
        "partners": {key: site.partner(key) for key in NAMES},
        "transport": Wire(),
    }
    return site.relay_in(place, **(parts | more))


def fixture(name: str) -> bytes:
    """The bytes of a plan or an assessment of the fixtures."""
    [found] = [
        each
        for kind in ("plan", "assessment")
        for each in (folder("fixtures") / kind).glob(f"{name}.*")
        if each.suffix != ".toml"
    ]
    return found.read_bytes()


def send(relay: Relay, sender: str, body: bytes, form: str = "xml", *changes: tuple[str, str]) -> Answer:
    """Submit as an organisation of the network, with some words of the body exchanged."""
    text = body.decode()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    source = "fhir" if form == "fhir" else f"{NAMES[sender]}-{form}"
    return intake.accept(
        Submission(
            sender=sender,
            source=source,
            body=text.encode(),
            media_type=TYPES[form],
            charset=None,
            received_at=relay.clock.now(),
        ),
        relay,
    )


def told(relay: Relay, answer: Answer) -> dict[str, DeliveryRow]:
    """The copies of a message by recipient."""
    assert answer.message is not None, answer.body
    rows = relay.store.deliveries(answer.message)
    return {
        NAMES.get(each.recipient, each.recipient): each
        for each in rows
        if each.kind is not Kind.DELIVERY_REPORT
    }


def fates(relay: Relay, answer: Answer) -> dict[str, str]:
    """What became of each recipient's copy: its level, or the reason why it is withheld."""
    rows = told(relay, answer)
    return {name: each.reason or (each.level.value if each.level else "?") for name, each in rows.items()}


def deliver(relay: Relay) -> None:
    """Send what is due until nothing is."""
    while asyncio.run(delivery.deliver_due(relay)):
        pass


def consent(relay: Relay, name: str, **changes: Any) -> None:
    """Import the consents of the demo anew, with something changed in one."""
    every = [each | (changes if each["id"] == name else {}) for each in site.demo_files("consents")]
    made = [consent_filing.new_consent(each, relay.store) for each in every]
    relay.store.import_consents(made, relay.clock.now())
