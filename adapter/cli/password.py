"""`silta password`: the line of a password file, for a person who reads and answers on the reply form."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING

from adapter.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    from adapter.server.password import SHORTEST

    parser = subparsers.add_parser(
        "password",
        help="make the line of a password file for the reply form",
        description="Asks for a password twice, or reads it from standard input, and prints the line that "
        "[[user]] password_file holds: salted, slow to guess, and never the password itself. "
        f"It needs {SHORTEST} characters at least.",
    )
    parser.set_defaults(run=run)


def run(_arguments: argparse.Namespace) -> int:
    """Print the line. Raises ConfigurationError: CF166 too short or long, CF167 not twice the same."""
    from adapter.cli import OK
    from adapter.server.password import SHORTEST, is_long_enough, line_of

    typed = _typed()
    if not is_long_enough(typed):
        raise ConfigurationError("CF166", params={"shortest": SHORTEST})
    print(line_of(typed))
    return OK


def _typed() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("Password: ")
    if first != getpass.getpass("Once more: "):
        raise ConfigurationError("CF167")
    return first
