"""Acknowledgements that come by themselves. Everybody in here is invented."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import Malformed
from adapter.relay import acknowledgement, delivery, intake
from adapter.relay.message import DeliveryState
from adapter.relay.transport import Inbound
from tests.relay import site
from tests.relay.site import ASUND, KASKELA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.relay.deployment import Relay


class Silent:
    """A recipient that takes everything and says nothing."""

    def __init__(self) -> None:
        self.headers: list[str] = []

    async def send(self, request: Any) -> Inbound:
        self.headers.append(request.headers["X-Request-Id"])
        return Inbound(status=202, headers={}, body=b"")


@pytest.fixture
def wire() -> Silent:
    return Silent()


@pytest.fixture
def relay(tmp_path: Path, wire: Silent) -> Iterator[Relay]:
    """The demo deployment whose recipients acknowledge later."""
    partners = {key: site.partner(key, acknowledgement="later") for key in (KASKELA, ASUND)}
    made = site.relay_in(tmp_path, transport=wire, partners=partners)
    yield made
    made.store.close()


def response(identifier: str | None, code: str | None = "ok", *, outcome: bool = False) -> dict[str, Any]:
    """A response Bundle."""
    said = {name: value for name, value in (("identifier", identifier), ("code", code)) if value}
    if outcome:
        said["details"] = {"reference": "urn:outcome"}  # type: ignore[assignment]
    entries = [{"fullUrl": "urn:header", "resource": {"resourceType": "MessageHeader", "response": said}}]
    if outcome:
        issue = {"severity": "error", "code": "processing"}
        entries.append(
            {"fullUrl": "urn:outcome", "resource": {"resourceType": "OperationOutcome", "issue": [issue]}}
        )
    return {"resourceType": "Bundle", "type": "message", "entry": entries}


def sent(relay: Relay, wire: Silent) -> tuple[str, str]:
    """Send one notification: id of its delivery, and of the header it went out with."""
    answer = intake.accept(site.case("back-surgery").submission, relay)
    asyncio.run(delivery.deliver_due(relay))
    [row] = relay.store.deliveries(answer.message or "")
    return row.id, wire.headers[0]


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("ok", DeliveryState.ACKNOWLEDGED),
        ("fatal-error", DeliveryState.REFUSED),
        ("transient-error", DeliveryState.QUEUED),
    ],
)
def test_an_acknowledgement_settles_its_delivery(
    relay: Relay, wire: Silent, code: str, state: DeliveryState
) -> None:
    """Found by the id of the header we sent."""
    name, header = sent(relay, wire)

    answer = acknowledgement.settle(response(header, code, outcome=code != "ok"), relay, KASKELA)

    assert (answer.status, relay.store.delivery(name).state, site.codes(answer.body)) == (
        200,
        state,
        ["PN501"],
    )


def test_an_identifier_written_as_a_urn_is_found_too(relay: Relay, wire: Silent) -> None:
    """`urn:uuid:` before the id is the same id."""
    name, header = sent(relay, wire)

    acknowledgement.settle(response(f"urn:uuid:{header}"), relay, KASKELA)

    assert relay.store.delivery(name).state is DeliveryState.ACKNOWLEDGED


def test_nobody_settles_the_delivery_of_another(relay: Relay, wire: Silent) -> None:
    """Another organisation's acknowledgement of it is one of something unknown."""
    name, header = sent(relay, wire)

    answer = acknowledgement.settle(response(header), relay, ASUND)

    assert (relay.store.delivery(name).state, site.codes(answer.body)) == (DeliveryState.AWAITING, ["PN505"])


def test_an_acknowledgement_of_something_unknown_is_kept(relay: Relay) -> None:
    """It may have overtaken what it answers."""
    answer = acknowledgement.settle(response("nobody-knows"), relay, KASKELA)

    assert (answer.status, site.codes(answer.body), len(relay.store.acknowledgements())) == (
        200,
        ["PN505"],
        1,
    )


def test_the_first_of_two_counts(relay: Relay, wire: Silent) -> None:
    """A repeat is one, a contradiction is noticed, and neither changes anything."""
    name, header = sent(relay, wire)
    acknowledgement.settle(response(header), relay, KASKELA)

    again = acknowledgement.settle(response(header), relay, KASKELA)
    other = acknowledgement.settle(response(header, "fatal-error", outcome=True), relay, KASKELA)

    assert (site.codes(again.body), site.codes(other.body), relay.store.delivery(name).state) == (
        ["PN502"],
        ["PN504"],
        DeliveryState.ACKNOWLEDGED,
    )


FAULTY = {
    "no identifier": (response(None), ["PN511"]),
    "no code": (response("x", None), ["PN512", "PN513"]),
    "a code of its own": (response("x", "fine", outcome=True), ["PN512"]),
    "an error without its outcome": (response("x", "fatal-error"), ["PN513"]),
    "nothing of it": (response(None, None), ["PN511", "PN512", "PN513"]),
}


@pytest.mark.parametrize(("bundle", "codes"), FAULTY.values(), ids=FAULTY)
def test_an_acknowledgement_that_says_nothing_is_refused(
    relay: Relay, bundle: dict[str, Any], codes: list[str]
) -> None:
    """422 with every fault, and nothing is settled."""
    answer = acknowledgement.settle(bundle, relay, KASKELA)

    assert (answer.status, site.codes(answer.body)) == (422, codes)


def test_reading_raises_all_faults_together() -> None:
    """One exception that carries each of them."""
    with pytest.raises(Malformed) as caught:
        acknowledgement.read(response(None, None))

    assert [issue.code for issue in caught.value.issues] == ["PN511", "PN512", "PN513"]


@pytest.mark.parametrize(
    ("resource", "is_one"),
    [
        (response("x"), True),
        ({"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "MessageHeader"}}]}, False),
        ({"resourceType": "Bundle", "entry": 7}, False),
        ({"resourceType": "OperationOutcome"}, False),
    ],
)
def test_an_acknowledgement_is_known_by_its_response(resource: dict[str, Any], is_one: bool) -> None:
    """A message whose header answers another one."""
    assert acknowledgement.is_one(resource) is is_one


def test_a_partner_may_acknowledge_in_its_reply(tmp_path: Path, wire: Silent) -> None:
    """The reply itself settles where that is agreed; nothing waits."""
    partners = {KASKELA: replace(site.partner(KASKELA), acknowledgement="none")}
    relay = site.relay_in(tmp_path, transport=wire, partners=partners)
    name, _ = sent(relay, wire)
    state = relay.store.delivery(name).state
    relay.store.close()

    assert state is DeliveryState.DELIVERED
