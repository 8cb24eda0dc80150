"""A log line holds ids, codes and numbers, and never what came in."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING

import pytest

from adapter.server import log

if TYPE_CHECKING:
    from tests.server.conftest import Served

CANARY = "010190-999W"


@pytest.fixture
def lines() -> list[str]:
    """Every line the process would write while the test runs."""
    written: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(log.Lines().format(record))

    keeper = Keep()
    root = logging.getLogger()
    own = logging.getLogger("silta")
    before = own.level
    own.setLevel(logging.INFO)
    root.addHandler(keeper)
    yield written
    root.removeHandler(keeper)
    own.setLevel(before)


def fail(text: str) -> Exception:
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


def test_only_listed_keys_are_written(lines: list[str]) -> None:
    """A value under a key that is not listed is left out."""
    log.say("request", status=200, patient=CANARY)

    assert json.loads(lines[0])["status"] == 200
    assert CANARY not in lines[0]


def test_an_exception_is_told_without_its_text(lines: list[str]) -> None:
    """The class and the place of an exception are told; its text may quote a patient."""
    log.say_error("unforeseen", fail(f"bad patient {CANARY}"))

    assert json.loads(lines[0])["error"] == "ValueError"
    assert CANARY not in lines[0]


def test_a_librarys_words_are_not_written(lines: list[str]) -> None:
    """Of another logger's record only the place is told: its words may hold a URL or a body."""
    logging.getLogger("uvicorn.error").warning("GET /Patient?identifier=%s", CANARY)

    assert CANARY not in lines[0]


@pytest.mark.parametrize("value", ["one\ntwo", "a\x1b[31mb", "a\u2028b", "a\rb"])
def test_a_value_cannot_end_its_line(lines: list[str], value: str) -> None:
    """Line breaks and terminal commands in a value do not reach the log."""
    log.say("request", route=value)

    assert len(lines[0].splitlines()) == 1
    assert "\x1b" not in lines[0]


def test_a_value_is_cut(lines: list[str]) -> None:
    """A megabyte in a field is a thousand characters in the log."""
    log.say("request", route="x" * 1_000_000)

    assert len(lines[0]) < 1200


def test_a_request_is_known_by_its_door(adapter: Served, lines: list[str]) -> None:
    """The log names the template of the route; what the caller put into the path is not written."""
    adapter.post(f"/ingest/{CANARY}", b"MSH", "x-application/hl7-v2+er7")

    # The line is written once the answer is out, so it may come after the caller has read it.
    until = time.monotonic() + 20
    while not (written := [line for line in lines if '"event": "request"' in line]):
        assert time.monotonic() < until, "no line for the request"
        time.sleep(0.01)
    [said] = map(json.loads, written)
    assert said["route"] == "/ingest/{source}"
    assert not any(CANARY in line for line in lines)
