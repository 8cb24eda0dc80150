"""`silta map coverage`: which rules of a map no source ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.cli.map.arguments import add, body_of, maps, reading, with_map, with_maps, with_source
from adapter.cli.map.saying import print_json, say, unopened

if TYPE_CHECKING:
    import argparse

    from adapter.cli.map.arguments import Verbs
    from adapter.mapping.run import RuleMark


def register(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add(verbs, "coverage", run, "run sources and show which rules of a map never ran")
    parser.add_argument("files", nargs="+", metavar="FILE", help="sources")
    with_map(parser)
    parser.add_argument("--floor", type=int, default=0, metavar="PERCENT", help="end with 1 below this")
    with_maps(parser)
    with_source(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run sources and list the rules that never ran; return 1 below the floor."""
    from adapter.errors import AdapterError
    from adapter.mapping.coverage import coverage

    one = maps(arguments)[arguments.map]
    ran: set[RuleMark] = set()
    for name in arguments.files:
        try:
            body = body_of(name)
        except OSError as fault:
            return unopened(name, fault)
        try:
            ran |= one.run(body, **reading(arguments, name, body), lineage=True).rules
        except AdapterError as error:
            say(f"{name}: {error}")
    found = coverage([one], ran)
    if arguments.json:
        print_json(found.as_json())
    else:
        print(f"{found.ran} of {found.rules} rules ran ({found.percent} %)")
        for mark in found.missed:
            print(f"never ran  {mark.file}:{mark.line}  {mark.group}/{mark.rule}")
    return 1 if found.percent < arguments.floor else 0
