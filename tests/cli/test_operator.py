"""Operators without a server: the commands take the store itself, and only where nobody else has it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from adapter import cli, config
from adapter.cli import site
from adapter.config import build
from adapter.server.listen import address_of, bind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from adapter.config.settings import Settings

    Silta = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A deployment at whose address nobody answers, because the port is held and not listened on."""
    listener = bind("127.0.0.1", 0)
    places = site.Places(listen=address_of(listener).removeprefix("http://"))
    yield config.load(site.make(tmp_path_factory.mktemp("alone") / "site", places))
    listener.close()


@pytest.fixture
def settings(deployment: Settings) -> Settings:
    """The same, before it ever ran."""
    assert deployment.store_file is not None
    deployment.store_file.unlink(missing_ok=True)
    return deployment


@pytest.fixture
def silta(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Silta:
    """Run a command; return the exit code and the JSON document, or the code of the first error."""

    def run(*words: str) -> tuple[int, Any]:
        code = cli.main([*words, "--config", str(settings.file), "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else said.err.split()[1]

    return run


def test_to_look_makes_no_store(settings: Settings, silta: Silta) -> None:
    """Where nothing ever ran there is nothing to look at."""
    assert silta("messages", "list") == (3, "CF150")
    assert not settings.store_file.exists()  # type: ignore[union-attr]


def test_what_was_decided_stands_when_the_server_starts(settings: Settings, silta: Silta) -> None:
    """A hold that was begun and audited without a server is there for the next process."""
    build(settings).store.close()

    code, _ = silta("hold", "begin", "--reason", "restored by hand")

    assert code == 0
    with build(settings).store as store:
        standing = store.hold()
        assert standing is not None
        assert (standing.actor, standing.reason) == ("operator", "restored by hand")
        assert store.verify_audit() is None


def test_a_store_that_another_process_has_is_left_alone(settings: Settings, silta: Silta) -> None:
    """The command says whose move it is, exit 2."""
    with build(settings).store:
        assert silta("queue", "list") == (2, "ST101")


def test_a_token_counts_as_at_the_server(settings: Settings, silta: Silta, tmp_path: Path) -> None:
    """Who may read the file may still not do what only a person with a token may."""
    build(settings).store.close()
    stranger = tmp_path / "stranger.token"
    stranger.write_text("stranger", "utf-8")

    assert silta("queue", "list", "--token-file", str(stranger)) == (3, "AC102")


def test_a_shadow_can_be_looked_at(settings: Settings, silta: Silta) -> None:
    """What a shadow would have done is read without running one."""
    build(settings, shadow=True).store.close()

    code, found = silta("messages", "list")

    assert (code, found["items"]) == (0, [])


def test_another_master_key(settings: Settings, silta: Silta, tmp_path: Path) -> None:
    """The key is made for its owner alone, and the settings have to name it from then on."""
    build(settings).store.close()
    new = tmp_path / "new.key"

    code, found = silta("key", "rotate", "--to", str(new), "--reason", "yearly")

    assert (code, found["keys"] > 0, new.stat().st_mode & 0o777) == (0, True, 0o600)
    assert silta("queue", "list") == (2, "ST103")
    with build(replace(settings, key=bytes.fromhex(new.read_text("ascii")))).store as store:
        assert store.verify_audit() is None


def test_a_file_that_holds_no_key_changes_nothing(settings: Settings, silta: Silta, tmp_path: Path) -> None:
    """A mistaken file name is said, and the store opens as before."""
    build(settings).store.close()
    wrong = tmp_path / "wrong.key"
    wrong.write_text("not a key", "utf-8")

    assert silta("key", "rotate", "--to", str(wrong), "--reason", "yearly") == (2, "CF119")
    assert silta("queue", "list")[0] == 0
