"""U+0000 in what comes in: PostgreSQL holds it in no text, and nobody may be told to try again for that."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from adapter.errors import Malformed, NotFound
from adapter.relay import consent_filing, intake
from adapter.relay.clock import SetClock
from adapter.relay.message import MessageState
from tests.relay import site
from tests.relay.world import CLINIC, NOON, World, key, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from adapter.relay.deployment import Relay


@pytest.fixture
def relay(folder: Path, tmp_path: Path) -> Iterator[Relay]:
    """The demo deployment on either engine."""
    clock = SetClock(site.MARCH)
    with open_store(folder, clock) as store:
        store.import_directory(site.demo_files("partners"), site.MARCH)
        store.import_agreements(site.demo_agreements(), site.MARCH)
        given = [consent_filing.new_consent(each, store) for each in site.demo_files("consents")]
        store.import_consents(given, site.MARCH)
        made = site.relay_in(_elsewhere(tmp_path), clock=clock)
        made.store.close()
        yield replace(made, store=store)


def _elsewhere(tmp_path: Path) -> Path:
    place = tmp_path / "elsewhere"
    place.mkdir()
    return place


IN_THE_MESSAGE = {
    "the notification's id": (b"V2603-118", b"V2603\\X00\\118"),
    "the message's id": (b"OB260302-0001", b"OB\x0026"),
    "the family name": ("Mäkelä-Öhman".encode("latin-1"), b"M\\X00\\kel"),
    "the event": (b"ADT^A03", b"ADT^A\x0003"),
}


def test_a_message_with_it_is_told_what_is_wrong(relay: Relay) -> None:
    """Whatever field it stands in: a 4xx with a finding, kept with its original, and no store in trouble."""
    given = site.case("back-surgery").submission

    for old, new in IN_THE_MESSAGE.values():
        assert old in given.body
        body = given.body.replace(old, new)
        answer = intake.accept(replace(given, body=body), relay)
        assert answer.message is not None
        row = relay.store.message(answer.message)
        assert (answer.status, row.state) in {(422, MessageState.INVALID), (400, MessageState.UNREADABLE)}, (
            new
        )
        assert json.loads(answer.body)["issue"][0]["details"]["coding"]
        assert relay.store.content(row.id, "original") == body


def test_a_key_with_it_is_known_again(world: World) -> None:
    """A repeat gets the same answer, other content is another one's clash."""
    first = world.take(1, keys=(key("n\0one"),))

    again = world.store.commit_intake(first)

    assert again.message == first.message
    assert world.store.message(first.message).state is MessageState.ACCEPTED


ASKED: dict[str, Callable[[World], object]] = {
    "message": lambda world: world.store.message("a\0b"),
    "messages before": lambda world: world.store.messages(before="\0"),
    "resend": lambda world: world.store.resend("a\0b", actor="Aino", reason="why"),
    "acknowledgement": lambda world: world.store.acknowledgement(CLINIC, "a\0b", "ok", b"", NOON),
}


def test_a_question_with_it_is_never_a_fault_of_the_store(world: World) -> None:
    """The caller's fault (IN120) or a thing that is not there, on either engine."""
    for ask in ASKED.values():
        with suppress(Malformed, NotFound):
            ask(world)

    world.take(1)
    world.drain()
    assert len(world.transport.sent) == 1
