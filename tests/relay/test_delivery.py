"""From a claim to an attempt that is written down: what goes out, when, to whom, and what is told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.dialects import sqlite

from adapter.errors import AmbiguousDelivery, Conflict, RefusedDelivery, TransientDelivery
from adapter.relay.consent import Deny
from adapter.relay.message import DeliveryEvent, DeliveryState, Kind, Level, Meaning, MessageState
from adapter.relay.retry import Class
from adapter.relay.store import claims, deliveries, leases, outcomes
from adapter.relay.store.prepared import Prepared
from adapter.relay.store.values import AttemptEnd, NewConsent
from tests.relay.world import (
    CLINIC,
    HOSPITAL,
    NOON,
    OTHER_CLINIC,
    PERMIT,
    SUBJECT,
    World,
    intake,
    ok_reply,
    open_store,
    partner,
    raw_rows,
    reply,
    response,
    status,
)

WITHDRAWN = Deny(reasons=("CO103",))
CLINICAL = replace(PERMIT, level=Level.CLINICAL)
S = DeliveryState


def reports(world: World) -> list[dict[str, object]]:
    """The delivery reports that went out, as the test's copies say them."""
    bodies = [json.loads(request.body) for request in world.transport.sent]
    return [body for body in bodies if body["kind"] == "delivery-report"]


# What an answer leads to ----------------------------------------------------------------------------------

ENDS = {
    "ok in the reply": ("reply", reply("ok"), S.ACKNOWLEDGED, None),
    "fatal-error in the reply": ("reply", reply("fatal-error"), S.REFUSED, "DL121"),
    "transient-error in the reply": ("reply", reply("transient-error"), S.QUEUED, "DL120"),
    "200 without a reply": ("reply", status(200), S.AWAITING, None),
    "200 with rubbish": ("reply", status(200, b"<html>", content_type="text/html"), S.AWAITING, None),
    "200 naming another message": ("reply", reply("ok", "someone-else"), S.AWAITING, None),
    "202": ("later", status(202), S.AWAITING, None),
    "204 and no acknowledgement expected": ("none", status(204), S.DELIVERED, None),
    "200 with an error outcome": (
        "none",
        status(
            200,
            b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid"}]}',
            content_type="application/fhir+json",
        ),
        S.REFUSED,
        "DL121",
    ),
    "200 with a passing error outcome": (
        "none",
        status(
            200,
            b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"transient"}]}',
            content_type="application/fhir+json",
        ),
        S.QUEUED,
        "DL120",
    ),
    **{str(code): ("reply", status(code), S.QUEUED, "DL210") for code in (408, 425, 429, 500, 502, 503, 504)},
    **{str(code): ("reply", status(code), S.REFUSED, "DL211") for code in (400, 409, 413, 415, 422)},
    **{str(code): ("reply", status(code), S.QUEUED, "DL212") for code in (301, 307, 401, 403, 404, 410)},
    "refused connection": ("reply", TransientDelivery("DL201"), S.QUEUED, "DL201"),
    "broken off": ("reply", AmbiguousDelivery("DL204"), S.QUEUED, "DL204"),
    "certificate": ("reply", RefusedDelivery("DL203"), S.QUEUED, "DL203"),
    "no such name": ("reply", RefusedDelivery("DL202"), S.QUEUED, "DL202"),
}


@pytest.mark.parametrize("name", ENDS)
def test_r3_an_answer_leads_where_the_table_says(world: World, name: str) -> None:
    """Each answer or failure of the wire has its state and its reason."""
    acknowledgement, step, state, reason = ENDS[name]
    world.partners[CLINIC] = partner(CLINIC, acknowledgement=acknowledgement)
    world.transport.steps = [step]
    new = world.take(1)

    world.due()

    row = world.store.delivery(new.deliveries[0].id)
    assert (row.state, row.reason) == (state, reason)


