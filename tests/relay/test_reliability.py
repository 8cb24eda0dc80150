"""How copies go by each reliability profile, and what a category allows. All of it is invented."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import AmbiguousDelivery
from adapter.relay import category, delivery, webhook
from adapter.relay.consent import Deny
from adapter.relay.directory import RecipientClass, Register
from adapter.relay.intake.decided import delivery_of
from adapter.relay.message import DeliveryState
from adapter.relay.routing import Evidence, Recipient, Rung
from tests.relay import site
from tests.relay.receiver import answer, read_request
from tests.relay.world import CLINIC, partner, reply, status

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.relay.transport import Outbound
    from tests.relay.world import World

S = DeliveryState
MINUTE = timedelta(minutes=1)
KEYS = (b"n" * 32, b"o" * 24)
REFERRAL, TOLD = "work-ability-referral", "procedure-notification"


def said(request: Outbound) -> dict[str, Any]:
    """The Bundle of a request."""
    bundle: dict[str, Any] = json.loads(request.body)
    return bundle


# Webhook --------------------------------------------------------------------------------------------------


def test_a_signature_is_that_of_the_standards_own_example() -> None:
    """The reference vector of Standard Webhooks."""
    key = webhook.read_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1614265330, UTC)

    found = webhook.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}', [key])

    assert found["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "text", ["", "secret", "whsec_", "whsec_%%%", "whsec_" + base64.b64encode(b"k" * 23).decode()]
)
def test_what_is_no_signing_key_is_refused(text: str) -> None:
    """Without the prefix, no base64, or too short."""
    with pytest.raises(ValueError, match=r"whsec_|\d"):
        webhook.read_key(text)


def test_a_webhook_is_signed_with_both_keys_and_its_2xx_is_delivered(world: World) -> None:
    """At its own address, whatever its body says, and nothing more is waited for."""
    world.partners[CLINIC] = partner(CLINIC, profile="webhook", signing_keys=KEYS)
    world.transport.steps = [reply("fatal-error")]
    new = world.take(1)

    world.drain()

    [request] = world.transport.sent
    headers = request.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    expected = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in KEYS]
    assert headers["webhook-signature"] == " ".join(f"v1,{each}" for each in expected)
    assert request.url == world.partners[CLINIC].endpoint
    assert world.state(new) is S.DELIVERED


def test_a_repeat_to_a_webhook_has_its_id_and_a_time_and_signature_of_its_own(world: World) -> None:
    """The receiver knows the repeat by its id, and refuses a signature that is old."""
    world.partners[CLINIC] = partner(CLINIC, profile="webhook", signing_keys=KEYS[:1])
    world.transport.steps = [status(503), status(204)]
    world.take(1)
    world.due()
    world.clock.move(MINUTE)
    world.due()

    first, second = world.transport.sent
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] < second.headers["webhook-timestamp"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert first.body == second.body


def test_a_webhook_gets_the_very_bytes_that_were_signed(file_world: World) -> None:
    """Over real HTTP: what arrives is checked as a receiver checks it."""
    from adapter.relay.transport import HttpTransport

    got: list[tuple[Any, bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        assert request is not None
        got.append(request)
        writer.write(answer(200))
        await writer.drain()
        writer.close()

    async def walk() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        file_world.partners[CLINIC] = replace(
            partner(CLINIC, profile="webhook", signing_keys=KEYS), endpoint=f"http://127.0.0.1:{port}/hook"
        )
        file_world.transport = HttpTransport()
        file_world.take(1)
        await delivery.deliver_due(file_world, decisions=file_world.decided)  # type: ignore[arg-type]
        await file_world.transport.aclose()
        server.close()

    asyncio.run(walk())

    [(headers, body)] = got
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(KEYS[0], signed, hashlib.sha256).digest()).decode()
    assert f"v1,{expected}" in headers["webhook-signature"].split()


# MedCom ---------------------------------------------------------------------------------------------------


@pytest.fixture
def medcom(world: World) -> World:
    """A world whose clinic acknowledges by MedCom, later."""
    world.partners[CLINIC] = partner(CLINIC, profile="medcom", acknowledgement="later")
    world.transport.steps = [status(202)]
    return world


def sent_again(world: World, times: int) -> list[Outbound]:
    """Let a copy stay unacknowledged so often; return what went to the clinic."""
    world.take(1)
    world.due()
    for _ in range(times):
        world.clock.move(15 * MINUTE)
        world.due()
    return [each for each in world.transport.sent if each.url.startswith(world.partners[CLINIC].endpoint)]


def test_a_medcom_resend_is_the_same_message_in_a_new_envelope(medcom: World) -> None:
    """After 15 minutes: another Bundle.id and time, and nothing else is another."""
    first, second = sent_again(medcom, 1)

    one, other = said(first), said(second)
    assert one["id"] != other["id"]
    assert other.pop("timestamp") == "2026-03-02T12:15:00.000Z"
    assert one | {"id": other["id"]} == other
    assert first.headers["X-Request-Id"] == second.headers["X-Request-Id"]


def test_medcom_resends_twice_at_most(medcom: World) -> None:
    """Then a person decides, and each envelope was another."""
    requests = sent_again(medcom, 4)

    [row] = [each for each in medcom.store.find_deliveries() if each.recipient == CLINIC]
    assert len({said(each)["id"] for each in requests}) == len(requests) == 3
    assert (row.state, row.reason) == (S.PARKED, "DL104")


def test_each_envelope_stands_in_the_audit(medcom: World) -> None:
    """What a recipient has got under which id can be told later."""
    requests = sent_again(medcom, 2)
    [row] = [each for each in medcom.store.find_deliveries() if each.recipient == CLINIC]

    told = [dict(each.detail) for each in medcom.store.timeline(row.message) if each.what == "disclose"]

    assert [each.get("envelope", row.bundle_id) for each in told] == [said(each)["id"] for each in requests]


def test_a_medcom_retry_of_what_was_not_taken_is_byte_identical(medcom: World) -> None:
    """The first envelope after a 503, and the new one after a lost answer."""
    medcom.transport.steps = [status(503), status(202), AmbiguousDelivery("DL204"), status(202)]
    medcom.take(1)
    for wait in (0, 1, 15, 5):
        medcom.clock.move(wait * MINUTE)
        medcom.due()

    bodies = [each.body for each in medcom.transport.sent]
    assert (bodies[0], bodies[2]) == (bodies[1], bodies[3])
    assert bodies[0] != bodies[2]


def test_an_r4_resend_is_byte_identical(world: World) -> None:
    """R4 knows a repeat by both ids."""
    world.partners[CLINIC] = partner(CLINIC, acknowledgement="later")
    world.transport.steps = [status(202)]

    assert len({each.body for each in sent_again(world, 2)}) == 1


@pytest.mark.parametrize("named", ["header", "first envelope", "newest envelope"])
def test_an_acknowledgement_of_any_of_them_settles_it(medcom: World, named: str) -> None:
    """By the message's id, or by the id of an envelope."""
    first, second = sent_again(medcom, 1)
    ids = {
        "header": first.headers["X-Request-Id"],
        "first envelope": said(first)["id"],
        "newest envelope": said(second)["id"],
    }

    matched = medcom.store.acknowledgement(CLINIC, ids[named], "ok", b"{}", medcom.clock.now())

    assert (matched.verdict, matched.state) == ("first", S.ACKNOWLEDGED)


