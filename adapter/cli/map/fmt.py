"""`silta map fmt`: map files in the one layout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from adapter.cli.map.arguments import add
from adapter.cli.map.saying import issue_line, print_json, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from adapter.cli.map.arguments import Verbs


def register(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add(verbs, "fmt", run, "write map files in the one layout")
    parser.add_argument("files", nargs="+", metavar="FILE", help="map files or folders")
    parser.add_argument("--stdout", action="store_true", help="print instead of writing")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; end with 1 if a file would change"
    )


def run(arguments: argparse.Namespace) -> int:
    """Format map files; return 1 if one cannot be read, or with --check would change."""
    from adapter.mapping.fml.parser import parse
    from adapter.mapping.fml.printer import print_map

    changed: list[str] = []
    failed = False
    for path in _map_files(arguments.files):
        try:
            before = path.read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as fault:
            say(f"silta map fmt: {path}: {getattr(fault, 'strerror', None) or 'not UTF-8'}")
            return 2
        tree, issues = parse(before, path.name)
        if tree is None or issues:
            failed = True
            for issue in issues:
                say(issue_line(issue))
            continue
        after = print_map(tree)
        if arguments.stdout:
            sys.stdout.write(after)
        elif after != before:
            changed.append(str(path))
            if not arguments.check:
                path.write_bytes(after.encode())
    if arguments.json:
        print_json({"changed": changed})
    else:
        for name in changed:
            print(name)
    return 1 if failed or (arguments.check and changed) else 0


def _map_files(names: Iterable[str]) -> Iterable[Path]:
    from adapter.mapping.mapset import MAP_SUFFIXES

    for name in names:
        path = Path(name)
        if path.is_dir():
            yield from (one for one in sorted(path.rglob("*")) if one.suffix in MAP_SUFFIXES)
        else:
            yield path