def test_success_settles_the_message_and_opens_a_case(world: World) -> None:
    """Acknowledged: the message is settled, and the case waits for somebody to take over."""
    new = world.take(1)
    world.due()
    (case,) = world.store.cases(message=new.message)
    assert world.store.message(new.message).state is MessageState.SETTLED
    assert (case.id, case.state) == (new.deliveries[0].id, "awaiting-reply")


def test_a_message_settles_with_its_last_delivery(world: World) -> None:
    """One of two recipients has it: the message is not settled yet."""
    new = world.take(1, CLINIC, OTHER_CLINIC)
    world.transport.steps = [ok_reply, status(503)]
    world.due()
    assert world.store.message(new.message).state is MessageState.ACCEPTED
    world.transport.steps = [ok_reply]
    world.clock.move(timedelta(seconds=10))
    world.due()
    assert world.store.message(new.message).state is MessageState.SETTLED


def test_settling_asks_of_its_own_messages_alone(file_world: World) -> None:
    """By their ids: an index by state would lead through the whole backlog at every commit."""
    statement = Prepared(deliveries._SETTLE, sqlite.dialect(), ("messages", "at"))
    given = statement.bound({"messages": ["a"], "at": NOON})

    plan = raw_rows(file_world.folder, f"EXPLAIN QUERY PLAN {statement.sql}", *given)

    assert not [step for *_, step in plan if "state" in step]


def test_the_request_names_no_person(world: World) -> None:
    """Address and headers hold ids of ours, the partner's token, and nothing else."""
    world.partners[CLINIC] = partner(CLINIC, token="secret")
    new = world.take(1)
    world.due()
    (request,) = world.transport.sent
    assert request.url == "https://2.example/fhir/$process-message"
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.headers["X-Request-Id"] == new.deliveries[0].header_id
    assert "secret" not in repr(request)


# Repeats --------------------------------------------------------------------------------------------------


def test_repeats_are_byte_identical(world: World) -> None:
    """Whatever went wrong, the same bytes under the same ids go again: the copy is built once."""
    world.transport.steps = [
        status(503),
        AmbiguousDelivery("DL204"),
        TransientDelivery("DL201"),
        AmbiguousDelivery("DL205"),
        ok_reply,
        open_store,
    ]
    new = world.take(1)
    for _ in range(5):
        world.due()
        world.clock.move(timedelta(hours=1))
    assert world.state(new) is S.ACKNOWLEDGED
    assert len(world.transport.sent) == 5
    assert len({(request.body, tuple(request.headers.items())) for request in world.transport.sent}) == 1
    assert world.decided.copies == 1


def test_d15_audit_and_bytes_are_on_disk_before_the_socket(world: World) -> None:
    """When the wire sees the copy, the store already says that it was disclosed, and holds these bytes."""
    seen = []

    def look(request: object) -> None:
        actions = [row.action for row in world.store.audit_rows()]
        seen.append((actions[-1], world.store.content(new.message, f"copy/{new.deliveries[0].id}")))

    world.transport.before = look
    new = world.take(1)
    world.due()
    assert seen == [("disclose", world.transport.sent[0].body)]


def test_retry_after_is_heeded_up_to_an_hour(world: World) -> None:
    """Not sooner than asked, and nobody can put us off for a day."""
    world.transport.steps = [status(503, retry_after="600"), status(429, retry_after="86400"), ok_reply]
    new = world.take(1)
    world.due()
    first = world.store.delivery(new.deliveries[0].id).due_at
    assert first == NOON + timedelta(seconds=600)
    world.clock.move(timedelta(seconds=600))
    world.due()
    assert world.store.delivery(new.deliveries[0].id).due_at == world.clock.now() + timedelta(hours=1)


