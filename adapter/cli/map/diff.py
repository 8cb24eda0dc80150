"""`silta map diff`: what two versions of the maps make differently of the same sources."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.cli.map.arguments import add, folders, packages, reading, with_package, with_source
from adapter.cli.map.saying import SHOWN_AT_MOST, print_json, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from adapter.cli.map.arguments import Verbs
    from adapter.mapping.behaviour import Change, Compared
    from adapter.mapping.mapset import MapSet


def register(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add(verbs, "diff", run, "run sources through two versions of the maps and show what differs")
    parser.add_argument("old", metavar="OLD", help="folder with the maps as they were")
    parser.add_argument("new", metavar="NEW", help="folder with the maps as they are to be")
    parser.add_argument(
        "--corpus", action="append", required=True, metavar="DIR", help="sources, subfolders included"
    )
    parser.add_argument(
        "--map", default="auto", metavar="NAME", help="name or url of the map (default: auto)"
    )
    parser.add_argument(
        "--alone", action="store_true", help="each folder is whole: no shipped maps beside it"
    )
    with_package(parser)
    with_source(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show what two versions of the maps make differently; return 1 if anything, 2 if there is no source."""
    from adapter.mapping.behaviour import compare

    old, new = (_version(name, arguments) for name in (arguments.old, arguments.new))
    sources = [path for name in arguments.corpus for path in sorted(Path(name).rglob("*")) if path.is_file()]
    if not sources:
        say("silta map diff: no sources")
        return 2
    compared = []
    for path in sources:
        body = path.read_bytes()
        options = {**reading(arguments, path.name, body), "source_id": str(path)}
        compared.append(compare(str(path), body, old, new, arguments.map, **options))
    if arguments.json:
        print_json(_as_json(compared))
    else:
        _show(compared)
    return 1 if any(one.changes for one in compared) else 0


def _version(name: str, arguments: argparse.Namespace) -> MapSet:
    from adapter.mapping.mapset import MapSet
    from adapter.shipped import folder

    places = [Path(name)] if arguments.alone else folders([name])
    return MapSet.load(places, packages(arguments.package), trusted=[folder("mappings")])


def _as_json(compared: Sequence[Compared]) -> dict[str, Any]:
    """Say all of it as JSON; sources without a change are counted only."""
    return {
        "sources": len(compared),
        "mapped": sum(one.is_mapped for one in compared),
        "changed": [
            {
                "source": one.source,
                "changes": [
                    {"kind": change.kind, "what": change.what, "old": change.old, "new": change.new}
                    for change in one.changes
                ],
            }
            for one in compared
            if one.changes
        ],
    }


def _line(change: Change) -> str:
    """Say one change: `result Patient.gender  p.map:7 -> p.map:9`, `+ finding ..`, `- unaccounted ..`."""
    if change.kind in ("ends", "result"):
        return f"{change.kind} {change.what}  {change.old or '-'} -> {change.new or '-'}"
    return f"{'-' if change.new is None else '+'} {change.kind} {change.what}"


def _show(compared: Sequence[Compared]) -> None:
    """Print changes by source, then the commonest ones with the number of sources that have them."""
    changed = [one for one in compared if one.changes]
    lines = [f"{one.source}: {_line(change)}" for one in changed for change in one.changes]
    for text in lines[:SHOWN_AT_MOST]:
        print(text)
    if len(lines) > SHOWN_AT_MOST:
        print(f"and {len(lines) - SHOWN_AT_MOST} more; --json has them all")
    if len(changed) > 1:
        general = Counter(what for one in changed for what in {change.general for change in one.changes})
        for what, count in general.most_common(20):
            print(f"{count:6} sources: {what}")
    mapped = sum(one.is_mapped for one in compared)
    print(f"{len(changed)} of {mapped} mapped sources differ ({len(compared)} files)")
