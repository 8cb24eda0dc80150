"""From the copy that arrived to somebody who has taken over: business replies, and the lack of one."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx

from adapter.cli.stage import arrived, send
from adapter.conformance.actors.script import Act
from adapter.relay import overdue
from adapter.shipped import folder
from tests.journeys.conftest import step, types
from tests.patience import PATIENCE
from tests.shipped import validator as shipped_validator

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.cli.stage import Sent
    from adapter.relay.store.values import CaseRow
    from tests.journeys.conftest import Played

    Play = Callable[..., None]

TUULILAHTI = "urn:uuid:2dee15f3-a33c-5c90-8b63-536933ec04db"
BUSINESS_REPLY = "https://silta.example/fhir/StructureDefinition/business-reply"
RETURN_DATE = "https://silta.example/fhir/StructureDefinition/return-date"


def reply(name: str, **changes: str) -> dict[str, Any]:
    """Return a shipped reply as a new message; `answers` names what it answers, `code` what it says."""
    bundle: dict[str, Any] = json.loads((folder("fixtures") / "messages" / f"{name}.json").read_text("utf-8"))
    bundle["identifier"]["value"] = f"urn:uuid:{uuid.uuid4()}"
    header = bundle["entry"][0]["resource"]
    header["id"] = str(uuid.uuid4())
    bundle["entry"][0]["fullUrl"] = f"urn:uuid:{header['id']}"
    communication = next(
        e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Communication"
    )
    communication["identifier"] = [{"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid.uuid4()}"}]
    if "answers" in changes:
        answered = {"system": "urn:ietf:rfc:3986", "value": changes["answers"]}
        communication["inResponseTo"] = [{"type": "Communication", "identifier": answered}]
    if "code" in changes:
        communication["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] = changes["code"]
    return bundle


async def answer(stage: Played, bundle: dict[str, Any], caller: str = "kaskela") -> httpx.Response:
    """Send a reply as the organisation, and wait until nothing is on its way."""
    headers = {
        "Authorization": f"Bearer {stage.world.token(caller)}",
        "Content-Type": "application/fhir+json",
        "Accept": "application/fhir+json",
    }
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
        got = await client.post(
            f"{stage.world.adapter}/fhir/$process-message", content=json.dumps(bundle), headers=headers
        )
    assert await arrived(stage.world.deployment)
    return got


def case_of(stage: Played, sent: Sent) -> CaseRow:
    """Return the one case of a message."""
    assert sent.message is not None
    [found] = stage.world.deployment.store.cases(message=sent.message)
    return found


def told(got: httpx.Response) -> set[str]:
    """Every code of an answer."""
    held = [got.json(), *(entry["resource"] for entry in got.json().get("entry", ()))]
    return {
        coding["code"]
        for resource in held
        for issue in resource.get("issue", ())
        for coding in issue["details"]["coding"]
    }


def communication_of(bundle: dict[str, Any]) -> dict[str, Any]:
    """Return the Communication of a message."""
    found: dict[str, Any] = next(
        entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Communication"
    )
    return found


def errors(bundle: dict[str, Any]) -> list[str]:
    """Return what our own profiles find wrong with a message."""
    return [str(each) for each in shipped_validator().validate(bundle) if each.is_error]


def test_a_case_walks_to_the_return_to_work(play: Play) -> None:
    """Each answer finds its case by any name of the notification, and the hospital hears of each once."""

    async def journey(stage: Played) -> None:
        sent = await stage.send("back-surgery.hl7")
        in_the_copy = communication_of(stage.got[0])["identifier"][0]["value"]
        returned = reply("feedback-returned")
        states = []
        for bundle in (
            reply("feedback-accepted"),
            reply("feedback-agreed", answers=in_the_copy),
            returned,
            returned,
        ):
            got = await answer(stage, bundle)
            assert got.status_code == 200, got.text
            states.append(case_of(stage, sent).state.value)
        late = await answer(stage, reply("feedback-accepted", code="not-our-client"))

        assert states == ["accepted", "agreed", "returned", "returned"]
        assert (late.status_code, told(late) & {"PN521"}) == (422, {"PN521"})
        assert case_of(stage, sent).state.value == "returned"
        assert [errors(bundle) for bundle in stage.reported] == [[], [], []]
        heard = [communication_of(bundle) for bundle in stage.reported]
        assert {each["inResponseTo"][0]["identifier"]["value"] for each in heard} == {"V2603-118"}
        assert [each["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] for each in heard] == [
            "accept",
            "agree",
            "return",
        ]
        assert RETURN_DATE in json.dumps(heard[2])

        corrected = await stage.send("back-surgery-updated.hl7")
        relay = stage.world.deployment.relay
        assert case_of(stage, corrected).state.value == "returned"
        assert overdue.look(relay, relay.clock.now() + timedelta(days=30)) == 0

    play(journey)


def test_silence_is_told_once_and_a_person_may_close_the_case(play: Play) -> None:
    """Nobody but the recipient can answer; of copies that a correction replaced nobody is told."""

    async def journey(stage: Played) -> None:
        await stage.send("back-surgery.hl7")
        sent = await stage.send("back-surgery-updated.hl7")
        nothing = [
            await answer(stage, reply("feedback-accepted"), "havuniemi"),
            await answer(stage, reply("feedback-accepted", answers="urn:uuid:nothing")),
        ]
        assert [got.status_code for got in nothing] == [422, 422]
        assert "PN147" in told(nothing[0])
        assert "PN520" in told(nothing[1])

        relay = stage.world.deployment.relay
        now = relay.clock.now()
        assert overdue.look(relay, now) == 0
        case = case_of(stage, sent)
        assert case.due_at is not None
        assert case.due_at > now
        relay.store.give_case_time(case.id, now - timedelta(seconds=1))
        assert [overdue.look(relay, now), overdue.look(relay, now)] == [1, 0]
        assert await arrived(stage.world.deployment)
        [notice] = stage.reported
        assert "Task" in types(notice)
        assert "Patient" not in types(notice)
        assert "PN530" in json.dumps(notice)
        assert errors(notice) == []

        headers = {"Authorization": f"Bearer {stage.world.token('operator')}"}
        async with httpx.AsyncClient(
            trust_env=False, timeout=PATIENCE, base_url=stage.world.adapter, headers=headers
        ) as client:
            waiting = await client.get("/operator/cases?overdue=true")
            await client.post(f"/operator/cases/{case.id}/close", json={"reason": "told by phone"})
            closed = await client.get("/operator/cases?state=closed")
        assert [each["id"] for each in waiting.json()["items"]] == [case.id]
        assert [each["id"] for each in closed.json()["items"]] == [case.id]
        assert relay.store.audit_rows(object=f"case/{case.id}")[-1].reason == "told by phone"
        assert (await answer(stage, reply("feedback-accepted"))).status_code == 422

    play(journey)


def test_a_reply_may_overtake_the_acknowledgement(play: Play) -> None:
    """Who answers has got it: the copy counts as acknowledged, and nobody is told of silence."""

    async def journey(stage: Played) -> None:
        sent = await send(stage.world, step("back-surgery.hl7"))
        for _ in range(int(PATIENCE / 0.05)):
            if [one.state.value for one in stage.deliveries(sent)] == ["awaiting"]:
                break
            await asyncio.sleep(0.05)
        got = await answer(stage, reply("feedback-accepted"))

        assert got.status_code == 200, got.text
        assert [one.state.value for one in stage.deliveries(sent)] == ["acknowledged"]
        assert case_of(stage, sent).state.value == "accepted"
        relay = stage.world.deployment.relay
        assert overdue.look(relay, relay.clock.now() + timedelta(days=30)) == 0

    play(journey, Act.GARBAGE, how="later")


def test_nothing_goes_back_once_the_consent_is_withdrawn(play: Play) -> None:
    """The reply is kept, its case moves on, and the hospital gets nothing: the provider is told so."""

    async def journey(stage: Played) -> None:
        sent = await stage.send("back-surgery.hl7")
        store = stage.world.deployment.store
        subject = store.message(str(sent.message)).subject
        assert subject is not None
        for consent in store.consents_for(subject):
            store.end_consent(consent.id, actor="test", at=stage.world.deployment.relay.clock.now())
        got = await answer(stage, reply("feedback-accepted"))

        assert got.status_code == 200, got.text
        assert "withheld" in told(got)
        assert case_of(stage, sent).state.value == "accepted"
        assert stage.reported == []

    play(journey)