@pytest.mark.parametrize("profile", ["r4", "medcom"])
def test_by_hand_nothing_goes_again_by_itself(world: World, profile: str) -> None:
    """An unacknowledged copy waits for a person, who may send it again."""
    world.partners[CLINIC] = partner(CLINIC, profile=profile, acknowledgement="later", resend="manual")
    world.transport.steps = [status(202)]
    assert len(sent_again(world, 3)) == 1
    [row] = [each for each in world.store.find_deliveries() if each.recipient == CLINIC]

    world.store.resend(row.id, actor="operator", reason="asked for")
    world.due()

    first, *_, last = [each for each in world.transport.sent if "kind" in said(each)]
    assert row.state is S.PARKED
    assert (said(first)["id"] == said(last)["id"]) is (profile == "r4")


# Categories -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "may_be_late", "may_go_twice"),
    [(REFERRAL, True, False), ("client-plan", False, True), (TOLD, True, True), (None, True, True)],
)
def test_a_category_says_what_late_and_twice_mean(
    event: str | None, may_be_late: bool, may_go_twice: bool
) -> None:
    """As the shipped MessageDefinition of the event has it."""
    rule = category.rule_of(event)

    assert (rule.may_be_late, rule.may_go_twice) == (may_be_late, may_go_twice)


