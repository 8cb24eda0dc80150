"""`silta map list`: the maps that can be run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.cli.map.arguments import add, maps, with_maps
from adapter.cli.map.saying import print_json

if TYPE_CHECKING:
    import argparse

    from adapter.cli.map.arguments import Verbs


def register(verbs: Verbs) -> None:
    """Add the verb."""
    with_maps(add(verbs, "list", run, "list the maps there are"))


def run(arguments: argparse.Namespace) -> int:
    """List maps that can be run."""
    rows = [
        {"name": one.name, "url": one.url, "source": one.source_format, "constants": list(one.constants)}
        for one in maps(arguments)
        if one.is_runnable
    ]
    if arguments.json:
        print_json({"maps": rows})
        return 0
    for row in rows:
        print(f"{row['name']}  {row['source'] or '-'}  {row['url']}")
    return 0
