"""`silta map explain`: which rules write an element."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.cli.map.arguments import add, maps, with_map, with_maps
from adapter.cli.map.saying import print_json, say

if TYPE_CHECKING:
    import argparse

    from adapter.cli.map.arguments import Verbs


def register(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add(verbs, "explain", run, "show which rules write an element, and what they read")
    parser.add_argument("target", metavar="PATH", help="an element of the result, such as Procedure.code")
    with_map(parser)
    with_maps(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the rules behind an element; return 1 if no rule writes it."""
    from adapter.mapping.explain import writers

    chosen = maps(arguments)[arguments.map]
    found = writers(chosen.file, chosen.library, arguments.target)
    if arguments.json:
        print_json({"target": arguments.target, "rules": [one.as_json() for one in found]})
    else:
        for one in found:
            print(f"{one.path}  {one.mark.file}:{one.mark.line}  {one.mark.group}/{one.mark.rule}")
            print(f"  {one.text}")
        if not found:
            say(f"no rule of {arguments.map} writes {arguments.target}")
    return 0 if found else 1