@pytest.mark.parametrize(("event", "days"), [("client-plan", 5), (TOLD, 30)])
def test_what_tells_how_something_stands_is_not_kept_for_later(tmp_path: Path, event: str, days: int) -> None:
    """A plan that could not be sent while it was tried is closed, and its sender told."""
    relay = site.relay_in(tmp_path, time_to_live=timedelta(days=30))
    evidence = Evidence(rung=Rung.ASSIGNED, detail="said by phone")
    recipient = Recipient(
        organisation=CLINIC,
        recipient_class=next(iter(RecipientClass)),
        register=next(iter(Register)),
        evidence=evidence,
    )

    made = delivery_of(recipient, Deny(reasons=("CO101",)), relay, event=event, subject=None, at=site.MARCH)
    relay.store.close()

    assert made.expires_at == site.MARCH + timedelta(days=days)


UNSURE = {
    "a referral to a webhook": ("webhook", REFERRAL, S.PARKED),
    "a referral by R4": ("r4", REFERRAL, S.QUEUED),
    "a referral by MedCom": ("medcom", REFERRAL, S.QUEUED),
    "a notification to a webhook": ("webhook", TOLD, S.QUEUED),
}


@pytest.mark.parametrize(("profile", "event", "state"), UNSURE.values(), ids=UNSURE)
def test_what_may_have_arrived_goes_again_only_where_twice_does_no_harm(
    world: World, profile: str, event: str, state: DeliveryState
) -> None:
    """A consequence to a partner that knows no repeat waits for a person."""
    world.partners[CLINIC] = partner(CLINIC, profile=profile, signing_keys=KEYS)
    world.transport.steps = [AmbiguousDelivery("DL205")]
    new = world.take(1, event=event)
    world.due()
    world.clock.move(MINUTE)
    world.due()

    assert world.state(new) is state


def test_a_person_may_send_it_again(world: World) -> None:
    """Whoever does has asked the recipient."""
    world.partners[CLINIC] = partner(CLINIC, profile="webhook", signing_keys=KEYS)
    world.transport.steps = [AmbiguousDelivery("DL205"), status(200)]
    new = world.take(1, event=REFERRAL)
    world.due()
    world.clock.move(MINUTE)
    world.due()
    reason = world.store.delivery(new.deliveries[0].id).reason

    world.store.resend(new.deliveries[0].id, actor="operator", reason="it has not arrived")
    world.due()

    assert (reason, world.state(new)) == ("DL122", S.DELIVERED)


def test_it_waits_after_a_process_that_died_while_sending_too(world: World) -> None:
    """Nobody wrote down what became of that attempt."""
    from adapter.relay.store import leases

    world.partners[CLINIC] = partner(CLINIC, profile="webhook", signing_keys=KEYS)
    world.transport.before = lambda _: (_ for _ in ()).throw(SystemExit)
    new = world.take(1, event=REFERRAL)
    with pytest.raises(SystemExit):
        world.due()
    world.transport.before = None
    world.store.submit(leases.recover, world.clock.now(), everything=True).result()

    world.due()

    assert (world.state(new), len(world.transport.sent)) == (S.PARKED, 1)
