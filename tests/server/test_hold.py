"""Hold and backup through the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter import cli

if TYPE_CHECKING:
    import pytest

    from tests.server.conftest import Served, Silta


def test_a_hold_is_begun_shown_and_lifted(adapter: Served, silta: Silta) -> None:
    """By whoever administers; metrics tell of it."""
    code, begun = silta("hold", "begin", "--reason", "moving the receiver")
    try:
        _, shown = silta("hold", "show")
        told = adapter.get("/metrics").text
    finally:
        _, lifted = silta("hold", "lift", "--reason", "moved")

    assert (code, begun["held"], shown["actor"], lifted["held"]) == (0, True, "operator", False)
    assert "silta_held 1.0" in told
    assert silta("hold", "lift", "--reason", "again")[0] == cli.REMOTE


def test_a_backup_goes_to_the_folder_of_the_settings(
    adapter: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it lies and which head of the trail it has; in the audit stands who made it and why."""
    where = ["--server", adapter.address, "--token-file", str(adapter.folder / "tokens" / "operator.token")]

    code = cli.main(["backup", "--reason", "nightly", *where])

    [file] = (adapter.folder / "backups").glob("silta-*.db")
    [made] = adapter.deployment.store.audit_rows(object="store")
    assert (code, (made.actor, made.reason)) == (0, ("operator", "nightly"))
    assert str(file) in capsys.readouterr().out
