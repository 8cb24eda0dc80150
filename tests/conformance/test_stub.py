"""The stub patient systems: what they see in a message, and how they answer."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from adapter.conformance.actors import page, script
from adapter.conformance.actors.inbox import Inbox
from adapter.conformance.actors.judge import judge, masked
from adapter.conformance.actors.reply import Party
from adapter.conformance.actors.script import Act, Rule, Script
from adapter.errors import ConfigurationError
from adapter.fhir.canonical import code_system, profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
HEADER, COMMUNICATION, PATIENT, RECEIVER = (
    f"urn:uuid:00000000-0000-4000-8000-00000000000{number}" for number in range(1, 5)
)

# An invented message about an invented person.
MESSAGE: dict[str, Any] = {
    "resourceType": "Bundle",
    "id": "00000000-0000-4000-8000-0000000000aa",
    "meta": {"tag": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}]},
    "type": "message",
    "timestamp": "2026-03-04T14:05:00+02:00",
    "entry": [
        {
            "fullUrl": HEADER,
            "resource": {
                "resourceType": "MessageHeader",
                "id": HEADER.removeprefix("urn:uuid:"),
                "eventCoding": {"system": code_system("message-event"), "code": "care-episode-notification"},
                "destination": [{"endpoint": "http://127.0.0.1/fhir", "receiver": {"reference": RECEIVER}}],
                "source": {"endpoint": "http://127.0.0.1:8080/fhir"},
                "focus": [{"reference": COMMUNICATION}],
            },
        },
        {
            "fullUrl": COMMUNICATION,
            "resource": {
                "resourceType": "Communication",
                "status": "completed",
                "extension": [{"url": profile("content-level"), "valueCode": "minimal"}],
                "subject": {"reference": PATIENT},
            },
        },
        {
            "fullUrl": PATIENT,
            "resource": {
                "resourceType": "Patient",
                "identifier": [{"system": "urn:oid:1.2.246.21", "value": "120574-902Y"}],
                "name": [{"family": "Mäkelä-Öhman", "given": ["Päivi"]}],
            },
        },
        {
            "fullUrl": RECEIVER,
            "resource": {
                "resourceType": "Organization",
                "identifier": [{"system": "urn:ietf:rfc:3986", "value": "urn:uuid:oh"}],
            },
        },
    ],
}


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    message = copy.deepcopy(MESSAGE)
    change(message)
    return message


def resource(message: dict[str, Any], number: int) -> dict[str, Any]:
    held: dict[str, Any] = message["entry"][number]["resource"]
    return held


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "not a message": (lambda it: it.update(type="collection"), "KT101"),
    "no header": (lambda it: it["entry"].pop(0), "KT102"),
    "one fullUrl twice": (lambda it: it["entry"][2].update(fullUrl=COMMUNICATION), "KT103"),
    "no fullUrl": (lambda it: it["entry"][3].pop("fullUrl"), "KT104"),
    "a dangling reference": (lambda it: it["entry"].pop(2), "KT105"),
    "no header id": (lambda it: resource(it, 0).pop("id"), "KT106"),
    "no source": (lambda it: resource(it, 0).pop("source"), "KT106"),
    "no focus": (lambda it: resource(it, 0).pop("focus"), "KT106"),
    "no receiver": (lambda it: resource(it, 0).pop("destination"), "KT107"),
    "no id": (lambda it: it.pop("id"), "KT109"),
    "no timestamp": (lambda it: it.pop("timestamp"), "KT112"),
    "a procedure at the minimal level": (
        lambda it: resource(it, 3).update(resourceType="Procedure"),
        "KT113",
    ),
    "no test label": (lambda it: it.pop("meta"), "KT114"),
    "a person who may exist": (
        lambda it: resource(it, 2)["identifier"][0].update(value="120574-802L"),
        "KT115",
    ),
}


def test_a_good_message_has_no_faults() -> None:
    """The rules of messaging find nothing in a message that keeps them."""
    assert judge(MESSAGE, None) == []


@pytest.mark.parametrize(("change", "code"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found(change: Callable[[dict[str, Any]], object], code: str) -> None:
    """Each rule of messaging is held, and its breach has its code."""
    assert code in {issue.code for issue in judge(changed(change), None)}


@pytest.mark.parametrize("hostile", [{}, {"resourceType": "Bundle", "type": "message", "entry": 7}])
def test_nonsense_is_judged_too(hostile: dict[str, Any]) -> None:
    """What is no message at all gives findings, not an exception."""
    assert judge(hostile, None)


def places(node: object) -> Iterator[tuple[Any, Any]]:
    """Every container with every key of it, the deepest too."""
    if isinstance(node, dict | list):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            yield node, key
            yield from places(node[key])


@pytest.mark.parametrize("junk", [None, 7, "x", [], {}, [[]], [None], {"x": []}], ids=repr)
def test_a_stub_takes_whatever_shape_comes(junk: object) -> None:
    """Junk in the place of any element gives an answer and a page, never an exception."""
    for number in range(len(list(places(MESSAGE)))):
        message = copy.deepcopy(MESSAGE)
        holder, key = list(places(message))[number]
        holder[key] = copy.deepcopy(junk)
        box = inbox()

        take(box, message)

        assert list(page.lines(box.items[0]))


def inbox(*answers: Act, replies: bool = True) -> Inbox:
    numbers = count(1)
    return Inbox(
        party=Party(name="Stub occupational health", address="http://127.0.0.1:8082"),
        script=Script((Rule(answers=answers or (Act.OK,)),)),
        checker=None,
        now=lambda: NOON,
        new_id=lambda: f"new-{next(numbers)}",
        replies=replies,
    )


def take(box: Inbox, message: dict[str, Any]) -> tuple[int, dict[str, Any] | None, str]:
    record, _act, reply = box.take(json.dumps(message).encode(), "application/fhir+json", message)
    return reply.status, reply.resource, record.answered


def response_of(resource: dict[str, Any] | None) -> dict[str, Any]:
    assert resource is not None
    answer: dict[str, Any] = resource["entry"][0]["resource"]["response"]
    return answer


@pytest.mark.parametrize("act", [Act.OK, Act.TRANSIENT_ERROR, Act.FATAL_ERROR])
def test_the_reply_answers_the_header(act: Act) -> None:
    """`MessageHeader.response` carries the id of the MessageHeader answered, and the code of the script."""
    _status, answer, _said = take(inbox(act), MESSAGE)

    assert response_of(answer)["identifier"] == HEADER.removeprefix("urn:uuid:")
    assert response_of(answer)["code"] == act.value


@pytest.mark.parametrize(
    ("act", "status"), [(Act.STATUS_500, 500), (Act.STATUS_503, 503), (Act.STATUS_429, 429)]
)
def test_a_scripted_status_is_an_operation_outcome(act: Act, status: int) -> None:
    """HTTP errors of the script carry an OperationOutcome."""
    got, answer, _said = take(inbox(act), MESSAGE)

    assert (got, (answer or {})["resourceType"]) == (status, "OperationOutcome")


def test_answers_come_in_their_order_and_the_last_repeats() -> None:
    """A row of answers is played through, then its end goes on."""
    played = Script((Rule(answers=(Act.STATUS_503, Act.OK)),))

    assert [played.next(event=None, receiver=None) for _ in range(3)] == [Act.STATUS_503, Act.OK, Act.OK]


@pytest.mark.parametrize(
    ("ending", "act"),
    [
        ("-500", Act.STATUS_500),
        ("-timeout", Act.TIMEOUT),
        ("-dup", Act.LOST_ANSWER),
        ("-reject", Act.FATAL_ERROR),
    ],
)
def test_a_marker_in_the_receivers_identifier_chooses_the_answer(ending: str, act: Act) -> None:
    """The end of the receiver's identifier stands above the script."""
    message = changed(lambda it: resource(it, 3)["identifier"][0].update(value=f"urn:uuid:oh{ending}"))
    box = inbox(Act.OK)

    _record, done, _reply = box.take(b"{}", "application/fhir+json", message)

    assert done is act


