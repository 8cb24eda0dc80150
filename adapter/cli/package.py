"""`silta package build` and `silta package show`: make a FHIR package, and look into one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from adapter.fhir.packages import Package
    from adapter.outcome import Issue

SHIPPED = "silta.fhir"
"""The name by which `show` means what `build` would write."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "package",
        help="show and build FHIR packages",
        description="Build the FHIR package of the shipped definitions, or look into any package.",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _add_build(verbs)
    _add_show(verbs)


def _add_build(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    build = verbs.add_parser(
        "build",
        help="write the shipped definitions, maps and examples as a FHIR package",
        description="Write the FHIR package (NPM .tgz) of the shipped definitions: profiles and logical "
        "models with snapshots, terminology, maps as StructureMap, examples. The same definitions give the "
        "same bytes. Exit 0: written; 2: a definition cannot be used, or it cannot be published so.",
    )
    build.add_argument("--out", metavar="FILE", help="where to (default: NAME-VERSION.tgz here)")
    build.add_argument("--canonical", metavar="URL", help="your base, in place of ours everywhere")
    build.add_argument("--version", metavar="V", help="version of package and definitions (default: silta's)")
    build.add_argument("--name", default=SHIPPED, metavar="NAME", help=f"of the package (default: {SHIPPED})")
    build.add_argument(
        "--package", action="append", default=[], metavar="TGZ", help="definitions that ours rest on"
    )
    build.add_argument("--no-examples", action="store_true", help="leave the examples out")
    build.add_argument("--json", action="store_true", help="one JSON document")
    build.set_defaults(run=run_build)


def _add_show(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    show = verbs.add_parser(
        "show",
        help="say what is in a package",
        description="Show name, version, dependencies and resources of a FHIR package: a .tgz, a folder of "
        f"JSON resources, `{SHIPPED}` for the shipped definitions, or NAME or NAME#VERSION in the package "
        "cache of this computer (~/.fhir/packages). Exit 0: shown, warnings or not; 1: it cannot be read; "
        "2: nothing is there.",
    )
    show.add_argument("file", metavar="FILE|NAME", help=".tgz, folder, or name of a package")
    show.add_argument(
        "--package", action="append", default=[], metavar="TGZ", help="a dependency to count as met"
    )
    show.add_argument("--resources", action="store_true", help="list every resource with its canonical")
    show.add_argument("--lang", choices=("en", "fi", "sv"), default="en", help="language (default: en)")
    show.add_argument("--json", action="store_true", help="one JSON document")
    show.set_defaults(run=run_show)


def run_build(arguments: argparse.Namespace) -> int:
    """Write the package and say what is in it; return 2 if it cannot be written."""
    from adapter.fhir.package_files import write_archive
    from adapter.fhir.publication import files

    made = _publication(arguments)
    target = Path(arguments.out or f"{made.name}-{made.version}.tgz")
    try:
        target.write_bytes(write_archive(files(made)))
    except OSError as fault:
        print(f"silta package: {target}: {fault.strerror}", file=sys.stderr)
        return 2
    return _shown(target, [], arguments)


def _publication(arguments: argparse.Namespace) -> Any:  # noqa: ANN401 - loaded late, for a quick --help
    from dataclasses import replace

    from adapter import __version__
    from adapter.cli.published import definitions, examples
    from adapter.fhir.canonical import BASE
    from adapter.fhir.packages import load
    from adapter.fhir.publication import Publication
    from adapter.validation import Validator

    made = Publication(
        name=arguments.name,
        version=arguments.version or __version__,
        canonical=arguments.canonical or BASE,
    )
    validator = Validator.shipped([load(Path(place)) for place in arguments.package])
    shown = {} if arguments.no_examples else dict(examples(validator))
    return replace(made, definitions=tuple(definitions(validator)), examples=shown)


def run_show(arguments: argparse.Namespace) -> int:
    """Print what is in the package; return 2 if there is no such file or name."""
    if arguments.file == SHIPPED and not Path(SHIPPED).exists():
        return _show_shipped(arguments)
    places = [cached(arguments.file), *(Path(place) for place in arguments.package)]
    for place in places:
        if not place.exists():
            print(f"silta package: {place}: there is no such file or package", file=sys.stderr)
            return 2
    return _shown(places[0], places[1:], arguments)


def _show_shipped(arguments: argparse.Namespace) -> int:
    from tempfile import TemporaryDirectory

    from adapter import __version__
    from adapter.cli.published import definitions, examples
    from adapter.fhir.package_files import write_archive
    from adapter.fhir.publication import Publication, files
    from adapter.validation import Validator

    validator = Validator.shipped()
    made = Publication(
        version=__version__, definitions=tuple(definitions(validator)), examples=dict(examples(validator))
    )
    with TemporaryDirectory() as place:
        target = Path(place) / f"{SHIPPED}.tgz"
        target.write_bytes(write_archive(files(made)))
        return _shown(target, [Path(one) for one in arguments.package], arguments)


def cached(named: str) -> Path:
    """Return the file or folder of that name, else the package of the cache of this computer: `a.b#1.0.0`.

    Without a version the newest one. What is nowhere is returned as the path it would be here.
    """
    from adapter.fhir.packages import version_order

    here = Path(named)
    if here.exists() or "/" in named:
        return here
    name, _, version = named.partition("#")
    cache = Path.home() / ".fhir" / "packages"
    found = [place for place in cache.glob(f"{name}#{version or '*'}") if place.is_dir()]
    return max(found, key=lambda place: version_order(place.name.partition("#")[2]), default=here)


def _shown(place: Path, others: list[Path], arguments: argparse.Namespace) -> int:
    from adapter.fhir.packages import PackageSet, load

    package = load(place)
    package.entries()
    together = PackageSet([package, *(load(other) for other in others)])
    is_built = arguments.verb == "build"
    language = "en" if is_built else arguments.lang
    issues = [] if is_built else together.issues_of(package)
    shown = describe(package, issues, language)
    if arguments.json:
        _print_json({"file": str(place), **shown})
    else:
        _print_text(shown, is_listed=not is_built and arguments.resources)
        _warn(issues, language)
    return 0


def describe(package: Package, issues: list[Issue], language: Any = "en") -> dict[str, Any]:  # noqa: ANN401
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
            {"code": issue.code, "severity": issue.severity, "at": issue.at, "text": issue.text(language)}
            for issue in issues
        ],
    }


def _print_json(shown: dict[str, Any]) -> None:
    from adapter.fhir import json

    print(json.write(shown, pretty=True).decode())


def _print_text(shown: dict[str, Any], *, is_listed: bool) -> None:
    print(f"{shown['name']} {shown['version'] or ''}".rstrip())
    for key, label in (("canonical", "canonical"), ("fhirVersions", "FHIR")):
        said = shown[key] if isinstance(shown[key], str) else ", ".join(shown[key] or ())
        if said:
            print(f"  {label:<12}{said}")
    for name, version in shown["dependencies"].items():
        print(f"  {'needs':<12}{name} {version}")
    for name, count in shown["counts"].items():
        print(f"  {count:>6}  {name}")
    if is_listed:
        for resource in shown["resources"]:
            canonical = "|".join(filter(None, (resource["url"], resource["version"]))) or resource["file"]
            print(f"  {resource['type']:<22}{canonical}")


def _warn(issues: list[Issue], language: Any) -> None:  # noqa: ANN401 - argparse gives no narrower type
    for issue in issues:
        print(f"{issue.code} {issue.at}: {issue.text(language)}", file=sys.stderr)
        print(f"  help: {issue.help(language)}", file=sys.stderr)
