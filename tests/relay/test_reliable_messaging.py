"""FHIR reliable messaging: what ids that came before make of a message. Everybody in here is invented."""

from __future__ import annotations

import asyncio
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.errors import AdapterError, Conflict, Unsupported
from adapter.fhir import json as fhir_json
from adapter.relay import delivery, intake
from adapter.relay.duplicates import Case, Id, case_of
from adapter.relay.message import Answer, DeliveryState, IntakeKey, Kind, Meaning
from adapter.relay.reliability import PROFILES, ProfileName
from tests.relay import site, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.relay.deployment import Relay
    from adapter.relay.store import Store

FOUR = {
    "r4": {"": "new", "BH": "repeat", "H": "resubmission", "B": "clash"},
    "medcom": {"": "new", "BH": "resubmission", "H": "repeat", "B": "clash"},
    "webhook": {"": "new", "BH": "repeat", "H": "resubmission", "B": "clash"},
}
"""By the ids that came before: B of the Bundle, H of the header."""


@pytest.mark.parametrize("profile", FOUR)
@pytest.mark.parametrize("known", ["", "B", "H", "BH"])
def test_four_cases_are_told_by_the_ids_that_came_before(profile: ProfileName, known: str) -> None:
    """R4 and MedCom tell repeat and resubmission the other way round, and nothing else."""
    ids = {Id.BUNDLE if letter == "B" else Id.HEADER: "m1" for letter in known}

    assert case_of(ids, PROFILES[profile].cases) == FOUR[profile][known]


@pytest.mark.parametrize("profile", FOUR)
def test_ids_of_two_messages_are_a_clash(profile: ProfileName) -> None:
    """An envelope of one message with the header of another repeats neither."""
    known = {Id.BUNDLE: "m1", Id.HEADER: "m2"}

    assert case_of(known, PROFILES[profile].cases) is Case.CLASH


# The store against a model --------------------------------------------------------------------------------

Sent = tuple[str, str, str, str]
"""Profile of the sender, Bundle.id, MessageHeader.id, content."""
ONE = st.tuples(
    st.sampled_from(sorted(PROFILES)), st.sampled_from("pqr"), st.sampled_from("xyz"), st.sampled_from("ab")
)
_numbers = itertools.count(1000)


@dataclass
class Naive:
    """What a receiver keeps, as simply as it can be said: two lists of what each sender was answered."""

    taken: list[tuple[Sent, int]] = field(default_factory=list)

    def told(self, sent: Sent, number: int) -> int | str:
        """Return the number of the message whose answer is given, or the code of the refusal."""
        sender, bundle, header, content = sent
        own = [(each, answer) for each, answer in self.taken if each[0] == sender]
        by_bundle = [pair for pair in own if pair[0][1] == bundle]
        by_header = [pair for pair in own if pair[0][2] == header]
        if not by_bundle and not by_header:
            self.taken.append((sent, number))
            return number
        if by_bundle and (not by_header or by_bundle[0] != by_header[0]):
            return "ST128"
        earlier, answer = by_header[0]
        return answer if earlier[3] == content else "ST124"


