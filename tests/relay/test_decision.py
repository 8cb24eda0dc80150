"""The whole decision for one recipient, and what a claimed delivery sends. Everybody in here is invented."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import AmbiguousDelivery, DeliveryError, Malformed, TransientDelivery
from adapter.relay import consent_filing, decision, delivery, intake, notification
from adapter.relay.consent import Deny, Permit
from adapter.relay.directory import RecipientClass, Register
from adapter.relay.message import DeliveryState, Kind, Level, Meaning
from adapter.relay.routing import Evidence, Recipient, Rung
from adapter.relay.transport import Inbound
from tests.relay import site
from tests.relay.site import ASUND, KASKELA, MARCH, TUULILAHTI

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.relay.deployment import Relay


class Friendly:
    """A recipient that acknowledges everything in its reply, and keeps it."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.fails: DeliveryError | None = None

    async def send(self, request: Any) -> Inbound:
        if self.fails is not None:
            raise self.fails
        self.got.append(json.loads(request.body))
        header = {"response": {"identifier": request.headers["X-Request-Id"], "code": "ok"}}
        entry = [{"resource": {"resourceType": "MessageHeader", **header}}]
        body = json.dumps({"resourceType": "Bundle", "type": "message", "entry": entry}).encode()
        return Inbound(status=200, headers={"content-type": "application/fhir+json"}, body=body)


@pytest.fixture
def wire() -> Friendly:
    return Friendly()


@pytest.fixture
def relay(tmp_path: Path, wire: Friendly) -> Iterator[Relay]:
    """The demo deployment with recipients that answer."""
    made = site.relay_in(tmp_path, transport=wire)
    yield made
    made.store.close()


def deliver(relay: Relay) -> None:
    """Deliver what is due, twice, so that what the first round brings goes out too."""
    for _ in range(2):
        asyncio.run(delivery.deliver_due(relay))


def event_of(bundle: dict[str, Any]) -> str:
    """The event a recipient got."""
    return str(bundle["entry"][0]["resource"]["eventCoding"]["code"])


def test_each_recipient_gets_its_own_level(relay: Relay, wire: Friendly) -> None:
    """The clinical copy to one, the minimal one to another, as their consents say."""
    for name in ("back-surgery", "knee-arthroscopy-utf8"):
        intake.accept(site.case(name).submission, relay)

    deliver(relay)

    assert sorted(event_of(each) for each in wire.got) == [
        "care-episode-notification",
        "procedure-notification",
    ]


def test_a_cancellation_travels_to_whoever_got_the_notification(relay: Relay, wire: Friendly) -> None:
    """It carries the same notification id as the copy it takes back."""
    intake.accept(site.case("back-surgery").submission, relay)
    deliver(relay)
    intake.accept(site.case("back-surgery-cancelled").submission, relay)
    deliver(relay)

    ids = [each["entry"][1]["resource"]["identifier"] for each in wire.got]
    assert [event_of(each) for each in wire.got] == ["procedure-notification", "cancel"]
    assert ids[0] == ids[1]


def test_a_consent_withdrawn_before_the_send_withholds_the_copy(relay: Relay, wire: Friendly) -> None:
    """It is asked again when the delivery goes, not only when the message came."""
    answer = intake.accept(site.case("back-surgery").submission, relay)
    [given] = [each for each in site.demo_files("consents") if each["id"] == "l-2025-3381"]
    relay.store.put_consent(
        consent_filing.new_consent(given | {"status": "inactive"}, relay.store), actor="x", at=MARCH
    )

    deliver(relay)

    [row, told] = relay.store.deliveries(answer.message or "")
    assert (row.state, row.reason) == (DeliveryState.WITHHELD, "CO103")
    assert (told.kind, [event_of(each) for each in wire.got]) == (Kind.DELIVERY_REPORT, ["delivery-report"])


class Failing(Friendly):
    """A recipient that is busy `failures` times; `meanwhile` happens during each request of that number."""

    def __init__(self, failures: int, during: int = 0) -> None:
        super().__init__()
        self.failures, self.during = failures, during
        self.meanwhile = lambda: None

    async def send(self, request: Any) -> Inbound:
        answer = await super().send(request)
        if len(self.got) == self.during:
            self.meanwhile()
        return Inbound(status=503, headers={}, body=b"") if len(self.got) <= self.failures else answer


