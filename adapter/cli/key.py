"""`silta key`: another master key for the store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from adapter.cli.operator import arguments_of

if TYPE_CHECKING:
    import argparse


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "key",
        help="give the store another master key",
        description="The master key opens the store, and every copy that was made while it did.",
    )
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    rotate = acts.add_parser(
        "rotate",
        help="wrap everything with another master key; no adapter may run meanwhile",
        description="Makes a key in FILE (0600), or takes the one that is there, and wraps every content key "
        "with it. From then on only that key opens the store: name it in [store] key_file. Keep the old one "
        "for as long as you keep backups that it opens.",
    )
    rotate.add_argument("--to", type=Path, required=True, metavar="FILE", help="file of the new key")
    rotate.add_argument("--reason", required=True, help="why; it is kept in the audit")
    rotate.set_defaults(run=_rotate)
    arguments_of(rotate, server=False)


def _rotate(arguments: argparse.Namespace) -> int:
    from adapter import config
    from adapter.cli.messages import tell
    from adapter.cli.operator import token_of
    from adapter.config.build import opened
    from adapter.server.access import Right
    from adapter.server.route import Operators

    settings = config.load(arguments.config)
    token = token_of(arguments)
    deployment = opened(settings)
    with deployment.store as store:
        caller = deployment.access.caller(f"Bearer {token}")
        Operators(Right.ADMINISTER).admit(caller)
        count = store.rotate_key(_new_key(arguments.to), actor=caller.name, reason=arguments.reason)
    found = {"keys": count, "file": str(arguments.to)}
    return tell(
        arguments,
        found,
        [
            f"{count} keys are wrapped with the key in {arguments.to}; the old one opens the store no more.",
            "    now name it in the settings, [store] key_file, and start",
        ],
    )


def _new_key(file: Path) -> bytes:
    """Return the key of a file, on disk before anything is wrapped with it; made if there is none.

    Raises ConfigurationError CF119 for a file that holds none.
    """
    from adapter.config.secrets import KEY_BYTES, key_of
    from adapter.errors import ConfigurationError

    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as writing:
            writing.write(os.urandom(KEY_BYTES).hex() + "\n")
            writing.flush()
            os.fsync(writing.fileno())
    key = key_of(file.read_text("utf-8", "replace"))
    if key is None:
        raise ConfigurationError("CF119", at=str(file), params={"bytes": KEY_BYTES})
    return key
