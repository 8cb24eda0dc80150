"""What waits on the reply form: offered, not sent; opened once it may be, taken back when not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapter.relay import offer
from adapter.relay.clock import CountedIds
from adapter.relay.consent import Deny
from adapter.relay.message import DeliveryState, Kind, Level, Meaning
from adapter.relay.offer import Standing, open_by, standing
from adapter.relay.source import HELSINKI
from adapter.relay.store.values import Frozen, NewConsent, Opening
from tests.relay.world import CLINIC, HOSPITAL, NOON, SUBJECT, World, intake, new_delivery, partner

if TYPE_CHECKING:
    from adapter.relay.message import Intake
    from adapter.relay.store.values import Offer

S = DeliveryState
COPY = Frozen(
    body=b"{}", media_type="application/fhir+json", level=Level.MINIMAL, content="Procedure/7/_history/2"
)
PERSON = "user/maija"
NEXT_MIDNIGHT = datetime(2026, 3, 3, 22, 0, tzinfo=UTC)
"""The end of Tuesday 3.3.2026 in Helsinki: the working day after NOON's."""


@pytest.fixture
def here(world: World) -> World:
    """The clinic has no system; its people read on the reply form."""
    world.partners[CLINIC] = partner(CLINIC, reads_here=True)
    return world


def offered(world: World, number: int = 1, **changes: Any) -> Intake:
    """A message whose copy waits to be opened."""
    new = world.take(number, **changes)
    world.due()
    return new


def opened(world: World, delivery: str, seen: int | None = None) -> Opening:
    """Open it, as the page does once it has decided that it may be shown."""
    looked = world.store.look(delivery)
    mark = looked.consents_seen if seen is None else seen
    copy = looked.frozen or COPY
    return world.store.open_offer(looked, person=PERSON, copy=copy, basis="b", seen=mark)[0]


def row_of(world: World, new: Intake) -> Any:
    return world.store.delivery(new.deliveries[0].id)


def test_an_offer_is_nothing_sent(here: World) -> None:
    """No wire is used, nothing counts as disclosed, and it awaits whoever opens it."""
    new = offered(here)

    row = row_of(here, new)
    assert here.transport.sent == []
    assert (row.state, row.reached, row.sent_at, row.due_at) == (S.AWAITING, False, None, NEXT_MIDNIGHT)
    assert here.store.disclosures(recipient=CLINIC) == []
    assert [each.delivery for each in here.store.offers([CLINIC], since=NOON)] == [row.id]


def test_opening_is_the_acknowledgement(here: World) -> None:
    """The row of the audit stands with the change of state; the case opens and the message settles."""
    new = offered(here)
    one = new.deliveries[0].id

    assert opened(here, one) is Opening.SHOWN
    row = row_of(here, new)
    acts = [(each.action, each.actor) for each in here.store.audit_rows(object=f"delivery/{one}")]
    assert (row.state, row.acknowledged_at) == (S.ACKNOWLEDGED, NOON)
    assert acts[-2:] == [("disclose", PERSON), ("acknowledge", PERSON)]
    assert [case.id for case in here.store.cases(state="awaiting-reply")] == [one]
    assert here.store.message(new.message).state.value == "settled"


def test_a_second_look_is_written_down_and_changes_nothing(here: World) -> None:
    """Each showing is a disclosure of the same content (D16); the acknowledgement was the first."""
    one = offered(here).deliveries[0].id
    answers = [opened(here, one), opened(here, one)]

    acts = here.store.audit_rows(object=f"delivery/{one}")
    rows = [each.action for each in acts]
    assert answers == [Opening.SHOWN, Opening.SHOWN]
    assert [dict(each.pairs).get("content") for each in acts if each.action == "disclose"] == [
        COPY.content,
        COPY.content,
    ]
    assert rows.count("acknowledge") == 1


def test_what_nobody_opens_is_parked_once_and_the_sender_told(here: World) -> None:
    """At the end of the next working day; nothing is sent again, and it can still be opened."""
    new = offered(here)
    here.clock.move(NEXT_MIDNIGHT - NOON)
    here.drain()
    row = row_of(here, new)
    reports = [each for each in here.store.deliveries(new.message) if each.kind is Kind.DELIVERY_REPORT]

    assert (row.state, row.reason) == (S.PARKED, "DL131")
    assert [each.about for each in reports] == [row.id]
    assert opened(here, row.id) is Opening.SHOWN
    assert row_of(here, new).state is S.ACKNOWLEDGED