def test_a_delivery_that_never_arrives_is_parked_and_reported_once(world: World) -> None:
    """After the schedule is spent: parked, one report to the sender, message settled, visible."""
    world.store.import_parties(dict.fromkeys(world.partners, True))
    late = replace(intake(1).deliveries[0], expires_at=NOON + timedelta(days=30))
    world.store.commit_intake(replace(intake(1), deliveries=(late,)))
    world.transport.before = lambda request: world.transport.steps.__setitem__(
        0, status(503) if b'"notification"' in request.body else ok_reply
    )
    for _ in range(2_000):
        world.due()
        if world.store.delivery(late.id).state is not S.QUEUED:
            break
        world.clock.move(timedelta(hours=1))
    world.drain()
    assert world.store.delivery(late.id).state is S.PARKED
    assert [(each["about"], each["reason"]) for each in reports(world)] == [("parked", "DL210")]
    assert world.clock.now() - NOON < timedelta(days=5, hours=7)


def test_a_late_ok_lifts_a_parked_delivery(world: World) -> None:
    """Somebody has it after all."""
    new = _parked(world)
    matched = world.store.acknowledgement(CLINIC, new.header_id, "ok", b"{}", world.clock.now())
    assert (matched.verdict, matched.state) == ("first", S.ACKNOWLEDGED)


def _parked(world: World) -> object:
    world.transport.steps = [status(422)]
    made = world.take(1)
    world.due()
    return made.deliveries[0]


def test_an_operator_may_resend_and_the_message_opens_again(world: World) -> None:
    """Refused -> queued: same bytes, fresh schedule; the message is no longer settled."""
    parked = _parked(world)
    world.store.resend(parked.id, actor="operator", reason="mended at their end")
    row = world.store.delivery(parked.id)
    assert (row.state, row.attempts) == (S.QUEUED, 0)
    assert world.store.message(row.message).state is MessageState.ACCEPTED
    world.transport.steps = [ok_reply]
    world.drain()
    assert world.store.delivery(parked.id).state is S.ACKNOWLEDGED
    copies = {request.body for request in world.transport.sent if b'"notification"' in request.body}
    assert len(copies) == 1


def test_an_operator_may_close_with_a_reason(world: World) -> None:
    """Refused -> closed, the reason in the audit; a queued one has no such step."""
    parked = _parked(world)
    world.store.close_delivery(parked.id, actor="operator", reason="told by phone")
    row = world.store.audit_rows(object=f"delivery/{parked.id}")[-1]
    assert (row.outcome, dict(row.pairs)["why"]) == ("closed", "told by phone")
    with pytest.raises(Conflict, match="DL101"):
        world.store.close_delivery(parked.id, actor="operator", reason="again")


def test_the_refusal_is_kept_for_the_operator(world: World) -> None:
    """What the recipient said stands with the attempt, sealed."""
    world.transport.steps = [status(422, b"your bundle has no patient")]
    new = world.take(1)
    world.due()
    part = f"answer/{new.deliveries[0].id}/1"
    assert world.store.content(new.message, part) == b"your bundle has no patient"


# The route ------------------------------------------------------------------------------------------------


