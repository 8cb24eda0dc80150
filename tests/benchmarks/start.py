"""Cold starts, as multiples of the time the same interpreter needs to do nothing.

All runs are fresh processes, interleaved; medians. `ours` and `peer` are milliseconds.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RUNS = 9
SILTA = str(Path(sys.executable).parent / "silta")
PATIENT = '{"resourceType": "Patient", "id": "invented", "active": true}'
CASES = {
    "silta --help": ([SILTA, "--help"], "300 ms"),
    "R4 type table, opened": (
        [sys.executable, "-c", "from adapter.fhir.types import r4; r4().type('Observation')"],
        "60 ms above the start",
    ),
    "silta validate, first result": ([SILTA, "validate"], "700 ms"),
}


def _milliseconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return (time.perf_counter() - began) * 1000


def run() -> list[dict[str, Any]]:
    """Measure every start beside the bare interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "patient.json"
        file.write_text(PATIENT, "utf-8")
        commands = {
            name: [*command, str(file)] if command[-1] == "validate" else command
            for name, (command, _) in CASES.items()
        }
        bare: list[float] = []
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(RUNS):
            bare.append(_milliseconds([sys.executable, "-c", "pass"]))
            for name, command in commands.items():
                times[name].append(_milliseconds(command))
    nothing = statistics.median(bare)
    return [
        {
            "name": name,
            "ours": statistics.median(taken),
            "peer": nothing,
            "peer_name": "python -c pass",
            "ratio": statistics.median(taken) / nothing,
            "target": CASES[name][1],
            "unit": "ms",
        }
        for name, taken in times.items()
    ]
