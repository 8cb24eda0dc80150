"""What the verbs take alike: maps and packages, a source, its media type, constants."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Sequence

    from adapter.mapping.mapset import MapSet

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]
    Verb = Callable[[argparse.Namespace], int]

ZONE = "Europe/Helsinki"


def add(verbs: Verbs, name: str, run: Verb, text: str) -> argparse.ArgumentParser:
    """Add the parser of a verb, which has --json like every other."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + "."
    )
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def with_package(parser: argparse.ArgumentParser) -> None:
    """Add --package."""
    parser.add_argument(
        "--package", action="append", default=[], metavar="TGZ", help="package with logical models"
    )


def with_maps(parser: argparse.ArgumentParser) -> None:
    """Add --maps and --package."""
    parser.add_argument(
        "--maps",
        action="append",
        default=[],
        metavar="FOLDER",
        help="own maps and tables, over the shipped ones",
    )
    with_package(parser)


def with_map(parser: argparse.ArgumentParser) -> None:
    """Add --map, which must be given."""
    parser.add_argument("--map", required=True, metavar="NAME", help="name or url of the map")


def with_source(parser: argparse.ArgumentParser) -> None:
    """Add what tells how a source is to be read."""
    parser.add_argument(
        "--media-type", metavar="TYPE", help="of the source, if the file's name does not tell"
    )
    parser.add_argument("--zone", default=ZONE, help=f"zone of local times (default: {ZONE})")
    parser.add_argument("--charset", help="of sources that do not say, such as 8859/15")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="give a constant of the map a value"
    )


def folders(own: Iterable[str]) -> list[Path]:
    """Return the shipped folder of maps and behind it the caller's own."""
    from adapter.shipped import folder

    shipped = folder("mappings")
    return [shipped, *(path for name in own if (path := Path(name)).resolve() != shipped.resolve())]


def packages(names: Iterable[str]) -> list[Any]:
    """Return the shipped profiles, where there are any, and the packages of these files."""
    from adapter.fhir.packages import load
    from adapter.shipped import folder

    return [*([load(folder("profiles"))] if _has_models() else []), *(load(Path(name)) for name in names)]


def _has_models() -> bool:
    from adapter.shipped import folder

    try:
        return any(folder("profiles").rglob("*.json"))
    except FileNotFoundError:
        return False


def maps(arguments: argparse.Namespace) -> MapSet:
    """Load the maps that --maps and --package name over the shipped ones. Raises ConfigurationError."""
    from adapter.mapping.mapset import MapSet
    from adapter.shipped import folder

    trusted = [folder("mappings")]
    return MapSet.load(folders(arguments.maps), packages(arguments.package), trusted=trusted)


def constants(given: Sequence[str]) -> dict[str, Any]:
    """Read `NAME=VALUE` as often as it was given."""
    known: dict[str, Any] = {}
    for one in given:
        name, _, value = one.partition("=")
        known[name] = {"true": True, "false": False}.get(value, value)
    return known


def media_type(arguments: argparse.Namespace, name: str, body: bytes) -> str:
    """Return the media type that was given, else the one that name or content tell."""
    from adapter.mapping.readers import fhir_media_type, media_type_of

    return str(arguments.media_type or fhir_media_type(body, media_type_of(name, body)))


def reading(arguments: argparse.Namespace, name: str, body: bytes) -> dict[str, Any]:
    """Return the options of a run that a source's arguments give."""
    return {
        "media_type": media_type(arguments, name, body),
        "zone": arguments.zone,
        "charset": arguments.charset,
        "constants": constants(arguments.set),
    }


def body_of(name: str) -> bytes:
    """Read a file, or standard input for `-`. Raises OSError."""
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