def test_the_partners_own_time_stands_above_the_working_day() -> None:
    """What an agreement says of how soon is heeded; over a weekend nobody is expected to look."""
    friday = datetime(2026, 3, 6, 14, 0, tzinfo=UTC)
    quick = partner(CLINIC, reads_here=True, acknowledge_within=timedelta(hours=4))

    assert open_by(friday, quick, HELSINKI) == friday + timedelta(hours=4)
    assert open_by(friday, partner(CLINIC), HELSINKI) == datetime(2026, 3, 9, 22, 0, tzinfo=UTC)


def test_a_consent_that_changes_takes_the_offer_back(here: World) -> None:
    """Within one claim: it is decided on anew, withheld, and the sender told."""
    new = offered(here)
    here.decided.answer = Deny(reasons=("CO103",))
    changed = NewConsent(id="c", subject=SUBJECT, resource={"resourceType": "Consent", "id": "c"})
    here.store.put_consent(changed, actor="patient", at=NOON)
    taken_back = row_of(here, new).state
    here.due()

    row = row_of(here, new)
    assert taken_back is S.QUEUED
    assert (row.state, row.reason, row.reached) == (S.WITHHELD, "CO103", False)
    assert here.store.offers([CLINIC], since=NOON) == []


def test_a_consent_that_changes_under_an_opening_is_asked_first(here: World) -> None:
    """The decision was made on older consents: nothing is shown on it."""
    one = offered(here).deliveries[0].id
    opened(here, one)
    changed = NewConsent(id="c", subject=SUBJECT, resource={"resourceType": "Consent", "id": "c"})
    here.store.put_consent(changed, actor="patient", at=NOON)

    assert opened(here, one, seen=0) is Opening.ASK_AGAIN
    assert [row.action for row in here.store.audit_rows(object=f"delivery/{one}")].count("disclose") == 1


@pytest.mark.parametrize(("meaning", "reason"), [(Meaning.CANCEL, "DL114"), (Meaning.UPDATE, "DL111")])
def test_what_is_taken_back_unopened_is_closed(here: World, meaning: Meaning, reason: str) -> None:
    """A cancellation of what nobody has seen goes to nobody; a correction waits in its place."""
    new = offered(here)
    kind = Kind.CANCELLATION if meaning is Meaning.CANCEL else Kind.NOTIFICATION
    later = intake(2, at=NOON, kind=kind, meaning=meaning, cancels=new.message)
    here.store.commit_intake(later)
    here.drain()

    first, second = row_of(here, new), row_of(here, later)
    assert (first.state, first.reason) == (S.CLOSED, reason)
    assert second.state is (S.CLOSED if meaning is Meaning.CANCEL else S.AWAITING)
    assert opened(here, first.id) is Opening.GONE


def test_a_cancellation_of_what_was_opened_waits_to_be_opened(here: World) -> None:
    """Whoever has seen the notification has to see that it is cancelled."""
    new = offered(here)
    opened(here, new.deliveries[0].id)
    later = intake(2, at=NOON, kind=Kind.CANCELLATION, meaning=Meaning.CANCEL, cancels=new.message)
    here.store.commit_intake(later)
    here.drain()

    assert row_of(here, later).state is S.AWAITING
    assert opened(here, new.deliveries[0].id) is Opening.GONE
    assert opened(here, later.deliveries[0].id) is Opening.SHOWN


def test_d21_what_was_recalled_is_shown_to_nobody(here: World) -> None:
    """D21: who opened a copy that was not theirs sees that it was taken back, and not the copy again."""
    new = offered(here)
    one = new.deliveries[0].id
    opened(here, one)
    [back] = intake(2, at=NOON, kind=Kind.CANCELLATION).deliveries

    assert here.store.recall(one, back, actor="Aino", reason="other clinic") == back.id
    here.drain()

    shown = {each.delivery: standing(each) for each in here.store.offers([CLINIC], since=NOON)}
    assert shown == {one: Standing.CANCELLED, back.id: Standing.WAITS}
    assert opened(here, one) is Opening.GONE


def test_d21_an_unopened_copy_is_closed(here: World) -> None:
    """D21: what nobody has opened was disclosed to nobody; no cancellation is needed."""
    new = offered(here)
    [back] = intake(2, at=NOON, kind=Kind.CANCELLATION).deliveries

    assert here.store.recall(new.deliveries[0].id, back, actor="Aino", reason="other clinic") is None
    assert row_of(here, new).state is S.CLOSED


