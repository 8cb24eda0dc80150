"""From the hospital's door to the acknowledgement, and what happens when a step says no."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import httpx
import pytest

from adapter.conformance.actors.script import Act
from tests.journeys.conftest import codes, types
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.journeys.conftest import Played

    Play = Callable[..., None]

KASKELA = "urn:uuid:31305fa5-3e3f-54d1-ac68-1bb016d20087"
PIHLAJA = "urn:uuid:7852e67f-434e-5f6d-89e3-ba1556bba5de"
ASUND = "urn:uuid:2c711605-3ab5-561e-9785-e23ebb5fc16f"
METSOLA = "urn:uuid:dfc02c6c-facb-55b7-a9e9-b74aa72b08d2"


@pytest.mark.parametrize(
    ("fixture", "recipient"),
    [
        ("back-surgery.hl7", KASKELA),
        ("hernia-cda.xml", KASKELA),
        ("carpal-tunnel.json", PIHLAJA),
        ("gallbladder.fhir.json", KASKELA),
    ],
)
def test_every_format_reaches_occupational_health(play: Play, fixture: str, recipient: str) -> None:
    """A done procedure, told in any format, is acknowledged by the right provider at the clinical level."""

    async def journey(stage: Played) -> None:
        sent = await stage.send(fixture)

        ends = [(one.recipient, one.state.value, one.level) for one in stage.deliveries(sent)]
        assert ends == [(recipient, "acknowledged", "clinical")]
        assert "Procedure" in types(stage.got[0])
        assert stage.message(sent).state.value == "settled"

    play(journey)


def test_what_the_receiver_gets_is_without_fault(play: Play) -> None:
    """Every copy keeps to the rules of messaging and to our own profile, as the receiver checks them."""

    async def journey(stage: Played) -> None:
        for fixture in (
            "back-surgery.hl7",
            "hernia-cda.xml",
            "carpal-tunnel.json",
            "knee-arthroscopy-utf8.hl7",
        ):
            await stage.send(fixture)

        found = [issue for record in stage.world.oh_stub.inbox.items for issue in record.issues]
        assert [(issue.code, issue.at) for issue in found if issue.is_error] == []

    play(journey)


def test_the_minimal_level_tells_no_more_than_that(play: Play) -> None:
    """Who consented to the minimal level has no procedure, diagnosis, unit or event code in the copy."""

    async def journey(stage: Played) -> None:
        sent = await stage.send("knee-arthroscopy-utf8.hl7")

        assert [one.level for one in stage.deliveries(sent)] == ["minimal"]
        text = json.dumps(stage.got[0], ensure_ascii=False)
        assert not {"Procedure", "Condition", "Encounter", "Practitioner"} & set(types(stage.got[0]))
        assert "NGD" not in text
        assert "procedure-notification" not in text

    play(journey)


def test_the_employer_gets_nothing(play: Play) -> None:
    """An employer named as a recipient is refused with a code; the provider gets its copy all the same."""

    async def journey(stage: Played) -> None:
        sent = await stage.send("employer-asks.hl7")

        states = {one.recipient: one.state.value for one in stage.deliveries(sent)}
        assert states[KASKELA] == "acknowledged"
        assert states.get(METSOLA) in (None, "withheld", "closed")
        assert "CO109" in codes(sent)
        assert len(stage.got) == 1

    play(journey)


NOBODY = {
    "no consent": ("no-consent.json", 200, "accepted settled", "CO101"),
    "a withdrawn consent": ("consent-withdrawn.json", 200, "accepted settled", "CO103"),
    "no route": ("no-route.hl7", 200, "needs-routing", "RT101"),
    "too old": ("too-old.hl7", 200, "not-applicable", None),
    "deceased": ("deceased.hl7", 200, "not-applicable", None),
    "no sick leave": ("no-sick-leave.hl7", 200, "not-applicable", None),
    "planned": ("planned-a05.hl7", 200, "not-applicable", None),
    "billing": ("billing.hl7", 200, "not-applicable", None),
    "not valid": ("invalid.hl7", 422, "invalid", None),
}


@pytest.mark.parametrize(("fixture", "status", "states", "code"), NOBODY.values(), ids=NOBODY)
def test_nobody_is_told_and_the_sender_knows(
    play: Play, fixture: str, status: int, states: str, code: str | None
) -> None:
    """Where a step says no, nothing goes out, and the answer says so with a code."""

    async def journey(stage: Played) -> None:
        sent = await stage.send(fixture)

        assert sent.answered.status == status
        assert stage.message(sent).state.value in states.split()
        assert stage.got == []
        assert code in codes(sent) if code else codes(sent)

    play(journey)


def test_a_busy_receiver_gets_the_same_bytes_again(play: Play) -> None:
    """After 503 the same delivery is tried again, byte for byte, and acknowledged."""

    async def journey(stage: Played) -> None:
        sent = await stage.send("back-surgery.hl7")

        [delivery] = stage.deliveries(sent)
        bundles = [record.bundle for record in stage.world.oh_stub.inbox.items]
        assert (delivery.state.value, len(bundles)) == ("acknowledged", 2)
        assert bundles[0] == bundles[1]

    play(journey, Act.STATUS_503, Act.OK)


def test_a_lost_answer_does_not_make_a_second_message(play: Play) -> None:
    """A receiver that kept the message but lost its answer knows the repeat by its id and bytes."""

    async def journey(stage: Played) -> None:
        sent = await stage.send("back-surgery.hl7")

        first, second = stage.world.oh_stub.inbox.items
        assert (second.repeat_of, second.same_bytes) == (first.number, True)
        assert [one.state.value for one in stage.deliveries(sent)] == ["acknowledged"]

    play(journey, Act.LOST_ANSWER)


@pytest.mark.parametrize(
    ("answer", "state", "give_up"),
    [(Act.STATUS_500, "parked", "1s"), (Act.FATAL_ERROR, "refused", "5d"), (Act.STATUS_400, "refused", "5d")],
)
def test_the_sender_is_told_when_it_does_not_arrive(
    play: Play, answer: Act, state: str, give_up: str
) -> None:
    """A delivery that ends without success makes one report to the hospital, without content."""

    async def journey(stage: Played) -> None:
        sent = await stage.send("back-surgery.hl7")

        [delivery] = stage.deliveries(sent)
        assert delivery.state.value == state
        assert len(stage.reports(sent)) == 1
        assert len(stage.reported) == 1
        assert not {"Patient", "Procedure", "Condition", "Observation"} & set(types(stage.reported[0]))

    play(journey, answer, give_up=give_up)


def test_a_cancellation_follows_the_copy(play: Play) -> None:
    """What was told is taken back at the same recipient."""

    async def journey(stage: Played) -> None:
        await stage.send("back-surgery.hl7")
        sent = await stage.send("back-surgery-cancelled.hl7")

        [cancel] = stage.deliveries(sent)
        assert (cancel.kind.value, cancel.state.value) == ("cancellation", "acknowledged")
        assert len(stage.got) == 2
        communication = next(
            entry["resource"]
            for entry in stage.got[1]["entry"]
            if "about" not in entry["resource"] and entry["resource"]["resourceType"] == "Communication"
        )
        assert communication["status"] == "entered-in-error"

    play(journey)


def test_a_repeat_gets_the_same_answer_and_nothing_is_sent_twice(play: Play) -> None:
    """The same submission again is answered with the same bytes and makes no second message."""

    async def journey(stage: Played) -> None:
        first = await stage.send("back-surgery.hl7")
        second = await stage.send("back-surgery.hl7")

        assert second.answered == first.answered
        assert second.is_repeat
        assert len(stage.got) == 1

    play(journey)


def test_other_content_under_the_same_id_is_a_conflict(play: Play) -> None:
    """The same notification id with other content is 409; both are kept, nothing more is sent."""

    async def journey(stage: Played) -> None:
        await stage.send("gallbladder.fhir.json")
        from adapter.shipped import folder

        body = (folder("fixtures") / "notification" / "gallbladder.fhir.json").read_bytes()
        headers = {
            "Authorization": f"Bearer {stage.world.token('tuulilahti')}",
            "Content-Type": "application/fhir+json",
        }
        changed = body.replace(b"2026-03-23", b"2026-03-24")
        assert changed != body
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            answer = await client.post(
                f"{stage.world.adapter}/fhir/$process-message", content=changed, headers=headers
            )

        assert answer.status_code == 409
        assert len(stage.world.deployment.store.conflicts()) == 1
        assert len(stage.got) == 1

    play(journey)


def test_an_acknowledgement_may_come_later(play: Play) -> None:
    """A receiver that answers 202 and acknowledges by a message of its own settles the delivery."""

    async def journey(stage: Played) -> None:
        sent = await stage.send("back-surgery.hl7")

        [delivery] = stage.deliveries(sent)
        for _ in range(int(PATIENCE / 0.05)):
            if stage.world.oh_stub.inbox.items[0].acknowledged:
                break
            await asyncio.sleep(0.05)
        assert delivery.state.value == "acknowledged"
        assert stage.world.oh_stub.inbox.items[0].acknowledged == "later, answered 200"

    play(journey, how="later")


def test_nobody_settles_what_was_sent_to_another(play: Play) -> None:
    """An acknowledgement shown with another organisation's token changes nothing."""

    async def journey(stage: Played) -> None:
        sent = await stage.send("back-surgery.hl7")
        [delivery] = stage.deliveries(sent)
        response = {
            "resourceType": "Bundle",
            "type": "message",
            "timestamp": "2026-04-02T09:00:00Z",
            "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:1"},
            "entry": [
                {
                    "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000001",
                    "resource": {
                        "resourceType": "MessageHeader",
                        "eventUri": "https://silta.example/any",
                        "source": {"endpoint": "urn:uuid:x"},
                        "response": {"identifier": delivery.header_id, "code": "ok"},
                    },
                }
            ],
        }
        headers = {"Authorization": f"Bearer {stage.world.token('havuniemi')}"}
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            await client.post(
                f"{stage.world.adapter}/fhir/$process-message",
                content=json.dumps(response).encode(),
                headers=headers | {"Content-Type": "application/fhir+json"},
            )

        assert [one.state.value for one in stage.deliveries(sent)] == ["refused"]

    play(journey, Act.FATAL_ERROR)