REVOKED: dict[str, tuple[int, int, int, int, str]] = {
    "H1 between intake and the first attempt": (0, 0, 0, 0, "withheld"),
    "H1 between attempts 3 and 4": (9, 3, 0, 3, "withheld"),
    "H1 during the request that arrives": (0, 0, 1, 1, "acknowledged"),
    "H1 during a request that fails": (9, 0, 1, 1, "withheld"),
}
"""By moment: how often the recipient is busy, attempts before the withdrawal, or the attempt it comes in;
then attempts and state in the end."""


@pytest.mark.parametrize(("busy", "after", "during", "attempts", "state"), REVOKED.values(), ids=REVOKED)
def test_h1_a_withdrawal_holds_from_the_next_claim_on(
    tmp_path: Path, busy: int, after: int, during: int, attempts: int, state: str
) -> None:
    """H1: nothing leaves after it; what was on the wire is on record with the version it went by."""
    wire = Failing(busy, during)
    relay = site.relay_in(tmp_path, transport=wire)
    answer = intake.accept(site.case("back-surgery").submission, relay)
    [given] = [each for each in site.demo_files("consents") if each["id"] == "l-2025-3381"]

    def withdraw() -> None:
        ended = consent_filing.new_consent(given | {"status": "inactive"}, relay.store)
        relay.store.put_consent(ended, actor="x", at=relay.clock.now())

    wire.meanwhile = withdraw
    for _ in range(after):
        asyncio.run(delivery.deliver_due(relay))
        relay.clock.move(timedelta(minutes=5))  # type: ignore[attr-defined]
    if not during:
        withdraw()
    for _ in range(4):
        asyncio.run(delivery.deliver_due(relay))
        relay.clock.move(timedelta(minutes=5))  # type: ignore[attr-defined]

    row = relay.store.deliveries(answer.message or "")[0]
    copies = [each for each in wire.got if event_of(each) == "procedure-notification"]
    told = relay.store.disclosures(subject=relay.store.message(answer.message or "").subject)
    relay.store.close()
    assert (len(copies), row.state.value) == (attempts, state)
    assert {each.basis for each in told} <= {"luovutuslupa:Consent/l-2025-3381#1"}
    assert (row.reason == "CO103", len(told)) == (state == "withheld", min(attempts, 1))


LABELLED: dict[str, tuple[DeliveryError | None, str, int]] = {
    "H3 before the first attempt": (None, "acknowledged", 1),
    "H3 after one that never left": (TransientDelivery("DL201"), "acknowledged", 1),
    "H3 after one that may have arrived": (AmbiguousDelivery("DL204"), "withheld", 0),
}


@pytest.mark.parametrize(("first", "state", "sent"), LABELLED.values(), ids=LABELLED)
def test_d12_h3_an_address_protected_since_it_was_queued_stays(
    tmp_path: Path, first: DeliveryError | None, state: str, sent: int
) -> None:
    """H3: what waits goes without it, under the label; bytes that hold it do not go again."""
    wire = Friendly()
    relay = site.relay_in(tmp_path, transport=wire)
    submission = site.case("back-surgery").submission
    answer = intake.accept(submission, relay)
    if first is not None:
        wire.fails = first
        asyncio.run(delivery.deliver_due(relay))
        wire.fails = None
    moved = submission.body.replace(b"ADT^A03", b"ADT^A31").replace(b"|OB2603", b"|XX2603")
    said = moved.replace(b"PD1||||||||||||N", b"PD1||||||||||||Y")
    intake.accept(replace(submission, body=said, received_at=relay.clock.now()), relay)
    relay.clock.move(timedelta(minutes=5))  # type: ignore[attr-defined]
    deliver(relay)

    row = relay.store.deliveries(answer.message or "")[0]
    relay.store.close()
    copies = [each for each in wire.got if event_of(each) == "procedure-notification"]
    written = json.dumps(copies, ensure_ascii=False)
    assert (row.state.value, len(copies)) == (state, sent)
    assert (row.reason == "DL125") is (state == "withheld")
    assert [each for each in ("Koivukuja", "040 000 0000", "99990") if each in written] == []
    assert written.count("TURVAKIELTO") == 2 * sent