def test_a_fault_of_the_route_pauses_the_partner_and_burns_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Wrong certificate: no attempt counts, nobody else is tried, one alarm, and it goes on by itself."""
    world.transport.steps = [RefusedDelivery("DL203")]
    messages = [world.take(number, subject=f"{number:064x}") for number in range(1, 4)]
    world.due(limit=1)
    for _ in range(10):
        world.clock.move(timedelta(seconds=20))
        world.due()
    rows = [world.store.delivery(each.deliveries[0].id) for each in messages]
    assert [row.attempts for row in rows] == [0, 0, 0]
    assert len(world.transport.sent) < 5
    assert sum("rests" in record.message for record in caplog.records) == 1

    world.transport.steps = [ok_reply]
    world.clock.move(timedelta(minutes=20))
    world.drain()
    assert [world.state(each) for each in messages] == [S.ACKNOWLEDGED] * 3


def test_a_paused_partner_does_not_stop_another(world: World) -> None:
    """The rest belongs to the route, not to the engine."""
    new = world.take(1, CLINIC, OTHER_CLINIC)
    world.transport.steps = [status(404), ok_reply]
    world.due()
    assert {world.state(new), world.state(new, 1)} == {S.QUEUED, S.ACKNOWLEDGED}


def test_ten_failures_in_a_row_rest_the_route(world: World) -> None:
    """The breaker is in the store: it survives a restart."""
    world.transport.steps = [TransientDelivery("DL201")]
    for number in range(1, 12):
        world.take(number, subject=f"{number:064x}")
    for _ in range(60):
        world.due()
        world.clock.move(timedelta(seconds=1))
    clinic = next(party for party in world.store.parties() if party.key == CLINIC)
    assert clinic.failures >= 10
    assert clinic.paused_until is not None


def test_an_operator_may_lift_a_rest(world: World) -> None:
    """`resume` lets the next claim try."""
    world.transport.steps = [status(404), ok_reply]
    new = world.take(1)
    world.due()
    assert world.due() == 0
    world.store.resume(CLINIC, actor="operator")
    world.due()
    assert world.state(new) is S.ACKNOWLEDGED


# Asking again ---------------------------------------------------------------------------------------------


def test_a_withdrawn_consent_withholds_and_tells_the_sender(world: World) -> None:
    """Asked before each send: what was permitted at intake and is not now stays here."""
    new = world.take(1)
    world.decided.answer = WITHDRAWN
    world.due()
    assert world.state(new) is S.WITHHELD
    assert world.transport.sent == []
    world.drain()
    assert [(each["about"], each["reason"]) for each in reports(world)] == [("withheld", "CO103")]


def test_a_withdrawal_between_two_attempts_stops_the_second(world: World) -> None:
    """Retrying deliveries are asked about too."""
    world.transport.steps = [status(503)]
    new = world.take(1)
    world.due()
    world.decided.answer = WITHDRAWN
    world.clock.move(timedelta(minutes=1))
    world.due()
    assert (world.state(new), len(world.transport.sent)) == (S.WITHHELD, 1)


def test_a_consent_that_changes_while_it_is_decided_is_asked_again(world: World) -> None:
    """Committed between the decision and the freeze: the decision is taken anew, and nothing leaves."""

    def withdraw() -> None:
        if len(world.decided.asked) == 1:
            made = NewConsent(id="c", subject=SUBJECT, resource={"resourceType": "Consent"})
            world.store.put_consent(made, actor=CLINIC, at=NOON)
        else:
            world.decided.answer = WITHDRAWN

    world.decided.when_asked = withdraw
    new = world.take(1)
    world.due()
    assert (world.state(new), len(world.decided.asked), world.transport.sent) == (S.WITHHELD, 2, [])


def test_a_new_consent_lets_a_withheld_delivery_go(world: World) -> None:
    """Withheld -> queued once the subject's consents change and permit it."""
    world.decided.answer = WITHDRAWN
    new = world.take(1)
    world.due()
    assert world.store.message(new.message).state is MessageState.SETTLED
    world.decided.answer = CLINICAL
    made = NewConsent(id="c", subject=SUBJECT, resource={"resourceType": "Consent"})
    world.store.put_consent(made, actor=CLINIC, at=NOON)
    world.due()
    row = world.store.delivery(new.deliveries[0].id)
    assert (row.state, row.level) == (S.ACKNOWLEDGED, Level.CLINICAL)


def test_a_changed_level_rebuilds_what_nobody_can_have(world: World) -> None:
    """The first attempt never left: the copy is built anew at the level permitted now."""
    world.transport.steps = [TransientDelivery("DL201"), ok_reply]
    world.take(1)
    world.due()
    world.decided.answer = CLINICAL
    world.clock.move(timedelta(minutes=1))
    world.due()
    assert [json.loads(request.body)["level"] for request in world.transport.sent] == ["minimal", "clinical"]


