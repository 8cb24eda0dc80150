"""A log line holds ids, codes and numbers, and never what came in."""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from adapter.server import log
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server.conftest import Served

CANARY = "010190-999W"


@pytest.fixture
def everybodys() -> Iterator[list[logging.LogRecord]]:
    """Every record of the process while the test runs, those of adapters that other tests use too."""
    kept: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    keeper = Keep()
    root = logging.getLogger()
    own = logging.getLogger("silta")
    before = own.level
    own.setLevel(logging.INFO)
    root.addHandler(keeper)
    yield kept
    root.removeHandler(keeper)
    own.setLevel(before)


class Written:
    """The lines the process would write of what this test says."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        self._records = records

    def __getitem__(self, number: int) -> str:
        own = [each for each in self._records if each.thread == threading.get_ident()]
        return log.Lines().format(own[number])


@pytest.fixture
def lines(everybodys: list[logging.LogRecord]) -> Written:
    return Written(everybodys)


def fail(text: str) -> Exception:
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


def test_only_listed_keys_are_written(lines: Written) -> None:
    """A value under a key that is not listed is left out."""
    log.say("request", status=200, patient=CANARY)

    assert json.loads(lines[0])["status"] == 200
    assert CANARY not in lines[0]


def test_an_exception_is_told_without_its_text(lines: Written) -> None:
    """The class and the place of an exception are told; its text may quote a patient."""
    log.say_error("unforeseen", fail(f"bad patient {CANARY}"))

    assert json.loads(lines[0])["error"] == "ValueError"
    assert CANARY not in lines[0]


def test_a_librarys_words_are_not_written(lines: Written) -> None:
    """Of another logger's record only the place is told: its words may hold a URL or a body."""
    logging.getLogger("uvicorn.error").warning("GET /Patient?identifier=%s", CANARY)

    assert CANARY not in lines[0]


@pytest.mark.parametrize("value", ["one\ntwo", "a\x1b[31mb", "a\u2028b", "a\rb"])
def test_l1_a_value_cannot_end_its_line(lines: Written, value: str) -> None:
    """Line breaks and terminal commands in a value do not reach the log."""
    log.say("request", route=value)

    assert len(lines[0].splitlines()) == 1
    assert "\x1b" not in lines[0]


def test_l1_a_value_is_cut(lines: Written) -> None:
    """A megabyte in a field is a thousand characters in the log."""
    log.say("request", route="x" * 1_000_000)

    assert len(lines[0]) < 1200


def test_a_request_is_known_by_its_door(adapter: Served, everybodys: list[logging.LogRecord]) -> None:
    """The log names the template of the route; what the caller put into the path is not written."""
    named = {**adapter.headers("tuulilahti"), "Content-Type": "x-application/hl7-v2+er7"}
    given = str(uuid.uuid4())
    adapter.client.post(
        f"{adapter.address}/ingest/{CANARY}", content=b"MSH", headers=named | {"X-Request-Id": given}
    )

    # The line is written once the answer is out, so it may come after the caller has read it.
    until = time.monotonic() + PATIENCE
    while not (said := [line for line in map(log.Lines().format, everybodys) if given in line]):
        assert time.monotonic() < until, "no line for the request"
        time.sleep(0.01)
    assert json.loads(said[0])["route"] == "/ingest/{source}"
    assert not any(CANARY in line for line in said)
