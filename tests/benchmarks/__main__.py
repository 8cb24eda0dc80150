"""`make bench`: every figure as a ratio against a named peer, measured in the same run.

Each module has `run()`: rows with name, ours, peer, peer_name, ratio, target, unit. A module that is not
there, or whose peer is not, is skipped and says why.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

MODULES = (
    "start",
    "codec",
    "fhirpath",
    "mapping",
    "mapping_peers",
    "validation",
    "translate",
    "delivery",
    "queues",
    "journey",
)
COLUMNS = ("name", "ours", "peer", "unit", "peer_name", "ratio", "target")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one module measured, or why it did not."""

    module: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    skipped: str | None = None


def measure(module: str) -> Measured:
    """Run one module; a peer that is not installed is a reason to skip, anything else is a fault."""
    name = f"tests.benchmarks.{module}"
    if find_spec(name) is None:
        return Measured(module=module, skipped="not written yet")
    try:
        return Measured(module=module, rows=importlib.import_module(name).run())
    except ModuleNotFoundError as error:
        return Measured(module=module, skipped=f"the peer {error.name} is not installed")


def table(measured: list[Measured]) -> list[str]:
    """Return all rows as aligned lines."""
    cells = [
        COLUMNS,
        *(tuple(_cell(row.get(key)) for key in COLUMNS) for one in measured for row in one.rows),
    ]
    widths = [max(len(row[number]) for row in cells) for number in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    return [*lines, *(f"{one.module}: skipped, {one.skipped}" for one in measured if one.skipped)]


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def main() -> int:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("modules", nargs="*", choices=[*MODULES, []], help="default: all")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    arguments = parser.parse_args()
    measured = [measure(module) for module in arguments.modules or MODULES]
    if arguments.json:
        document = {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "rows": [{"module": one.module, **row} for one in measured for row in one.rows],
            "skipped": {one.module: one.skipped for one in measured if one.skipped},
        }
        json.dump(document, sys.stdout, indent=2)
        print()
    else:
        print("\n".join(table(measured)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
