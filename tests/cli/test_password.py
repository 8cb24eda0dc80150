"""`silta password`: a line to keep, from what is typed or piped."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from adapter import cli
from adapter.server.password import fits

if TYPE_CHECKING:
    import pytest


def test_a_password_becomes_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line alone is on stdout, and fits what was piped in."""
    monkeypatch.setattr("sys.stdin", io.StringIO("kolme iloista porsasta\n"))
    code = cli.main(["password"])
    said = capsys.readouterr()

    assert code == cli.OK
    assert fits("kolme iloista porsasta", said.out.strip())
    assert "porsasta" not in said.out + said.err


def test_a_short_password_makes_no_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said how long it has to be, and nothing is printed that could be kept."""
    monkeypatch.setattr("sys.stdin", io.StringIO("porsas\n"))
    code = cli.main(["password"])
    said = capsys.readouterr()

    assert code == cli.USAGE
    assert said.out == ""
    assert "CF166" in said.err
    assert "porsas" not in said.err