def test_a_changed_level_withholds_what_may_have_arrived(world: World) -> None:
    """Other bytes under the same id never go out: a person decides."""
    world.transport.steps = [AmbiguousDelivery("DL204"), ok_reply]
    new = world.take(1)
    world.due()
    world.decided.answer = CLINICAL
    world.clock.move(timedelta(minutes=1))
    world.due()
    row = world.store.delivery(new.deliveries[0].id)
    assert (row.state, row.reason) == (S.WITHHELD, "DL115")


def test_what_is_too_old_is_closed_and_reported(world: World) -> None:
    """A currency of five days: then the sender is told, and nothing is sent."""
    new = world.take(1)
    world.clock.move(timedelta(days=5))
    world.drain()
    row = world.store.delivery(new.deliveries[0].id)
    assert (row.state, row.reason) == (S.CLOSED, "DL110")
    assert [each["about"] for each in reports(world)] == ["closed"]


def test_age_comes_to_deliveries_of_a_resting_route_too(world: World) -> None:
    """A pause does not keep what is too old."""
    world.transport.steps = [status(404)]
    new = world.take(1)
    world.due()
    world.clock.move(timedelta(days=6))
    world.due()
    assert world.state(new) is S.CLOSED


def test_a_copy_that_cannot_be_built_is_parked_and_stops_nobody(world: World) -> None:
    """A fault of ours in one message is seen by an operator; the others go."""

    def fail() -> None:
        if len(world.decided.asked) == 1:
            raise RuntimeError("invented fault")

    world.decided.when_asked = fail
    one, two = world.take(1), world.take(2, OTHER_CLINIC)
    world.drain()
    states = {world.state(one), world.state(two)}
    assert states == {S.PARKED, S.ACKNOWLEDGED}


def test_a_recipient_without_endpoint_is_parked(world: World) -> None:
    """Taken out of the configuration after intake."""
    new = world.take(1)
    del world.partners[CLINIC]
    world.due()
    assert world.store.delivery(new.deliveries[0].id).reason == "DL116"


def test_a_report_never_leads_to_a_report(world: World) -> None:
    """The sender's system refuses the report: that is the end of it."""
    world.transport.steps = [status(422)]
    world.take(1)
    world.drain()
    assert world.store.counts()["reports"] == {"refused": 1}


def test_a_sender_without_endpoint_gets_no_report(world: World) -> None:
    """Nobody to send it to."""
    world.partners = {CLINIC: partner(CLINIC)}
    world.transport.steps = [status(422)]
    world.take(1)
    world.drain()
    assert world.store.counts()["reports"] == {}


# Cancellation and supersession ----------------------------------------------------------------------------


def cancel(world: World, earlier: object, number: int = 2, meaning: Meaning = Meaning.CANCEL) -> object:
    """A message that cancels (or replaces) an earlier one."""
    kind = Kind.CANCELLATION if meaning is Meaning.CANCEL else Kind.NOTIFICATION
    return world.take(number, CLINIC, kind=kind, meaning=meaning, cancels=earlier.message)  # type: ignore[attr-defined]


def test_a_cancellation_closes_what_was_not_sent_and_goes_to_nobody(world: World) -> None:
    """The recipient never hears of either."""
    one = world.take(1)
    two = cancel(world, one)
    world.drain()
    notification, cancellation = (world.store.delivery(each.deliveries[0].id) for each in (one, two))
    assert (notification.state, notification.reason) == (S.CLOSED, "DL114")
    assert (cancellation.state, cancellation.reason) == (S.CLOSED, "DL112")
    assert all(b"delivery-report" in request.body for request in world.transport.sent)


def test_a_cancellation_travels_to_whoever_got_the_first(world: World) -> None:
    """Delivered, then cancelled: the recipient is told."""
    one = world.take(1)
    world.drain()
    two = cancel(world, one)
    world.drain()
    assert world.state(two) is S.ACKNOWLEDGED
    assert b'"cancellation"' in world.transport.sent[-1].body


