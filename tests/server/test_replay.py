"""A replay through the command line: two operators, two tokens."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from adapter import cli
from adapter.relay.message import DeliveryEvent, DeliveryState
from adapter.relay.store import deliveries
from adapter.shipped import folder
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.relay.store.book import Book
    from tests.server.conftest import Served, Silta

    Second = Callable[..., tuple[int, Any]]


@pytest.fixture
def second(adapter: Served, capsys: pytest.CaptureFixture[str]) -> Second:
    """Run a command as another operator; return the exit code and the JSON document."""

    def run(*words: str) -> tuple[int, Any]:
        token = str(adapter.folder / "tokens" / "operator-only.token")
        code = cli.main([*words, "--server", adapter.address, "--token-file", token, "--json"])
        said = capsys.readouterr().out
        return code, json.loads(said) if said else None

    return run


def parked(adapter: Served, name: str, finding: str) -> str:
    """Take a message in and park its copy for a finding of its own; return the copy's id."""
    body = (folder("fixtures") / "notification" / "back-surgery.hl7").read_bytes()
    for old, new in ((b"V2603-118", f"V-{name}".encode()), (b"OB260302-0001", f"O-{name}".encode())):
        assert old in body
        body = body.replace(old, new)
    answer = adapter.post("/ingest/ehr1", body, "x-application/hl7-v2+er7")
    assert answer.status_code == 200, answer.text
    store = adapter.deployment.store
    [copy] = store.deliveries(store.messages(limit=1)[0].id)

    def park(book: Book) -> bool:
        found = deliveries.find(book, copy.id)
        if found.state != DeliveryState.QUEUED.value:
            return False  # it is on the wire, to a partner that cannot be reached
        event, at = DeliveryEvent.ATTEMPTS_SPENT, adapter.deployment.relay.clock.now()
        deliveries.move(book, found, event, at=at, action="park", reason=finding)
        return True

    ends = time.monotonic() + PATIENCE
    while not store.submit(park).result():
        assert time.monotonic() < ends
        time.sleep(0.02)
    return copy.id


def test_one_prepares_and_another_releases(adapter: Served, silta: Silta, second: Second) -> None:
    """The preview first; released by its preparer it is refused, by another it begins."""
    copy = parked(adapter, "REPLAY-1", "DL104")

    code, replay = silta("replay", "prepare", "--finding", "DL104", "--reason", "receiver mended")
    own, _ = silta("replay", "release", replay["id"], "--reason", "mine")
    other, released = second("replay", "release", replay["id"], "--reason", "looked at")

    assert (code, replay["preview"]["count"], replay["now"]["permitted"]) == (0, 1, 1)
    assert (own, other, released["state"]) == (cli.REMOTE, 0, "released")
    ends = time.monotonic() + PATIENCE
    while adapter.deployment.store.delivery(copy).state is DeliveryState.PARKED:
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_a_prepared_replay_is_listed_and_cancelled(adapter: Served, silta: Silta, second: Second) -> None:
    """Whoever may act may cancel; the copies stay where they are."""
    copy = parked(adapter, "REPLAY-2", "DL118")
    _, replay = silta("replay", "prepare", "--finding", "DL118", "--limit", "5", "--reason", "as asked")

    _, listed = second("replay", "list")
    code, cancelled = second("replay", "cancel", replay["id"], "--reason", "not today")
    _, shown = silta("replay", "show", replay["id"])

    assert listed["items"][0]["id"] == replay["id"]
    assert (code, cancelled["state"], shown["now"]) == (0, "cancelled", None)
    assert adapter.deployment.store.delivery(copy).state is DeliveryState.PARKED


def test_a_replay_is_told_in_lines(adapter: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts, recipients and codes for a person to read; no content."""
    parked(adapter, "REPLAY-3", "DL117")
    where = ["--server", adapter.address, "--token-file", str(adapter.folder / "tokens" / "operator.token")]

    assert cli.main(["replay", "prepare", "--finding", "DL117", "--reason", "mended", *where]) == 0

    told = capsys.readouterr().out
    assert "1 copy, made 2026-" in told
    assert "1 would go" in told


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({}, 400, "AC105"),
        ({"reason": "x", "state": "queued"}, 400, "IN113"),
        ({"reason": "x", "since": "yesterday"}, 400, "IN113"),
        ({"reason": "x", "limit": "0"}, 400, "IN113"),
        ({"reason": "x", "per_minute": "many"}, 400, "IN113"),
        ({"reason": "x", "finding": "XX999"}, 409, "DL150"),
    ],
    ids=str,
)
def test_a_replay_of_another_form_is_refused(
    adapter: Served, asked: dict[str, str], status: int, code: str
) -> None:
    """Without a reason, with words that mean nothing, or of nothing: told by its code."""
    answer = adapter.post("/operator/replays", json.dumps(asked).encode(), "application/json", "operator")

    assert (answer.status_code, code in answer.text) == (status, True)
