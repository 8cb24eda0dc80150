"""`silta map check`: everything that is wrong with maps and tables, in one list."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter.cli.map.arguments import add, folders, packages, with_package
from adapter.cli.map.saying import issue_json, issue_line, print_json

if TYPE_CHECKING:
    import argparse

    from adapter.cli.map.arguments import Verbs
    from adapter.outcome import Severity


def register(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add(verbs, "check", run, "read maps and tables and list everything that is wrong with them")
    parser.add_argument(
        "folders",
        nargs="*",
        metavar="FOLDER",
        help="folders to check, above the shipped ones (default: the shipped ones)",
    )
    parser.add_argument(
        "--portable",
        action="store_true",
        help="end with 1 for what other engines read otherwise, which is a warning else",
    )
    with_package(parser)


def run(arguments: argparse.Namespace) -> int:
    """List every issue of the maps; return 1 if one of them is an error."""
    from adapter.mapping.fml.portable import portability
    from adapter.mapping.mapset import check
    from adapter.outcome import has_errors
    from adapter.shipped import folder

    trusted = [folder("mappings")] if arguments.folders else []
    known, issues = check(folders(arguments.folders), packages(arguments.package), trusted)
    level: Severity = "error" if arguments.portable else "warning"
    odd = [replace(issue, level=level) for one in known for issue in portability(one.file)]
    issues = [*issues, *odd]
    if arguments.json:
        print_json({"maps": [one.name for one in known], "issues": [issue_json(issue) for issue in issues]})
    else:
        for issue in issues:
            print(issue_line(issue))
            if issue.is_error:
                print(f"  help: {issue.help()}")
        print(f"{len(known)} maps, {sum(issue.is_error for issue in issues)} errors")
    return 1 if has_errors(issues) else 0
