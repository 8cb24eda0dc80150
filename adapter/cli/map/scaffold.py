"""`silta map scaffold`: a first map, and its first case, from a sample and a profile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adapter.cli.map.arguments import ZONE, add, body_of, media_type, packages, with_package
from adapter.cli.map.saying import issue_json, issue_line, print_json, say, unopened

if TYPE_CHECKING:
    import argparse

    from adapter.cli.map.arguments import Verbs
    from adapter.mapping.scaffold import Draft


def register(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add(verbs, "scaffold", run, "write a first map and its first case from a sample and a profile")
    parser.add_argument("--from", dest="file", required=True, metavar="FILE", help="the sample")
    parser.add_argument(
        "--profile",
        required=True,
        metavar="PROFILE",
        help="what to make: a type of R4, or a profile's canonical",
    )
    parser.add_argument(
        "--name", required=True, metavar="NAME", help="name of the map, such as ward-admission"
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder to write into; made if it is not there"
    )
    parser.add_argument("--force", action="store_true", help="write over files that stand there")
    parser.add_argument(
        "--show-values", action="store_true", help="let each TODO say what the sample has, not only its kind"
    )
    parser.add_argument("--media-type", metavar="TYPE", help="of the sample, if its name does not tell")
    parser.add_argument("--zone", default=ZONE, help=f"zone of local times (default: {ZONE})")
    parser.add_argument("--charset", help="of samples that do not say, such as 8859/15")
    with_package(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write map, sample and case; return 2 if a file cannot be read or written, or stands there already."""
    from adapter.mapping.scaffold import draft, target_of

    known = packages(arguments.package)
    try:
        body = body_of(arguments.file)
    except OSError as fault:
        return unopened(arguments.file, fault)
    kind = media_type(arguments, arguments.file, body)
    target = target_of(arguments.profile, known)
    made = draft(
        body, media_type=kind, target=target, name=arguments.name,
        charset=arguments.charset, zone=arguments.zone, show_values=arguments.show_values,
    )  # fmt: skip
    place = Path(arguments.out)
    sample = place / f"{arguments.name}{_suffix(arguments.file, kind)}"
    files = {
        place / "maps" / f"{arguments.name}.map": made.map.encode(),
        sample: body,
        sample.with_suffix(".toml"): made.case.encode(),
    }
    there = [path for path in files if path.exists()]
    if there and not arguments.force:
        say(f"silta map scaffold: {there[0]} stands there already; --force writes over it")
        return 2
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as fault:
        return unopened(str(fault.filename or place), fault)
    _tell(made, [str(path) for path in files], arguments)
    return 0


def _suffix(name: str, kind: str) -> str:
    """Return a suffix that cases know: the sample's own, or the one of its media type."""
    from adapter.mapping.readers import OF_SUFFIX, format_of

    own = Path(name).suffix.lower()
    if own in OF_SUFFIX:
        return own
    format_ = format_of(kind)
    return next(suffix for suffix, known in OF_SUFFIX.items() if format_of(known) == format_)


def _tell(made: Draft, files: list[str], arguments: argparse.Namespace) -> None:
    if arguments.json:
        print_json({
            "files": files, "leaves": made.leaves, "issues": [issue_json(issue) for issue in made.issues],
            "unread": [one.as_json() for one in made.open],
            "required": [one.path for one in made.missing],
        })  # fmt: skip
        return
    for name in files:
        print(name)
    unread = sum(one.count for one in made.open)
    print(
        f"{made.leaves - unread} of {made.leaves} leaves have a rule or a reason; to do: {len(made.open)}"
        f" paths no rule reads, {len(made.missing)} elements that are required"
    )
    for issue in made.issues:
        say(issue_line(issue))
    print(f"next: silta map test {arguments.out} --maps {Path(arguments.out) / 'maps'}")