def test_a_cancellation_travels_to_whoever_may_have_got_the_first(world: World) -> None:
    """The first attempt's fate is unknown: the copy is closed, and the cancellation goes."""
    world.transport.steps = [AmbiguousDelivery("DL204"), ok_reply]
    one = world.take(1)
    world.due()
    two = cancel(world, one)
    world.clock.move(timedelta(minutes=1))
    world.drain()
    assert (world.state(one), world.state(two)) == (S.CLOSED, S.ACKNOWLEDGED)


def test_a_copy_on_the_wire_when_the_cancellation_comes_is_not_sent_again(world: World) -> None:
    """It came back as transient: instead of a repeat it is closed, and the cancellation goes."""

    def cancel_meanwhile(_: object) -> None:
        world.transport.before = None
        later.append(cancel(world, one))

    later: list[object] = []
    world.transport.steps = [status(503), ok_reply]
    world.transport.before = cancel_meanwhile
    one = world.take(1)
    world.due()
    world.clock.move(timedelta(minutes=1))
    world.drain()
    assert (world.state(one), world.state(later[0])) == (S.CLOSED, S.ACKNOWLEDGED)  # type: ignore[arg-type]


def test_an_update_takes_the_place_of_what_was_not_sent(world: World) -> None:
    """Only the newer one goes."""
    one = world.take(1)
    two = cancel(world, one, meaning=Meaning.UPDATE)
    world.drain()
    assert (world.state(one), world.state(two)) == (S.CLOSED, S.ACKNOWLEDGED)


def test_a_cancellation_of_an_unsent_update_goes_to_whoever_has_the_first(world: World) -> None:
    """The chain of what replaced what is followed back."""
    one = world.take(1)
    world.drain()
    two = cancel(world, one, 2, Meaning.UPDATE)
    three = cancel(world, two, 3)
    world.drain()
    assert (world.state(two), world.state(three)) == (S.CLOSED, S.ACKNOWLEDGED)


# Order, leases, recovery ----------------------------------------------------------------------------------


def test_a_lane_keeps_its_order_behind_a_failing_head(world: World) -> None:
    """The second message about a person waits until the first has arrived."""
    world.transport.steps = [status(503), ok_reply]
    one, two = world.take(1), world.take(2)
    world.due()
    assert world.due() == 0
    world.clock.move(timedelta(minutes=1))
    world.drain()
    headers = [request.headers["X-Request-Id"] for request in world.transport.sent]
    first, second = (each.deliveries[0].header_id for each in (one, two))
    assert headers == [first, first, second]


def test_another_lane_does_not_wait(world: World) -> None:
    """Another person's messages to the same recipient flow."""
    world.transport.steps = [status(503), ok_reply]
    world.take(1)
    two = world.take(2, subject="b" * 64)
    world.due()
    assert world.state(two) is S.ACKNOWLEDGED


def test_a_refused_head_lets_the_next_go(world: World) -> None:
    """For notifications a permanent failure does not block the lane."""
    world.transport.steps = [status(422), ok_reply]
    one, two = world.take(1), world.take(2)
    world.due()
    world.due()
    assert (world.state(one), world.state(two)) == (S.REFUSED, S.ACKNOWLEDGED)


def test_partners_take_turns(world: World) -> None:
    """A long queue of one recipient leaves the others their share of a claim."""
    for number in range(1, 21):
        world.take(number, CLINIC, subject=f"{number:064x}")
    world.take(21, OTHER_CLINIC)
    claimed = world.store.submit(claims.claim, NOON, 4).result()
    assert OTHER_CLINIC in {each.recipient for each in claimed}


def test_a_claimed_lane_is_nobody_elses(world: World) -> None:
    """Until the lease ends."""
    world.take(1)
    assert len(world.store.submit(claims.claim, NOON, 9).result()) == 1
    assert world.store.submit(claims.claim, NOON, 9).result() == []
    world.clock.move(claims.LEASE)
    (again,) = world.store.submit(claims.claim, world.clock.now(), 9).result()
    assert again.token == 2


