"""The command line: what is offered, how fast, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adapter import cli, errors
from adapter.errors import AdapterError, ConfigurationError, ContentError, DeliveryError

SILTA = Path(sys.executable).parent / "silta"


def silta(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SILTA, *words], capture_output=True, text=True, timeout=60, check=False)


HEAVY = {"pydantic", "fastapi", "sqlalchemy", "lxml", "httpx", "aiohttp", "uvicorn", "cryptography", "fhir"}


def test_help_loads_nothing_heavy() -> None:
    """`silta --help` is there at once because it imports no library that takes time."""
    asked = (
        "import contextlib, sys, adapter.cli\n"
        "with contextlib.suppress(SystemExit): adapter.cli.main(['--help'])\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)

    assert not HEAVY & set(said.stderr.split())


def test_help_names_every_command_that_is_there() -> None:
    """A command is shown exactly if its module exists."""
    shown = silta("--help").stdout

    for command in cli.COMMANDS:
        exists = (Path(cli.__file__).parent / f"{command.module}.py").is_file()
        exists = exists or (Path(cli.__file__).parent / command.module / "__init__.py").is_file()
        assert (f"\n  {command.name} " in shown) is exists


@pytest.mark.parametrize("command", [command.name for command in cli._commands()])
def test_a_command_that_is_shown_explains_itself(command: str) -> None:
    """Every command shown has a help page of its own."""
    said = silta(command, "--help")

    assert said.returncode == 0
    assert said.stdout.startswith(f"usage: silta {command}")


def test_a_mistyped_command_is_answered_with_the_nearest() -> None:
    """A word that is no command ends with exit 2 and a proposal."""
    said = silta("serv")

    assert said.returncode == cli.USAGE
    assert "did you mean 'serve'?" in said.stderr


def test_an_option_is_written_out(capsys) -> None:
    """`--token SECRET` is not taken for `--token-file`, whose name an error would show."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["stub", "hospital", "--send", "x.hl7", "--token", "secret"])

    assert ended.value.code == 2
    assert "unrecognized arguments: --token" in capsys.readouterr().err


def test_version_is_told() -> None:
    """`silta --version` prints name and version."""
    assert silta("--version").stdout.startswith("silta ")


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigurationError("CF100"), 2), (ContentError("IN108"), 1), (DeliveryError("CF150"), 3)],
)
def test_the_exit_code_says_whose_move_it_is(error: AdapterError, code: int) -> None:
    """Ours is 2, the content's 1, the remote side's 3."""
    assert cli.exit_code(error) == code


def test_every_error_has_an_exit_code_of_its_own() -> None:
    """No branch of the tree ends as an internal error."""
    branches = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    leaves = [kind for kind in branches if issubclass(kind, AdapterError) and kind is not AdapterError]

    assert all(cli.exit_code(kind("CF100")) != cli.INTERNAL for kind in leaves)