def test_a_repeat_gets_the_stored_answer() -> None:
    """The same MessageHeader.id again is not a second message: the first answer comes back."""
    box = inbox(Act.OK)

    first, second = take(box, MESSAGE), take(box, MESSAGE)

    assert second == (first[0], first[1], "stored answer")
    assert box.items[1].repeat_of == 1
    assert box.items[1].same_bytes is True


def test_a_repeat_with_other_bytes_is_told() -> None:
    """The same id with other content is found out."""
    box = inbox(Act.OK)
    take(box, MESSAGE)

    take(box, changed(lambda it: it.update(timestamp="2026-03-04T15:00:00+02:00")))

    assert box.items[1].same_bytes is False
    assert "KT108" in {issue.code for issue in box.items[1].issues}


def test_a_lost_answer_comes_with_the_repeat() -> None:
    """After a lost answer the repeat is taken for what it is and answered ok."""
    box = inbox(Act.LOST_ANSWER)

    first, second = take(box, MESSAGE), take(box, MESSAGE)

    assert first[0] == 503
    assert response_of(second[1])["code"] == "ok"


def test_a_message_asked_to_come_again_is_new_when_it_does() -> None:
    """After 503 nothing was kept: the next arrival is played by the script, not answered from memory."""
    box = inbox(Act.STATUS_503, Act.OK)
    take(box, MESSAGE)

    _status, answer, said = take(box, MESSAGE)

    assert (said, response_of(answer)["code"]) == ("ok", "ok")