def test_a_late_completion_changes_nothing(world: World) -> None:
    """The lease was lost and another has it: the attempt is kept as late, state and lane stay."""
    new = world.take(1)
    (first,) = world.store.submit(claims.claim, NOON, 9).result()
    world.clock.move(claims.LEASE)
    (second,) = world.store.submit(claims.claim, world.clock.now(), 9).result()

    world.store.submit(outcomes.record_attempt, _ended(first, world)).result()

    row = world.store.delivery(new.deliveries[0].id)
    (attempt,) = world.store.attempts(row.id)
    assert (row.state, attempt.late, attempt.token) == (S.SENDING, True, first.token)
    assert second.token == first.token + 1


def _ended(claimed: object, world: World) -> object:
    return AttemptEnd(
        delivery=claimed.delivery,  # type: ignore[attr-defined]
        token=claimed.token,  # type: ignore[attr-defined]
        started_at=NOON,
        ended_at=world.clock.now(),
        outcome=Class.TAKEN,
        status=200,
        reason=None,
        reached=True,
        counts=True,
        events=(DeliveryEvent.SENT_UNACKNOWLEDGED,),
        due_at=None,
    )


def test_nothing_is_sent_when_the_lease_would_end_first(world: World) -> None:
    """Frozen too late: the delivery goes back to the queue, and the wire stays silent."""
    world.decided.when_asked = lambda: world.clock.move(timedelta(seconds=25))
    new = world.take(1)
    world.due()
    assert (world.transport.sent, world.state(new)) == ([], S.QUEUED)
    world.decided.when_asked = None
    world.due()
    assert world.state(new) is S.ACKNOWLEDGED


def test_a_restart_takes_back_every_lease_at_once(world: World) -> None:
    """On one node nobody else can be alive: no wait for the lease, and the same bytes go."""
    new = world.take(1)
    world.transport.before = lambda _: _die()
    with pytest.raises(_Died):
        world.due()
    assert world.state(new) is S.SENDING
    world.store.close()

    with open_store(world.file.parent, world.clock) as store:  # type: ignore[union-attr]
        world.store = store
        world.transport.before = None
        row = store.delivery(new.deliveries[0].id)
        assert (row.state, row.reached) == (S.QUEUED, True)
        world.due()
        assert world.state(new) is S.ACKNOWLEDGED
        assert len({request.body for request in world.transport.sent}) == 1


class _Died(BaseException):
    """The process ended here."""


def _die() -> None:
    raise _Died


# Acknowledgements -----------------------------------------------------------------------------------------


def awaiting(world: World) -> object:
    """A delivery that waits for its acknowledgement."""
    world.partners[CLINIC] = partner(CLINIC, acknowledgement="later")
    world.transport.steps = [status(202)]
    new = world.take(1)
    world.due()
    return new.deliveries[0]


@pytest.mark.parametrize(
    ("code", "state"),
    [("ok", S.ACKNOWLEDGED), ("fatal-error", S.REFUSED), ("transient-error", S.QUEUED)],
)
def test_an_acknowledgement_finds_its_delivery(world: World, code: str, state: DeliveryState) -> None:
    """By header id, and the body is kept sealed."""
    one = awaiting(world)
    matched = world.store.acknowledgement(CLINIC, one.header_id, code, response("x", code), NOON)
    (kept,) = world.store.acknowledgements(one.id)
    assert (matched.verdict, matched.state) == ("first", state)
    assert world.store.acknowledgement_body(kept.number) == response("x", code)


def test_an_acknowledgement_is_forgotten_with_its_message(world: World) -> None:
    """Once the message's key is destroyed, nobody reads what its recipient answered."""
    world.transport.steps = [reply("ok")]
    one = world.take(1).deliveries[0]
    world.due()
    (kept,) = world.store.acknowledgements(one.id)
    assert world.store.acknowledgement_body(kept.number) is not None

    world.store.forget(NOON + timedelta(days=30))

    assert world.store.acknowledgement_body(kept.number) is None


