"""`silta package show FILE`: what is in a FHIR package, and what it lacks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from adapter.fhir.packages import Package
    from adapter.outcome import Issue


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "package", help="show FHIR packages", description="Look into FHIR packages."
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    show = verbs.add_parser(
        "show",
        help="say what is in a package",
        description="Show name, version, dependencies and resources of a FHIR package: a .tgz, or a folder "
        "of JSON resources. Exit 0: shown, warnings or not; 1: it cannot be read; 2: nothing is there.",
    )
    show.add_argument("file", metavar="FILE", help=".tgz or folder")
    show.add_argument(
        "--package", action="append", default=[], metavar="TGZ", help="a dependency to count as met"
    )
    show.add_argument("--resources", action="store_true", help="list every resource with its canonical")
    show.add_argument("--lang", choices=("en", "fi", "sv"), default="en", help="language (default: en)")
    show.add_argument("--json", action="store_true", help="one JSON document")
    show.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what is in the package; return 0, or 2 if there is no such file."""
    from adapter.fhir.packages import PackageSet, load

    for place in (arguments.file, *arguments.package):
        if not Path(place).exists():
            print(f"silta package: {place}: there is no such file", file=sys.stderr)
            return 2
    package = load(Path(arguments.file))
    package.entries()
    others = PackageSet([package, *(load(Path(place)) for place in arguments.package)])
    shown = describe(package, others.issues_of(package))
    if arguments.json:
        _print_json(shown)
    else:
        _print_text(shown, arguments)
        _warn(others.issues_of(package), arguments.lang)
    return 0


def describe(package: Package, issues: list[Issue]) -> dict[str, Any]:
    """Return everything `show` says, as one JSON document."""
    return {
        "name": package.name,
        "version": package.version or None,
        "canonical": package.canonical,
        "fhirVersions": list(package.fhir_versions),
        "dependencies": dict(package.dependencies),
        "counts": package.counts(),
        "resources": [
            {
                "type": entry.resource_type,
                "id": entry.id,
                "url": entry.url,
                "version": entry.version,
                "file": entry.file,
            }
            for entry in package.entries()
        ],
        "issues": [
            {"code": issue.code, "severity": issue.severity, "at": issue.at, "text": issue.text()}
            for issue in issues
        ],
    }


def _print_json(shown: dict[str, Any]) -> None:
    from adapter.fhir import json

    print(json.write(shown, pretty=True).decode())


def _print_text(shown: dict[str, Any], arguments: argparse.Namespace) -> None:
    print(f"{shown['name']} {shown['version'] or ''}".rstrip())
    for key, label in (("canonical", "canonical"), ("fhirVersions", "FHIR")):
        said = shown[key] if isinstance(shown[key], str) else ", ".join(shown[key] or ())
        if said:
            print(f"  {label:<12}{said}")
    for name, version in shown["dependencies"].items():
        print(f"  {'needs':<12}{name} {version}")
    for name, count in shown["counts"].items():
        print(f"  {count:>6}  {name}")
    if arguments.resources:
        for resource in shown["resources"]:
            canonical = "|".join(filter(None, (resource["url"], resource["version"]))) or resource["file"]
            print(f"  {resource['type']:<22}{canonical}")


def _warn(issues: list[Issue], language: Any) -> None:  # noqa: ANN401 - argparse gives no narrower type
    for issue in issues:
        print(f"{issue.code} {issue.at}: {issue.text(language)}", file=sys.stderr)
        print(f"  help: {issue.help(language)}", file=sys.stderr)
