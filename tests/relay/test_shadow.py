"""In shadow everything is mapped, judged, decided and stored; nothing leaves. Everybody here is invented."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import Conflict
from adapter.relay import delivery, intake
from adapter.relay.consent import Deny
from adapter.relay.message import DeliveryState, Kind, Level, MessageState
from tests.relay import site
from tests.relay.world import CLINIC, HOSPITAL, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.relay.deployment import Relay


@pytest.fixture
def shadow(world: World) -> World:
    """A world whose relay sends nothing."""
    world.store.begin_shadow()
    world.is_shadow = True
    return world


def test_what_would_go_is_closed_as_that_and_nothing_leaves(shadow: World) -> None:
    """Its reason is DL153; the sender gets no report of it, no case waits for an answer."""
    copy = shadow.take(1)

    shadow.drain()

    [row] = shadow.store.deliveries(copy.message)
    assert shadow.transport.sent == []
    assert (row.state, row.reason, row.reached) == (DeliveryState.CLOSED, "DL153", False)
    assert shadow.store.message(copy.message).state is MessageState.SETTLED
    assert (shadow.store.cases(), shadow.store.disclosures(recipient=CLINIC)) == ([], [])


def test_where_and_how_much_would_have_gone_is_kept(shadow: World) -> None:
    """Address, level, ground, form and size; the copy itself is not kept."""
    copy = shadow.take(1)
    shadow.drain()

    would = shadow.store.rehearsal(copy.deliveries[0].id)

    assert would["endpoint"] == shadow.partners[CLINIC].endpoint
    assert (would["level"], would["basis"]) == (Level.MINIMAL.value, shadow.decided.answer.reference)  # type: ignore[union-attr]
    assert int(would["bytes"]) > 0
    assert shadow.store.content(copy.message, f"copy/{copy.deliveries[0].id}") is None


def test_what_consent_forbids_is_withheld_as_ever_and_its_report_rehearsed(shadow: World) -> None:
    """The decision is the one a live relay takes; the report to the hospital would have gone."""
    shadow.decided.answer = Deny(reasons=("CO103",))
    copy = shadow.take(1)

    shadow.drain()

    first, report = shadow.store.deliveries(copy.message)
    assert (first.state, first.reason) == (DeliveryState.WITHHELD, "CO103")
    assert (report.recipient, report.kind, report.reason) == (HOSPITAL, Kind.DELIVERY_REPORT, "DL153")
    assert shadow.transport.sent == []


def test_a_cancellation_would_go_to_whom_the_first_would_have_gone(shadow: World) -> None:
    """What was rehearsed counts as had, so that the cancellation is rehearsed and not dropped."""
    first = shadow.take(1)
    shadow.drain()
    second = shadow.take(2, kind=Kind.CANCELLATION, cancels=first.message)

    shadow.drain()

    [row] = shadow.store.deliveries(second.message)
    assert row.reason == "DL153"


def test_a_live_store_becomes_no_shadow(world: World) -> None:
    """It has messages that are to be sent: ST127. A shadow begins again as often as it likes."""
    world.take(1)

    with pytest.raises(Conflict, match="ST127"):
        world.store.begin_shadow()

    assert not world.store.is_shadow()


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """The demo deployment in shadow, on a wire that nobody is to use."""
    made = site.relay_in(tmp_path)
    made.store.begin_shadow()
    yield replace(made, is_shadow=True)
    made.store.close()


def test_the_sender_is_told_that_nothing_is_sent(relay: Relay) -> None:
    """Whatever else the answer says, DL154 stands in it: nobody may believe that somebody was told."""
    answer = intake.accept(site.case("back-surgery").submission, relay)

    codes = [one["details"]["coding"][0]["code"] for one in json.loads(answer.body)["issue"]]
    assert "DL154" in codes


def test_a_real_message_is_built_whole_for_whom_it_is(relay: Relay) -> None:
    """Level and ground are those of a live relay, and the wire stays untouched."""
    answer = intake.accept(site.case("back-surgery").submission, relay)
    asyncio.run(delivery.deliver_due(relay))

    [row] = relay.store.deliveries(answer.message or "")
    would: dict[str, Any] = relay.store.rehearsal(row.id)
    assert (row.recipient, row.reason) == (site.KASKELA, "DL153")
    assert (would["level"], would["basis"]) == ("clinical", "luovutuslupa:Consent/l-2025-3381#1")
    assert would["form"] == "application/fhir+json"
