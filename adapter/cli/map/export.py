"""`silta map export`: a map as FHIR R4 StructureMap."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adapter.cli.map.arguments import add, maps, with_map, with_maps
from adapter.cli.map.saying import print_json, unopened

if TYPE_CHECKING:
    import argparse

    from adapter.cli.map.arguments import Verbs


def register(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add(verbs, "export", run, "write a map as FHIR R4 StructureMap")
    with_map(parser)
    parser.add_argument("--output", metavar="FILE", help="write there instead of printing")
    with_maps(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write one map as StructureMap; return 2 if the file cannot be written."""
    from adapter.fhir import json
    from adapter.mapping.fml.structuremap import to_structure_map

    resource = to_structure_map(maps(arguments)[arguments.map].file)
    if arguments.output is None:
        print_json(resource)
        return 0
    try:
        Path(arguments.output).write_bytes(json.write(resource, pretty=True) + b"\n")
    except OSError as fault:
        return unopened(arguments.output, fault)
    return 0