def submit(store: Store, run: int, sent: Sent, number: int) -> int | str:
    """Hand a message to the store; return as the model does."""
    profile, bundle, header, content = sent
    new = replace(
        world.intake(number),
        sender=f"urn:x-sender:{profile}:{run}",
        notification=None,
        keys=(
            IntakeKey(f"bundle:{bundle}", clash="ST124", at="Bundle.id", id=Id.BUNDLE),
            IntakeKey(f"header:{header}", clash="ST124", at="Bundle.entry[0].resource.id", id=Id.HEADER),
        ),
        cases=PROFILES[profile].cases,  # type: ignore[index]
        digest=content * 64,
        original="|".join(sent).encode(),
    )
    try:
        answer = store.commit_intake(new)
    except Conflict as conflict:
        return conflict.code
    return int(json.loads(answer.body)["n"])


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store of each engine for all: every example has senders of its own."""
    place = tmp_path_factory.mktemp("reliable")
    if request.param == "postgresql":
        world.settle_on(place, request.getfixturevalue("cluster").database())
    with world.open_store(place) as one:
        yield one


@given(st.lists(ONE, min_size=1, max_size=12))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
def test_store_and_model_say_the_same_of_ids_that_came_before(store: Store, walk: list[Sent]) -> None:
    """Whatever comes under whatever ids, in any order: processed, answered as before, or refused."""
    run, model = next(_numbers), Naive()
    numbered = [(sent, next(_numbers)) for sent in walk]

    told = [submit(store, run, sent, number) for sent, number in numbered]

    assert told == [model.told(sent, number) for sent, number in numbered]


# Through the whole intake ---------------------------------------------------------------------------------

HEADER = "34773a90-7961-5de4-9645-c46a6abfb152"
OTHER = "0c52bd2e-6d0a-4a3c-9f43-3d8a3e0a4b11"


@pytest.fixture
def relay(folder: Path) -> Iterator[Relay]:
    """The demo deployment on either engine; the hospital is a partner by R4."""
    made = site.relay_in(folder)
    yield made
    made.store.close()


def sent_as(bundle: str = "envelope-1", header: str = HEADER, *, ended: str = "09:40") -> bytes:
    """The shipped FHIR notification under these ids; `ended`: when the procedure did, 09:40 as it is."""
    text = site.case("gallbladder").body.decode().replace(HEADER, header).replace("T09:40:", f"T{ended}:")
    said = json.loads(text)
    said["id"] = bundle
    return json.dumps(said).encode()


def accept(relay: Relay, body: bytes) -> Answer:
    """Submit it as the hospital."""
    return intake.accept(site.submission_of(body, "application/fhir+json"), relay)


def outcome(answer: Answer) -> tuple[int, list[str]]:
    """Status, and the code of a refusal."""
    return answer.status, site.codes(answer.body)[:1] if answer.status != 200 else []


def by_profile(relay: Relay, profile: ProfileName) -> Relay:
    """The same deployment with another agreement with the hospital."""
    hospital = replace(relay.partners[site.TUULILAHTI], profile=profile)
    return replace(relay, partners={**relay.partners, site.TUULILAHTI: hospital})


@pytest.mark.parametrize("profile", ["r4", "medcom"])
@pytest.mark.parametrize(
    ("second", "action"),
    [
        ({}, {"r4": "repeat", "medcom": "resubmission"}),
        ({"bundle": "envelope-2"}, {"r4": "resubmission", "medcom": "repeat"}),
    ],
    ids=["both ids", "a new envelope"],
)
def test_what_says_the_same_gets_the_first_answer(
    relay: Relay, profile: ProfileName, second: dict[str, str], action: dict[str, str]
) -> None:
    """Byte for byte, nothing is sent twice, and the audit names the case."""
    relay = by_profile(relay, profile)
    first = accept(relay, sent_as())
    body = sent_as(**second) + b" "  # other bytes, the same message

    assert accept(relay, body) == first
    assert len(relay.store.messages()) == 1
    assert relay.store.timeline(first.message or "")[-1].what == action[profile]


REFUSED = {
    "both ids with other content": ({"ended": "09:50"}, "ST120"),
    "a new envelope with other content": ({"bundle": "envelope-2", "ended": "09:50"}, "ST120"),
    "the envelope of another message": ({"header": OTHER}, "ST128"),
}


@pytest.mark.parametrize(("second", "code"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("profile", ["r4", "medcom"])
def test_what_says_something_else_is_refused_and_kept(
    relay: Relay, profile: ProfileName, second: dict[str, str], code: str
) -> None:
    """409 with an OperationOutcome, both contents kept, and nothing is sent."""
    relay = by_profile(relay, profile)
    first = accept(relay, sent_as())

    answer = accept(relay, sent_as(**second))

    assert outcome(answer) == (409, [code])
    assert [each.message for each in relay.store.conflicts()] == [first.message]


def test_the_same_notification_under_new_ids_is_answered_to_its_own_header(relay: Relay) -> None:
    """Nothing is sent twice, and the sender finds the answer by the id it waits for."""
    first = accept(relay, sent_as())
    again = accept(relay, sent_as("envelope-2", OTHER))

    said: Any = fhir_json.read(again.body)
    assert said["entry"][0]["resource"]["response"]["identifier"] == OTHER
    assert again.body.replace(OTHER.encode(), HEADER.encode()) == first.body
    assert len(relay.store.messages()) == 1


def test_another_senders_ids_are_its_own(relay: Relay) -> None:
    """The same ids from another hospital are another message."""
    first = accept(relay, sent_as())
    other = sent_as().replace(site.TUULILAHTI.encode(), site.HAVUNIEMI.encode())

    answer = intake.accept(site.submission_of(other, "application/fhir+json", sender=site.HAVUNIEMI), relay)

    assert answer.message not in (None, first.message)


def test_sixteen_at_once_are_one_message_and_one_answer(relay: Relay) -> None:
    """Repeats and resubmissions that come together: one is processed, all get its answer."""
    bodies = [sent_as(f"envelope-{number % 4}") for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda body: accept(relay, body), bodies))

    assert len({answer.body for answer in answers}) == 1
    assert len(relay.store.messages()) == 1


# Asynchronously -------------------------------------------------------------------------------------------


@pytest.fixture
def wire(relay: Relay) -> world.Wire:
    """What the partners take, saying nothing."""
    made = world.Wire(steps=[world.status(202)])
    object.__setattr__(relay, "transport", made)
    return made


def accept_later(relay: Relay, body: bytes) -> Answer:
    """Submit it as the hospital, to be answered by a message."""
    submission = site.submission_of(body, "application/fhir+json")
    return intake.accept(replace(submission, is_asynchronous=True), relay)


def answers(relay: Relay, wire: world.Wire) -> list[Any]:
    """Deliver what is due, and return the requests that went to the hospital."""
    asyncio.run(delivery.deliver_due(relay))
    return [each for each in wire.sent if each.url.endswith("?async=true")]


def test_an_asynchronous_message_is_answered_by_a_message(relay: Relay, wire: world.Wire) -> None:
    """An empty 202 once it is committed; then the very answer that a synchronous sender gets."""
    taken = accept_later(relay, sent_as())
    [request] = answers(relay, wire)

    assert (taken.status, taken.body) == (202, b"")
    assert request.url == "https://partner.invalid/fhir/$process-message?async=true"
    assert request.body == accept(relay, sent_as()).body


def test_a_refusal_is_a_message_too(relay: Relay, wire: world.Wire) -> None:
    """A fatal-error with every finding, to whoever asked to be answered later."""
    taken = accept_later(relay, sent_as().replace(b'"performedDateTime"', b'"performedDate"'))
    [request] = answers(relay, wire)

    said: Any = fhir_json.read(request.body)
    assert (taken.status, said["entry"][0]["resource"]["response"]["code"]) == (202, "fatal-error")
    assert site.codes(request.body)


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (sent_as(header=OTHER), 409)], ids=["unreadable", "a clash"]
)
def test_what_leaves_nothing_to_answer_is_refused_at_once(
    relay: Relay, wire: world.Wire, body: bytes, status: int
) -> None:
    """Nobody waits for a message that will never come."""
    accept(relay, sent_as())

    assert accept_later(relay, body).status == status
    assert answers(relay, wire) == []


def test_a_repeat_is_answered_again_with_the_same_bytes(relay: Relay, wire: world.Wire) -> None:
    """Once for each time it is asked for when no answer is on its way."""
    accept_later(relay, sent_as())
    accept_later(relay, sent_as())
    first = [each.body for each in answers(relay, wire)]
    accept_later(relay, sent_as())

    assert len(first) == 1
    assert [each.body for each in answers(relay, wire)] == first * 2


def test_an_answer_under_new_ids_names_the_header_it_answers(relay: Relay, wire: world.Wire) -> None:
    """The stored answer, addressed to the message that came now."""
    accept(relay, sent_as())
    accept_later(relay, sent_as("envelope-2", OTHER))
    [request] = answers(relay, wire)

    said: Any = fhir_json.read(request.body)
    assert said["entry"][0]["resource"]["response"]["identifier"] == OTHER


@pytest.mark.parametrize(
    ("step", "state"),
    [(world.reply("fatal-error"), DeliveryState.DELIVERED), (world.status(400), DeliveryState.REFUSED)],
    ids=["a reply", "400"],
)
def test_an_answer_is_neither_answered_nor_reported(
    relay: Relay, wire: world.Wire, step: Any, state: DeliveryState
) -> None:
    """What its sender says to it changes nothing; what it does not take waits for a person."""
    wire.steps = [step]
    taken = accept_later(relay, sent_as())
    answers(relay, wire)

    rows = relay.store.deliveries(taken.message or "")
    [row] = [each for each in rows if each.kind is Kind.ANSWER]
    assert row.state is state
    assert not [each for each in rows if each.about == row.id]


def test_an_answer_survives_a_time_when_nobody_takes_it(relay: Relay, wire: world.Wire) -> None:
    """It is a delivery: kept, and sent again byte for byte."""
    wire.steps = [world.status(503), world.status(503), world.status(202)]
    accept_later(relay, sent_as())
    answers(relay, wire)
    relay.clock.move(timedelta(minutes=1))  # type: ignore[attr-defined]

    first, second = answers(relay, wire)[:2]
    assert first.body == second.body


@pytest.mark.parametrize(
    ("named", "code"),
    [
        (None, None),
        ("https://partner.invalid/fhir", None),
        ("https://partner.invalid/fhir/", None),
        ("https://partner.invalid/fhir/$process-message", None),
        ("https://partner.invalid/other", "IN123"),
        ("https://partner.invalid.elsewhere.invalid/fhir", "IN123"),
        ("http://169.254.169.254/latest", "IN123"),
        ("https://partner.invalid/fhir/../internal", "IN123"),
        ("", "IN123"),
    ],
)
def test_answers_go_to_the_agreed_address_only(relay: Relay, named: str | None, code: str | None) -> None:
    """Whatever a caller names, nothing else is ever sent to."""
    found = None
    try:
        intake.check_address(site.TUULILAHTI, named, relay)
    except AdapterError as error:
        found = error.code

    assert found == code


@pytest.mark.parametrize(
    "changes",
    [None, {"endpoint": "mllp://h:1"}, {"form": "cda"}, {"profile": "webhook"}, {"reads_here": True}],
    ids=str,
)
def test_without_an_address_for_messages_nothing_is_answered_later(
    relay: Relay, changes: dict[str, Any] | None
) -> None:
    """The sender is told at once, before anything is taken in."""
    partners = {}
    if changes is not None:
        partners = {site.TUULILAHTI: replace(relay.partners[site.TUULILAHTI], **changes)}

    with pytest.raises(Unsupported, match="IN122"):
        intake.check_address(site.TUULILAHTI, None, replace(relay, partners=partners))


def test_a_partner_may_want_its_copies_asynchronously(relay: Relay, wire: world.Wire) -> None:
    """Then the request says so, and its acknowledgement is waited for."""
    partner = replace(relay.partners[site.KASKELA], is_asynchronous=True, acknowledgement="later")
    relay = replace(relay, partners={**relay.partners, site.KASKELA: partner})
    taken = accept(relay, sent_as())
    [request] = answers(relay, wire)

    [row] = relay.store.deliveries(taken.message or "")
    assert request.headers["X-Request-Id"] == row.header_id
    assert row.state is DeliveryState.AWAITING


# Acknowledgements -----------------------------------------------------------------------------------------


def acknowledged(relay: Relay, wire: world.Wire, *codes: str) -> tuple[str, list[str]]:
    """Send one copy and let its recipient acknowledge it so; return the delivery and the verdicts."""
    partner = replace(relay.partners[site.KASKELA], acknowledgement="later")
    object.__setattr__(relay, "partners", {**relay.partners, site.KASKELA: partner})
    taken = accept(relay, sent_as())
    answers(relay, wire)
    [row] = relay.store.deliveries(taken.message or "")
    return row.id, [said(relay, row.header_id, code) for code in codes]


def said(relay: Relay, identifier: str, code: str) -> str:
    """Take in an acknowledgement of occupational health; return what it meant."""
    return relay.store.acknowledgement(  # type: ignore[return-value]
        site.KASKELA,
        identifier,
        code,
        b"{}",
        relay.clock.now(),  # type: ignore[arg-type]
    ).verdict


WORDS = {
    "twice": (("ok", "ok"), ["first", "repeat"], DeliveryState.ACKNOWLEDGED),
    "yes, then no": (("ok", "fatal-error"), ["first", "contradicting"], DeliveryState.ACKNOWLEDGED),
    "no, then yes": (("fatal-error", "ok"), ["first", "contradicting"], DeliveryState.REFUSED),
    "no, twice": (("fatal-error", "fatal-error"), ["first", "repeat"], DeliveryState.REFUSED),
    "not now, then yes": (("transient-error", "ok"), ["first", "first"], DeliveryState.ACKNOWLEDGED),
}


@pytest.mark.parametrize(("codes", "verdicts", "state"), WORDS.values(), ids=WORDS)
def test_the_first_final_word_stands(
    relay: Relay, wire: world.Wire, codes: tuple[str, ...], verdicts: list[str], state: DeliveryState
) -> None:
    """What contradicts it changes nothing, and somebody hears of it."""
    delivered, found = acknowledged(relay, wire, *codes)

    assert (found, relay.store.delivery(delivered).state) == (verdicts, state)
    assert relay.store.alarm_facts(None).contradicted == verdicts.count("contradicting")


@pytest.mark.parametrize(
    ("code", "state"), [("ok", DeliveryState.ACKNOWLEDGED), ("fatal-error", DeliveryState.REFUSED)]
)
def test_what_a_person_sent_again_is_acknowledged_anew(
    relay: Relay, wire: world.Wire, code: str, state: DeliveryState
) -> None:
    """The word of the time before no longer counts."""
    delivered, _ = acknowledged(relay, wire, "fatal-error")
    relay.store.resend(delivered, actor="operator", reason="asked for")
    answers(relay, wire)

    row = relay.store.delivery(delivered)
    assert (row.state, said(relay, row.header_id, code)) == (DeliveryState.AWAITING, "first")
    assert relay.store.delivery(delivered).state is state


@pytest.mark.parametrize(("hours", "codes"), [(23, 1), (25, 0)])
def test_an_acknowledgement_of_something_unknown_is_kept_for_a_day(
    relay: Relay, wire: world.Wire, hours: int, codes: int
) -> None:
    """Its content is forgotten then; that it came is not."""
    said(relay, "nobody-knows-it", "ok")
    relay.clock.move(timedelta(hours=hours))  # type: ignore[attr-defined]

    forgotten = relay.store.forget(relay.clock.now())

    [row] = relay.store.acknowledgements()
    assert (forgotten, row.verdict) == (1 - codes, "unknown")


@pytest.mark.parametrize(
    ("minutes", "state"), [(1, DeliveryState.ACKNOWLEDGED), (1441, DeliveryState.AWAITING)]
)
def test_an_acknowledgement_from_before_finds_what_becomes_known_within_a_day(
    file_world: world.World, minutes: int, state: DeliveryState
) -> None:
    """An id that was unknown when it was acknowledged, as after a restored backup."""
    file_world.partners[world.CLINIC] = world.partner(world.CLINIC, acknowledgement="later")
    file_world.transport.steps = [world.status(202)]
    known = world.intake(1).deliveries[0].header_id
    file_world.store.acknowledgement(world.CLINIC, known, "ok", b"{}", file_world.clock.now())
    file_world.clock.move(timedelta(minutes=minutes))
    new = file_world.take(1)
    file_world.due()

    assert file_world.state(new) is state


def test_an_acknowledged_original_with_an_unacknowledged_cancellation_is_an_alarm(
    file_world: world.World,
) -> None:
    """The recipient acts on what is no longer true, until a person sees to it."""
    first = file_world.take(1)
    file_world.due()
    file_world.partners[world.CLINIC] = world.partner(world.CLINIC, acknowledgement="later")
    file_world.transport.steps = [world.status(202)]
    file_world.take(2, kind=Kind.CANCELLATION, meaning=Meaning.CANCEL, cancels=first.message)
    for _ in range(4):
        file_world.due()
        file_world.clock.move(timedelta(minutes=15))
    file_world.due()

    assert file_world.state(first) is DeliveryState.ACKNOWLEDGED
    assert file_world.store.alarm_facts(None).cancellations_stuck == 1
