"""Consents that come with a message: CON of HL7 v2, the field `consent` of a JSON event.

Everybody in here is invented.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapter.relay import consent_filing, delivery, intake
from adapter.relay.consent_record import Verdict
from adapter.relay.deployment import Organisation
from adapter.relay.message import DeliveryState, Submission
from adapter.relay.source import Source
from adapter.relay.transport import Inbound
from tests.relay import site
from tests.relay.site import HAVUNIEMI, KASKELA, MARCH, PIHLAJA, TUULILAHTI

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.relay.deployment import Relay
    from adapter.relay.message import Answer

PERMIT = "CON|1|luovutuslupa^^99SILTA||L-2025-3381^OBERON||||||V|A||20250814"
MAP = {"hl7v2": "consents-from-v2", "json": "consents-from-json"}


class Silent:
    """A recipient that is busy."""

    async def send(self, request: Any) -> Inbound:
        return Inbound(status=503, headers={}, body=b"")


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    made = site.relay_in(tmp_path, transport=Silent())
    trusted = {name: replace(each, consents=MAP.get(each.format)) for name, each in made.sources.items()} | {
        "kaskela-json": Source(
            name="kaskela-json", organisation=KASKELA, format="json", consents="consents-from-json"
        )
    }
    known = {**made.organisations, KASKELA: Organisation(key=KASKELA, name="kaskela")}
    made = replace(made, sources=trusted, organisations=known)
    made.store.import_consents([], MARCH)  # nothing is permitted but by what the messages bring
    yield made
    made.store.close()


def surgery(con: str = PERMIT, **other: str) -> bytes:
    """The back surgery with other CON segments; `other` replaces words of it."""
    body = site.case("back-surgery").body.decode("latin-1").replace(PERMIT, con.replace("\n", "\r"))
    for old, new in other.items():
        assert old in body
        body = body.replace(old, new)
    return body.encode("latin-1")


def send(relay: Relay, body: bytes) -> Answer:
    return intake.accept(site.submission_of(body, "application/hl7-v2", TUULILAHTI), relay)


def event(consent: list[dict[str, Any]], **other: Any) -> bytes:
    """The hand operation with consents of its own."""
    said = json.loads(site.case("carpal-tunnel").body)
    return json.dumps({**said, "consent": consent, **other}, ensure_ascii=False).encode()


def tell(relay: Relay, body: bytes) -> Answer:
    return intake.accept(site.submission_of(body, "application/json", HAVUNIEMI), relay)


def states(relay: Relay, answer: Answer) -> list[tuple[str, str | None]]:
    return [(each.state.value, each.reason) for each in relay.store.deliveries(answer.message or "")]


GIVEN: dict[str, Any] = {
    "id": {"system": "https://silta.example/fhir/sid/consent", "value": "H-2026-0900"},
    "decision": "permit",
    "basis": "explicit-consent",
    "givenOn": "2026-03-05",
    "form": "written",
    "level": "clinical",
    "purpose": ["TREAT"],
    "recipient": [
        {"id": {"system": "urn:ietf:rfc:3986", "value": PIHLAJA}, "name": "Työterveys Pihlajamäki"}
    ],
}


def test_a_permit_in_con_lets_its_own_message_go(relay: Relay) -> None:
    """It is in force before the recipients are decided for, and filed by the hospital that sent it."""
    answer = send(relay, surgery())

    [filed] = relay.store.consents()
    assert states(relay, answer) == [("queued", None)]
    assert "CO217" in site.codes(answer.body)
    assert (filed.filer, filed.resource["dateTime"]) == (TUULILAHTI, "2025-08-14")


def test_a_source_that_may_not_files_nothing(relay: Relay) -> None:
    """The same message of a source without a map of consents is withheld, as nothing permits it."""
    sources = {name: replace(each, consents=None) for name, each in relay.sources.items()}
    answer = send(replace(relay, sources=sources), surgery())

    assert states(relay, answer) == [("withheld", "CO101")]
    assert relay.store.consents() == []


@pytest.mark.parametrize(
    ("con", "code"),
    [
        pytest.param(PERMIT.replace("|A|", "|L|"), "CO218", id="limited"),
        pytest.param(PERMIT.replace("||||||V|A", "|||||only the ward|V|A"), "CO218", id="limited in words"),
        pytest.param(PERMIT + "|||N", "CO218", id="not competent"),
        pytest.param(PERMIT + "|" * 12 + "7", "CO218", id="by an ethics committee"),
        pytest.param(PERMIT.replace("luovutuslupa", "referral-consent"), "CO219", id="no recipient"),
        pytest.param(PERMIT.replace("L-2025-3381^OBERON", ""), "CO220", id="no number"),
        pytest.param(PERMIT.replace("luovutuslupa^^99SILTA", "001^^HL70496"), "CO220", id="no ground"),
        pytest.param(PERMIT.replace("20250814", ""), "CO220", id="no day"),
        pytest.param(f"{PERMIT}\nOBX|90|CE|consent-level^^99SILTA|1|^kliininen", "CO220", id="no level"),
        pytest.param(PERMIT.replace("|A|", "|P|"), "CO221", id="asked for"),
        pytest.param(PERMIT.replace("|A|", "|Z|"), "CO221", id="no status of the table"),
        pytest.param(PERMIT.replace("|A|", "|B|"), "CO221", id="not sought"),
        pytest.param(PERMIT.replace("|A|", "|R|"), "CO217", id="refused"),
        pytest.param(PERMIT.replace("|A|", "|X|"), "CO223", id="rescinded"),
    ],
)
def test_what_con_cannot_say_permits_nothing_and_is_told(relay: Relay, con: str, code: str) -> None:
    """Nothing goes, and the sender is told why by a finding at the segment."""
    answer = send(relay, surgery(con))

    [(state, _)] = states(relay, answer)
    assert (state, [each for each in site.codes(answer.body) if each.startswith("CO2")]) == (
        "withheld",
        [code],
    )


def test_a_consent_to_treatment_is_none_to_a_disclosure(relay: Relay) -> None:
    """CON of another type is not read, neither as a permit nor as a denial."""
    answer = send(relay, surgery(f"{PERMIT}\nCON|2|002^^HL70496||OP-1||||||W|R||20260302"))

    assert states(relay, answer) == [("queued", None)]
    assert len(relay.store.consents()) == 1


def test_a_permit_in_con_names_recipient_and_level_beside_it(relay: Relay) -> None:
    """OBX of 99SILTA with the number of the segment: the recipient may have the level that is named."""
    asked = (
        "CON|1|referral-consent^^99SILTA||R-7^OBERON||||||V|A||20260302\n"
        "OBX|90|XON|consent-recipient^^99SILTA|1|Kaskela^^^^^&urn:ietf:rfc:3986&URI^XX^^^"
        f"{KASKELA}||||||F\nOBX|91|CE|consent-level^^99SILTA|1|clinical^^99SILTA||||||F"
    )
    answer = send(relay, surgery(asked))

    [filed] = relay.store.consents()
    provision = filed.resource["provision"]
    assert provision["actor"][0]["reference"]["identifier"]["value"] == KASKELA
    assert provision["extension"][0]["valueCode"] == "clinical"
    assert states(relay, answer) == [("queued", None)]


def test_a_withdrawal_in_con_stops_what_is_being_retried(relay: Relay) -> None:
    """The first attempt failed; the hospital's next message about the person takes the permit back."""
    answer = send(relay, surgery())
    asyncio.run(delivery.deliver_due(relay))
    later = surgery(PERMIT.replace("|A|", "|X|"), **{"ADT^A03|OB260302-0001": "ADT^A31|OB260302-0002"})
    withdrawn = send(relay, later)
    relay.clock.move(timedelta(minutes=10))  # type: ignore[attr-defined]
    asyncio.run(delivery.deliver_due(relay))

    assert withdrawn.status == 200
    assert states(relay, answer)[0] == (DeliveryState.WITHHELD.value, "CO103")


