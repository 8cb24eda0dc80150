"""A copy that went to the wrong recipient: the incident, the cancellation, and the word to the sender."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import Conflict
from adapter.relay import delivery, intake
from adapter.relay.case import CaseState
from adapter.relay.message import DeliveryState, Kind, MessageState
from adapter.relay.transport import Inbound
from adapter.shipped import folder
from tests.relay import site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.relay.deployment import Relay
    from adapter.relay.message import Submission
    from adapter.relay.store.values import DeliveryRow

S = DeliveryState


class Wire:
    """A recipient that takes what it gets, or is not well; it keeps what came."""

    def __init__(self) -> None:
        self.status = 200
        self.came: list[dict[str, Any]] = []

    async def send(self, request: Any) -> Inbound:
        self.came.append(json.loads(request.body))
        return Inbound(status=self.status, headers={}, body=b"")


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def relay(tmp_path: Path, wire: Wire) -> Iterator[Relay]:
    """The demo deployment, whose hospitals take delivery reports."""
    made = site.relay_in(tmp_path, transport=wire)
    made.store.import_parties({site.TUULILAHTI: True})
    yield made
    made.store.close()


def copy_in(relay: Relay) -> DeliveryRow:
    """The copy of a message that was just taken in."""
    message = intake.accept(site.case("back-surgery").submission, relay).message or ""
    [made] = relay.store.deliveries(message)
    return made


def sent(relay: Relay) -> DeliveryRow:
    """The copy of a message, sent to its recipient and acknowledged."""
    made = copy_in(relay)
    asyncio.run(delivery.deliver_due(relay))
    relay.store.acknowledgement(site.KASKELA, made.header_id, "ok", b"", relay.clock.now())
    return relay.store.delivery(made.id)


def recall(relay: Relay, one: DeliveryRow) -> intake.Recalled:
    return intake.recall(one.id, relay, actor="Aino", reason="other clinic")


def of_kind(relay: Relay, one: DeliveryRow, kind: Kind) -> list[DeliveryRow]:
    return [each for each in relay.store.deliveries(one.message) if each.kind is kind]


def test_d21_the_recipient_gets_a_cancellation_without_the_content(relay: Relay, wire: Wire) -> None:
    """D21: it names the person and the notification it had; nothing of what was said goes again."""
    one = sent(relay)
    [first] = wire.came

    found = recall(relay, one)
    asyncio.run(delivery.deliver_due(relay))

    [second] = [each for each in wire.came[1:] if header(each)["eventCoding"]["code"] != "delivery-report"]
    assert found.recall == of_kind(relay, one, Kind.CANCELLATION)[0].id
    assert header(second)["eventCoding"]["code"] == "cancel"
    assert resource(second, "Communication")["identifier"] == resource(first, "Communication")["identifier"]
    assert kinds(first) - kinds(second) >= {"Procedure", "Observation"}
    assert kinds(second) <= {"MessageHeader", "Communication", "Patient", "Organization", "Provenance"}


def header(bundle: dict[str, Any]) -> dict[str, Any]:
    return resource(bundle, "MessageHeader")


def resource(bundle: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == kind)


def kinds(bundle: dict[str, Any]) -> set[str]:
    return {str(each["resource"]["resourceType"]) for each in bundle["entry"]}


def test_d21_the_incident_stands_in_the_audit(relay: Relay) -> None:
    """D21: who recalled what from whom, why, and by which cancellation."""
    one = sent(relay)

    found = recall(relay, one)

    [row] = [each for each in relay.store.audit_rows(object=f"delivery/{one.id}") if each.action == "recall"]
    said = dict(row.pairs)
    assert (row.actor, row.outcome, row.reason) == ("Aino", "recalled", "DL123")
    assert (said["recipient"], said["why"], said["by"]) == (site.KASKELA, "other clinic", found.recall)


def test_d21_the_sender_is_told_once(relay: Relay, wire: Wire) -> None:
    """D21: one delivery report says that it was recalled."""
    one = sent(relay)

    recall(relay, one)
    asyncio.run(delivery.deliver_due(relay))

    [report] = [each for each in wire.came if header(each)["eventCoding"]["code"] == "delivery-report"]
    [reason] = resource(report, "Communication")["statusReason"]["coding"]
    assert reason["code"] == "recalled"
    assert len(of_kind(relay, one, Kind.DELIVERY_REPORT)) == 1


def test_nobody_waits_for_an_answer_of_the_wrong_recipient(relay: Relay) -> None:
    """The case is closed, and the message is open until the cancellation has arrived."""
    one = sent(relay)

    recall(relay, one)

    assert [each.state for each in relay.store.cases(message=one.message)] == [CaseState.CLOSED]
    assert relay.store.message(one.message).state is MessageState.ACCEPTED


def test_a_copy_is_recalled_once(relay: Relay) -> None:
    """A second time is refused, and so is recalling the cancellation."""
    one = sent(relay)
    found = recall(relay, one)

    for again in (one.id, found.recall or ""):
        with pytest.raises(Conflict, match="DL124"):
            intake.recall(again, relay, actor="Aino", reason="again")


def test_what_has_not_left_is_closed_and_nothing_is_sent(relay: Relay, wire: Wire) -> None:
    """A queued copy needs no cancellation; the sender is told all the same."""
    one = copy_in(relay)

    found = recall(relay, one)
    asyncio.run(delivery.deliver_due(relay))

    assert (found.state, found.recall, found.reached) == (S.CLOSED, None, False)
    assert [header(each)["eventCoding"]["code"] for each in wire.came] == ["delivery-report"]


def test_a_recalled_copy_is_not_repeated(relay: Relay, wire: Wire) -> None:
    """One that waits for its acknowledgement when it is recalled does not go again when that is overdue."""
    one = copy_in(relay)
    asyncio.run(delivery.deliver_due(relay))
    assert relay.store.delivery(one.id).state is S.AWAITING

    recall(relay, one)
    relay.store.acknowledgement(site.KASKELA, one.header_id, "transient-error", b"", relay.clock.now())
    for _ in range(2):
        relay.clock.move(timedelta(hours=1))
        asyncio.run(delivery.deliver_due(relay))

    assert relay.store.delivery(one.id).state is S.CLOSED
    codes = [header(each)["eventCoding"]["code"] for each in wire.came]
    assert codes.count("procedure-notification") == 1


def test_a_late_ok_after_a_recall_opens_no_case(relay: Relay) -> None:
    """The wrong recipient says that it has it: that is kept, and nobody waits for its answer."""
    one = copy_in(relay)
    asyncio.run(delivery.deliver_due(relay))
    recall(relay, one)

    relay.store.acknowledgement(site.KASKELA, one.header_id, "ok", b"", relay.clock.now())

    row = relay.store.delivery(one.id)
    assert (row.state, row.reason) == (S.ACKNOWLEDGED, "DL123")
    assert relay.store.cases(message=one.message) == []


def answering(one: DeliveryRow) -> Submission:
    """A business reply of the copy's recipient."""
    body = (folder("fixtures") / "messages" / "feedback-accepted.json").read_bytes()
    return site.submission_of(body, "application/fhir+json", one.recipient)


@pytest.mark.parametrize("acknowledges_late", [True, False])
def test_the_wrong_recipients_answer_moves_nothing(relay: Relay, acknowledges_late: bool) -> None:
    """It is refused as one to a case that is closed, whether or not the copy was acknowledged."""
    one = copy_in(relay)
    asyncio.run(delivery.deliver_due(relay))
    recall(relay, one)
    if acknowledges_late:
        relay.store.acknowledgement(site.KASKELA, one.header_id, "ok", b"", relay.clock.now())

    answer = intake.accept(answering(one), relay)

    assert (answer.status, "PN521" in site.codes(answer.body)) == (422, True)
    assert relay.store.cases(message=one.message) == []
