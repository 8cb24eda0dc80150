"""`silta map reload`: a running adapter takes over new versions of its maps, if they pass their tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.cli.map.saying import print_json

if TYPE_CHECKING:
    import argparse

    from adapter.cli.map.arguments import Verbs

TEXT = "let a running adapter take over new versions of its maps, if their cases hold"


def register(verbs: Verbs) -> None:
    """Add the verb."""
    from adapter.cli.operator import arguments_of

    parser = verbs.add_parser("reload", help=TEXT, description=TEXT[0].upper() + TEXT[1:] + ".")
    parser.set_defaults(run=run)
    parser.add_argument("--reason", required=True, help="why; it is kept in the audit")
    arguments_of(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask for it; return 1 if the new versions were refused."""
    from adapter.cli.operator import desk

    found = desk(arguments).post("maps/reload", reason=arguments.reason).json()
    if arguments.json:
        print_json(found)
    else:
        _show(found)
    return 1 if found["outcome"] == "refused" else 0


def _show(found: dict[str, Any]) -> None:
    for issue in found["issues"]:
        place = f"{issue['file'] or ''}:{issue['line']}" if issue["line"] else issue["file"] or ""
        print(f"{issue['code']}  {place}  {issue['text']}")
        print(f"  help: {issue['help']}")
    names = ", ".join(found["changed"]) or "no map"
    said = {
        "swapped": f"in use now: {names}; {found['cases']} cases held",
        "unchanged": "nothing has changed",
        "refused": f"refused: {names}; the versions before stay in use",
    }
    print(said[found["outcome"]])
