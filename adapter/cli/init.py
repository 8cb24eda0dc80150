"""`silta init`: a folder to start from, which works at once and explains itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "init",
        help="make a folder with a commented silta.toml to start from",
        description="Makes settings, keys and tokens (0600), and example partners, consents and agreements "
        "about invented people, so that `silta serve` works at once in test mode.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder that is not there yet, or empty")
    parser.add_argument("--port", type=int, default=8080, help="port the adapter will listen on (8080)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the folder and say what to do next."""
    from adapter.cli import OK
    from adapter.cli.site import Places, make

    settings = make(arguments.folder, Places(listen=f"127.0.0.1:{arguments.port}"))
    where = arguments.folder
    print(f"{where}: a deployment in test mode, with EXAMPLE partners, consents and agreements.")
    print()
    steps = {
        f"silta doctor --config {settings}": "check it",
        "silta stub oh": "somebody to receive (another terminal)",
        f"silta serve --config {settings}": "take and deliver",
    }
    width = max(map(len, steps))
    for command, meaning in steps.items():
        print(f"  {command:{width}}  {meaning}")
    print()
    print("Then send one of the shipped fixtures, for example:")
    print(f"  silta stub hospital --send FILE.hl7 --to http://127.0.0.1:{arguments.port} --source ehr1 \\")
    print(f"    --token-file {where}/tokens/tuulilahti.token")
    return OK