def test_an_acknowledgement_by_bundle_id_is_found_too(world: World) -> None:
    """R5 names the Bundle; so do some R4 systems."""
    one = awaiting(world)
    assert world.store.acknowledgement(CLINIC, one.bundle_id, "ok", b"", NOON).delivery == one.id


def test_nobody_acknowledges_for_another(world: World) -> None:
    """The right id from the wrong organisation is unknown."""
    one = awaiting(world)
    assert world.store.acknowledgement(OTHER_CLINIC, one.header_id, "ok", b"", NOON).verdict == "unknown"
    assert world.store.delivery(one.id).state is S.AWAITING


def test_the_first_acknowledgement_wins(world: World) -> None:
    """A repeat is logged, a contradiction is flagged, and both change nothing."""
    one = awaiting(world)
    verdicts = [
        world.store.acknowledgement(CLINIC, one.header_id, code, b"", NOON).verdict
        for code in ("ok", "ok", "fatal-error")
    ]
    assert verdicts == ["first", "repeat", "contradicting"]
    assert world.store.delivery(one.id).state is S.ACKNOWLEDGED


def test_an_unknown_acknowledgement_is_kept(world: World) -> None:
    """It stands where an operator sees it."""
    world.store.acknowledgement(CLINIC, "nobody-knows", "ok", b"", NOON)
    (kept,) = world.store.acknowledgements()
    assert (kept.identifier, kept.verdict) == ("nobody-knows", "unknown")


def test_an_acknowledgement_that_came_first_is_matched_later(world: World) -> None:
    """Kept as unknown, it finds its delivery when that waits for it."""
    made = intake(1)
    world.store.acknowledgement(CLINIC, made.deliveries[0].header_id, "ok", b"", NOON)
    one = awaiting(world)
    assert world.store.delivery(one.id).state is S.ACKNOWLEDGED


def test_an_acknowledgement_that_overtakes_the_answer_counts(world: World) -> None:
    """It comes while the copy is still on the wire; the answer that follows changes nothing."""
    new = intake(1)
    world.transport.before = lambda request: world.store.acknowledgement(
        CLINIC, request.headers["X-Request-Id"], "ok", b"", NOON
    )
    world.transport.steps = [status(503)]
    world.take(1)
    world.due()
    row = world.store.delivery(new.deliveries[0].id)
    assert (row.state, world.store.attempts(row.id)[0].outcome) == (S.ACKNOWLEDGED, "transient")
    assert world.store.submit(leases.recover, NOON, everything=True).result() == 0


def test_without_acknowledgement_it_goes_again_twice_and_is_then_parked(world: World) -> None:
    """After 15 minutes each; the sender is told once."""
    one = awaiting(world)
    for _ in range(4):
        world.clock.move(timedelta(minutes=15))
        world.due()
    row = world.store.delivery(one.id)
    sent = [request for request in world.transport.sent if request.headers["X-Request-Id"] == one.header_id]
    assert (row.state, row.reason, len(sent)) == (S.PARKED, "DL104", 3)


def test_the_case_opens_at_a_late_acknowledgement_too(world: World) -> None:
    """However it comes, an acknowledgement opens the case."""
    one = awaiting(world)
    assert world.store.cases() == []
    world.store.acknowledgement(CLINIC, one.header_id, "ok", b"", NOON)
    assert [case.id for case in world.store.cases(state="awaiting-reply")] == [one.id]


def test_the_timeline_tells_the_whole_story(world: World) -> None:
    """From acceptance over disclosure to the end, in order."""
    new = world.take(1)
    world.due()
    told = [row.what for row in world.store.timeline(new.message)]
    assert told == ["accept", "disclose", "attempt", "open-case", "settle"]
    assert HOSPITAL in {row.actor for row in world.store.timeline(new.message)}
