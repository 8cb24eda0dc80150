"""Passwords are kept as lines that say nothing, and no line answers faster than another."""

from __future__ import annotations

import time

import pytest

from adapter.server.password import fits, is_line, is_long_enough, line_of
from adapter.server.user import User, Users
from tests.server.people import PASSWORD, line


def test_a_line_fits_its_password_alone() -> None:
    """A keyboard that writes ä in two parts opens the same door; another password does not."""
    made = line_of("päivä päivältä")

    assert PASSWORD not in line()
    assert fits("pa\u0308iva\u0308 pa\u0308iva\u0308lta\u0308", made)
    assert not fits("paiva paivalta", made)


def test_the_same_password_makes_another_line_each_time() -> None:
    """Nobody sees from the files who has the same password."""
    assert line() != line_of(PASSWORD)


WRONG = [
    "",
    PASSWORD,
    "scrypt:15:8:3:AAAA:AAAA",
    "scrypt:1:8:1:AAAAAAAAAAAAAAAAAAAAAA==:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "scrypt:15:8:3:!!!!!!!!!!!!!!!!!!!!!!==:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "sha256:" + "0" * 64,
]


@pytest.mark.parametrize("text", WRONG)
def test_only_a_line_of_full_cost_is_one(text: str) -> None:
    """A cheaper line would tell by its time whose it is."""
    assert not is_line(text)


@pytest.mark.parametrize(("text", "expected"), [("a" * 11, False), ("a" * 12, True), ("ä" * 256, True)])
def test_a_password_has_a_length(text: str, *, expected: bool) -> None:
    """Twelve characters at least; nothing is said of which."""
    assert is_long_enough(text) is expected


def test_a_password_beyond_all_bounds_fits_nothing() -> None:
    """A megabyte is refused without being hashed whole."""
    assert not fits("x" * 1_000_000, line())


def test_an_unknown_name_costs_as_much_as_a_wrong_password() -> None:
    """C3: the time of an answer does not tell which names there are."""
    maija = User(sign_in="maija", name="M", organisation="urn:uuid:x", language="fi", password=line())
    users, spent = Users.of([maija]), []
    for name in ("maija", "nobody"):
        began = time.thread_time()
        assert users.known(name, "not the password") is None
        spent.append(time.thread_time() - began)

    assert spent[1] > spent[0] / 2