def test_a_withdrawal_by_occupational_health_stops_what_is_queued(relay: Relay) -> None:
    """It has filed no such permit: what it is told is kept as a denial, and a denial wins."""
    answer = tell(relay, event([GIVEN]))
    withdrawn = {"id": {"value": "our-1"}, "decision": "withdrawn", "givenOn": "2026-03-06"}
    changed = event([withdrawn], kind="person-changed", eventId="K-1", notificationId="K-1")
    intake.accept(
        Submission(
            sender=KASKELA,
            source="kaskela-json",
            body=changed,
            media_type="application/json",
            charset=None,
            received_at=MARCH,
        ),
        relay,
    )
    asyncio.run(delivery.deliver_due(relay))

    assert states(relay, answer)[0] == (DeliveryState.WITHHELD.value, "CO102")


def test_a_permit_of_a_json_event_lets_it_go(relay: Relay) -> None:
    """Recipient, level, purpose and day as the field says them."""
    answer = tell(relay, event([GIVEN]))

    assert states(relay, answer) == [("queued", None)]
    assert site.codes(answer.body).count("CO217") == 1


def test_a_message_brings_back_nothing_that_was_taken_back(relay: Relay) -> None:
    """An operator withdrew it; the feed that still says otherwise is told, and nothing goes."""
    send(relay, surgery())
    [filed] = relay.store.consents()
    consent_filing.withdraw(filed.id, relay, actor="operator", reason="by phone")
    again = surgery(**{"ADT^A03|OB260302-0001": "ADT^A08|OB260302-0003"})
    answer = send(relay, again)

    assert "CO222" in site.codes(answer.body)
    assert {state for state, _ in states(relay, answer)} == {"withheld"}


def test_a_denial_holds_even_if_its_message_is_not_valid(relay: Relay) -> None:
    """The message is refused with 422; the denial in it is filed, a permit in it is not."""
    denial = PERMIT.replace("|A|", "|R|").replace("L-2025-3381", "K-1")
    broken = surgery(f"{PERMIT}\n{denial.replace('CON|1', 'CON|2')}", F="X", **{"19740512": "19740513"})
    answer = send(relay, broken)

    [filed] = relay.store.consents()
    assert (answer.status, filed.resource["provision"]["type"]) == (422, Verdict.DENY.value)


def test_a_denial_in_a_conflicting_message_holds(relay: Relay) -> None:
    """Other content under a known id is 409; what the patient has denied in it counts all the same."""
    answer = tell(relay, event([GIVEN]))
    denied = {**GIVEN, "decision": "deny", "id": {"value": "K-2"}}
    conflict = tell(relay, event([denied], eventId="HA-2026-0999"))
    asyncio.run(delivery.deliver_due(relay))

    assert (conflict.status, states(relay, answer)[0]) == (409, ("withheld", "CO102"))


def test_the_same_message_with_another_consent_is_no_repeat(relay: Relay) -> None:
    """A repeat is answered as the first time only if its consents are the same."""
    first = tell(relay, event([GIVEN]))

    assert tell(relay, event([GIVEN], sentAt="2026-03-05T15:21:00+02:00")).message == first.message
    assert tell(relay, event([{**GIVEN, "until": "2026-03-06"}])).status == 409