def test_a_consent_that_comes_later_lets_the_copy_go(relay: Relay, wire: Friendly) -> None:
    """What was withheld for want of a consent goes on by itself."""
    answer = intake.accept(site.case("consent-withdrawn").submission, relay)
    subject = relay.store.message(answer.message or "").subject
    [stored] = relay.store.consents_for(subject or "")
    given = consent_filing.new_consent(stored.resource | {"status": "active"}, relay.store)
    relay.store.put_consent(given, actor="x", at=MARCH)

    deliver(relay)

    [row] = relay.store.deliveries(answer.message or "")
    assert (row.state, len(wire.got)) == (DeliveryState.ACKNOWLEDGED, 1)


FACTS = notification.read(json.loads(site.case("gallbladder").body))
RECIPIENT = Recipient(
    organisation=KASKELA,
    recipient_class=RecipientClass.OCCUPATIONAL_HEALTH,
    register=Register.HEALTH,
    evidence=Evidence(rung=Rung.NAMED, detail="x"),
)


def ask(relay: Relay, recipient: Recipient = RECIPIENT, **more: Any) -> Any:
    """Decide for one recipient of the FHIR notification."""
    return decision.ask(FACTS, Meaning.DONE, recipient, relay, sender=TUULILAHTI, at=MARCH, **more)


def test_the_partners_cap_lowers_the_level(tmp_path: Path) -> None:
    """A partner that may never get more than minimal does not."""
    relay = site.relay_in(tmp_path, partners={KASKELA: site.partner(KASKELA, Level.MINIMAL)})
    answer = ask(relay)
    relay.store.close()

    assert isinstance(answer, Permit)
    assert answer.level is Level.MINIMAL


def test_an_employer_is_denied_before_anything_is_asked(relay: Relay) -> None:
    """No agreement and no consent is looked at."""
    employer = replace(RECIPIENT, recipient_class=RecipientClass.EMPLOYER)

    assert ask(relay, employer) == Deny(reasons=("CO109",))


def test_h5_without_a_connection_nothing_goes(relay: Relay) -> None:
    """A recipient that configuration does not know is denied."""
    assert ask(relay, replace(RECIPIENT, organisation="urn:oid:1.2.246.99.1.2.3")) == Deny(reasons=("RT105",))


def test_h4_a_person_without_an_identity_code_gets_no_minimal_copy(tmp_path: Path) -> None:
    """Any other identifier names the unit that gave it."""
    relay = site.relay_in(tmp_path, partners={KASKELA: site.partner(KASKELA, Level.MINIMAL)})
    patient = replace(FACTS.patients[0], identity_code=None)
    facts = replace(FACTS, patients=(patient,))
    answer = decision.ask(facts, Meaning.DONE, RECIPIENT, relay, sender=TUULILAHTI, at=MARCH)
    relay.store.close()

    assert answer == Deny(reasons=("CO121",))


def test_a_release_opens_the_sensitive_list_and_nothing_else(relay: Relay) -> None:
    """Withheld until released; a consent that is missing stays missing."""
    answer = intake.accept(site.case("sensitive-procedure").submission, relay)
    bundle = json.loads(relay.store.content(answer.message or "") or b"")
    facts = notification.read(bundle)
    to_asund = replace(RECIPIENT, organisation=ASUND)

    answers = [
        decision.ask(facts, Meaning.DONE, to_asund, relay, sender=sender, at=MARCH, is_released=released)
        for sender in (relay.store.message(answer.message or "").sender,)
        for released in (False, True)
    ]

    assert [type(each) for each in answers] == [Deny, Permit]


def test_a_delivery_report_and_a_cancellation_ask_nothing(relay: Relay) -> None:
    """They disclose nothing new."""
    claimed: Any = type("Claimed", (), {"kind": Kind.CANCELLATION})()

    assert decision.ask_again({}, claimed, relay, MARCH) is None