def test_a_hold_shows_nothing(here: World) -> None:
    """A restored store does not know which consents were withdrawn since."""
    one = offered(here).deliveries[0].id
    here.store.begin_hold(actor="test", reason="restored")

    assert opened(here, one) is Opening.HELD


def test_in_shadow_nothing_is_offered(here: World) -> None:
    """A rehearsal leaves nothing behind that somebody could open."""
    here.is_shadow = True
    new = offered(here)

    assert (row_of(here, new).state, row_of(here, new).reason) == (S.CLOSED, "DL153")


def test_a_report_to_a_provider_that_reads_here_counts_as_delivered(here: World) -> None:
    """Its page tells how far an answer has come; there is nothing to open."""
    here.partners[HOSPITAL] = partner(HOSPITAL, reads_here=True)
    here.decided.answer = Deny(reasons=("CO103",))
    new = offered(here)
    here.drain()
    [report] = [each for each in here.store.deliveries(new.message) if each.kind is Kind.DELIVERY_REPORT]

    assert report.state is S.DELIVERED
    assert here.store.offers([HOSPITAL], since=NOON) == []


def test_an_answer_to_a_sender_that_reads_here_by_now_is_no_offer(here: World) -> None:
    """It had a system when it asked: an operator sees that the answer goes nowhere, its people do not."""
    new = here.take(1)
    way = new_delivery(
        CountedIds(prefix=7), HOSPITAL, NOON, kind=Kind.ANSWER, level=None, basis=None, evidence=None
    )
    here.store.queue_answer(replace(new.answer, message=new.message), way, NOON)
    here.partners[HOSPITAL] = partner(HOSPITAL, reads_here=True)
    here.drain()

    row = here.store.delivery(way.id)
    assert (row.state, row.reason) == (S.PARKED, "DL116")
    assert (
        here.store.offers([HOSPITAL], since=NOON) == here.store.offers_to_tell(timedelta(0), [HOSPITAL]) == []
    )


def test_a_partner_is_told_of_what_is_new_and_again_after_a_day(here: World) -> None:
    """One notice for all that is new, none for what was told, one more while it is not opened."""
    day = timedelta(days=1)
    new = offered(here)
    told = [here.store.offers_to_tell(day, [CLINIC]), here.store.offers_to_tell(day, [CLINIC])]
    here.clock.move(timedelta(hours=1))
    offered(here, 2, subject="b" * 64)
    told.append(here.store.offers_to_tell(day, [CLINIC]))
    here.clock.move(day)
    told.append(here.store.offers_to_tell(day, [CLINIC]))
    opened(here, new.deliveries[0].id)

    assert [[(each.partner, each.waiting) for each in some] for some in told] == [
        [(CLINIC, 1)],
        [],
        [(CLINIC, 2)],
        [(CLINIC, 2)],
    ]


def test_what_could_not_be_told_is_told_again(here: World) -> None:
    """A mail server that is down costs a notice some time, not the notice."""
    offered(here)
    here.store.offers_to_tell(timedelta(days=1), [CLINIC])
    here.store.untold_offers(CLINIC)

    assert len(here.store.offers_to_tell(timedelta(days=1), [CLINIC])) == 1


def an_offer(world: World) -> Offer:
    [found] = world.store.offers([CLINIC], since=NOON)
    return found


def test_an_offer_stands_as_what_became_of_it(here: World) -> None:
    """One word for each: what the page of it is."""
    offered(here)
    one = an_offer(here)
    cases = {
        Standing.WAITS: one,
        Standing.OPENED: replace(one, is_opened=True),
        Standing.FORGOTTEN: replace(one, is_opened=True, is_forgotten=True),
        Standing.EXPIRED: replace(one, state=S.CLOSED),
        Standing.REPLACED: replace(one, superseded_by="m"),
        Standing.CANCELLED: replace(one, superseded_by="m", is_taken_back=True),
    }

    assert {expected: standing(each) for expected, each in cases.items()} == {each: each for each in cases}


def test_nobody_finds_what_is_offered_to_another(here: World) -> None:
    """By its id neither: as if it never was."""
    offered(here)
    one = an_offer(here)

    assert here.store.offer(one.delivery, [CLINIC]) == one
    assert here.store.offer(one.delivery, [HOSPITAL]) is None
    assert timedelta(days=30) < offer.KEPT_IN_SIGHT
