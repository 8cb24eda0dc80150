"""`silta backup`: a copy of an SQLite store, made while the adapter works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.cli.messages import tell
from adapter.cli.operator import arguments_of, desk

if TYPE_CHECKING:
    import argparse


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "backup",
        help="copy the store while the adapter works",
        description="Copies an SQLite store into the folder of `[store] backups`, as of one moment. The copy "
        "holds its deliveries when it is put in the store's place, until `silta hold lift`.",
    )
    parser.add_argument("--reason", required=True, help="why; it is kept in the audit")
    arguments_of(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    made = desk(arguments).post("backups", reason=arguments.reason).json()
    head = made["head"]
    lines = [
        f"{made['folder']}/{made['file']}  {made['bytes']} bytes",
        f"    audit head {head['node']}/{head['sequence']}  {head['hash']}",
    ]
    return tell(arguments, made, lines)