def test_disclosures_say_to_whom_and_on_what_ground(relay: Relay, wire: Friendly) -> None:
    """What left stands there by person and by recipient; what was withheld does not."""
    answer = intake.accept(site.case("back-surgery").submission, relay)
    intake.accept(site.case("consent-withdrawn").submission, relay)
    deliver(relay)
    row = relay.store.message(answer.message or "")

    [told] = relay.store.disclosures(subject=row.subject)

    assert (told.recipient, told.level, told.basis) == (
        KASKELA,
        Level.CLINICAL,
        "luovutuslupa:Consent/l-2025-3381#1",
    )
    assert relay.store.disclosures(recipient=KASKELA, since=MARCH) == [told]
    assert relay.store.disclosures(recipient=KASKELA, since=MARCH + timedelta(days=1)) == []
    assert relay.store.disclosures(recipient=ASUND) == []


def test_a_consent_with_faults_is_not_taken(relay: Relay) -> None:
    """It is refused with all of them."""
    with pytest.raises(Malformed) as caught:
        consent_filing.new_consent({"resourceType": "Consent", "id": "x"}, relay.store)

    assert {"CO202", "CO203", "CO206", "CO208"} <= {issue.code for issue in caught.value.issues}


def test_the_notification_id_is_the_same_and_not_the_senders(relay: Relay) -> None:
    """A UUID made of a keyed hash: stable for one notification, another for the next."""
    made = [decision.notification_id(TUULILAHTI, key, relay) for key in ("a", "a", "b")]

    assert (made[0] == made[1], made[0] == made[2]) == (True, False)


def test_a_changed_directory_is_seen(relay: Relay) -> None:
    """What is kept of directory and agreements ends with their version."""
    before = decision.ground_of(relay)
    organisations = [each for each in site.demo_files("partners") if each.get("id") != "kaskela"]
    relay.store.import_directory(organisations, MARCH)

    assert (before.directory.party(KASKELA) is None, decision.ground_of(relay).directory.party(KASKELA)) == (
        False,
        None,
    )


def test_q3_what_was_captured_is_a_repeat_for_ever(relay: Relay, wire: Friendly) -> None:
    """Q3: its content long forgotten, the same bytes, new ids or other content under it send nothing more."""
    submission = site.case("back-surgery").submission
    first = intake.accept(submission, relay)
    deliver(relay)
    relay.clock.move(timedelta(days=400))  # type: ignore[attr-defined]
    assert relay.store.forget(relay.clock.now()) == 1

    renamed = submission.body.replace(b"OB260302-0001", b"OB260302-0999")
    changed = submission.body.replace(b"OB260302-0001", b"OB260302-0998").replace(b"|20260331", b"|20260401")
    again, other, clash = (
        intake.accept(replace(submission, body=body, received_at=relay.clock.now()), relay)
        for body in (submission.body, renamed, changed)
    )
    deliver(relay)

    assert (again.body, other.message, clash.status) == (first.body, first.message, 409)
    assert (len(relay.store.conflicts()), len(wire.got)) == (1, 1)


CHANGED = {
    "the person's own code": (b"170290-948C", b"120574-902Y"),
    "the code the person had before": (b"70233^^^OBERON^MR", b"120574-902Y^^^&1.2.246.21&ISO^NNFIN"),
}


@pytest.mark.parametrize(("old", "new"), CHANGED.values(), ids=CHANGED)
def test_h4_an_identity_changed_meanwhile_stops_what_is_queued(
    relay: Relay, wire: Friendly, old: bytes, new: bytes
) -> None:
    """A merge that comes after the message leaves it to a person."""
    answer = intake.accept(site.case("back-surgery").submission, relay)
    merge = site.case("merged-records").submission
    intake.accept(replace(merge, body=merge.body.replace(old, new)), relay)

    deliver(relay)

    row = relay.store.deliveries(answer.message or "")[0]
    assert (row.state, row.reason) == (DeliveryState.WITHHELD, "PN150")