def test_what_is_no_test_message_is_refused() -> None:
    """A message without the test label is answered fatal-error with the reason."""
    _status, answer, said = take(inbox(), changed(lambda it: it.pop("meta")))

    assert (said, response_of(answer)["code"]) == ("refused", "fatal-error")


def test_acknowledgements_that_come_later_leave_the_reply_empty() -> None:
    """A stub that acknowledges later answers 202 without a body."""
    assert take(inbox(replies=False), MESSAGE)[:2] == (202, None)


def test_the_page_shows_the_content_and_hides_the_code() -> None:
    """A person sees who and what; the identity code is masked."""
    box = inbox()
    take(box, MESSAGE)

    shown = "\n".join(page.lines(box.items[0]))

    assert "Päivi Mäkelä-Öhman 120574-****" in shown
    assert "minimal level" in shown
    assert masked("120574-902Y") not in ("120574-902Y", "")


SCRIPTS = {
    "an unknown key": ('answer = ["ok"]', "KT122"),
    "no answers": ("answers = []", "KT123"),
    "an answer that is none": ('answers = ["perhaps"]', "KT124"),
    "a rule without answers": ('answers = ["ok"]\n[[when]]\nevent = "cancel"', "KT123"),
    "no TOML": ("answers = ", "KT121"),
}


@pytest.mark.parametrize(("text", "code"), SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_with_a_fault_is_refused(tmp_path: Path, text: str, code: str) -> None:
    """A script that cannot be played says why before anything starts."""
    path = tmp_path / "script.toml"
    path.write_text(text, "utf-8")

    with pytest.raises(ConfigurationError) as caught:
        script.read(path)

    assert code in {issue.code for issue in caught.value.issues}


def test_a_rule_of_a_script_stands_above_its_answers(tmp_path: Path) -> None:
    """A `[[when]]` table answers the messages it fits, the plain row all others."""
    path = tmp_path / "script.toml"
    path.write_text('answers = ["ok"]\n[[when]]\nevent = "cancel"\nanswers = ["fatal-error"]\n', "utf-8")
    played = script.read(path)

    answers = [played.next(event=event, receiver=None) for event in ("cancel", "procedure-notification")]

    assert answers == [Act.FATAL_ERROR, Act.OK]