def test_an_hl7_v2_sender_gets_an_acknowledgement_of_its_own_kind(play: Play) -> None:
    """Who accepts HL7 v2 is answered with MSA AA and one ERR for each recipient."""

    async def journey(stage: Played) -> None:
        from adapter.shipped import folder

        body = (folder("fixtures") / "notification" / "back-surgery.hl7").read_bytes()
        kind = "x-application/hl7-v2+er7"
        headers = {
            "Authorization": f"Bearer {stage.world.token('tuulilahti')}",
            "Content-Type": kind,
            "Accept": kind,
        }
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            answer = await client.post(f"{stage.world.adapter}/ingest/ehr1", content=body, headers=headers)

        segments = answer.text.split("\r")
        assert segments[1].startswith("MSA|AA|OB260302-0001")
        assert any(segment.startswith("ERR|") for segment in segments)

    play(journey)


def test_a_person_names_the_recipient_of_an_unrouted_message(play: Play) -> None:
    """The operator assigns with a reason; consent is asked, and the copy arrives or is withheld."""

    async def journey(stage: Played) -> None:
        sent = await stage.send("no-route.hl7")
        headers = {"Authorization": f"Bearer {stage.world.token('operator')}"}
        address = f"{stage.world.adapter}/operator/queue"
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            waiting = (await client.get(address, headers=headers)).json()["items"]
            answer = await client.post(
                f"{address}/{sent.message}/assign",
                headers=headers,
                json={"recipient": KASKELA, "reason": "asked by phone, patient's card shown"},
            )

        assert [one["id"] for one in waiting] == [sent.message]
        assert answer.status_code == 200, answer.text
        assert stage.message(sent).state.value in ("accepted", "settled")

    play(journey)
