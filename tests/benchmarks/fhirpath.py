"""FHIRPath against fhirpathpy 2.2.4 and fhirpath.js 4.6.0, over the official expressions.

Every expression that all engines can run with the same answer is compiled once in each and evaluated many
times, turn by turn; an expression's figure is the median of its turns, and the row's figure the geometric
mean over all expressions. The peers run in processes of their own: SILTA_PEERS names a folder with
`fhirpathpy/` (a virtual environment) and `fhirpathjs/` (with `node_modules`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from math import exp, log
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from adapter.errors import AdapterError
from adapter.fhirpath import compile_expression
from tests.fhirpath.official import cases, resource

ROUNDS = 5
SECONDS = 0.002
"""How long one turn of one expression lasts, about."""
MOST_CALLS = 2_000

_PYTHON_WORKER = r"""
import json, sys, time, warnings
warnings.simplefilter("ignore")
import fhirpathpy
from fhirpathpy.models import models
work = json.loads(sys.stdin.readline())
ready = {}
real, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    number, calls = json.loads(line)
    text, name = work["expressions"][number]
    try:
        run = ready.get(number)
        if run is None:
            run = ready[number] = fhirpathpy.compile(text, models["r4"])
        given = work["inputs"][name]
        start = time.perf_counter()
        for _ in range(calls):
            found = run(given)
        answer = [(time.perf_counter() - start) / calls, len(found), json.dumps(found, default=str)]
    except BaseException as error:
        answer = None
    real.write(json.dumps(answer) + "\n")
    real.flush()
"""

_NODE_WORKER = r"""
const fhirpath = require("fhirpath"), model = require("fhirpath/fhir-context/r4");
const lines = require("readline").createInterface({input: process.stdin});
let work = null; const ready = new Map();
console.log = () => {};
lines.on("line", line => {
  if (!work) { work = JSON.parse(line); return; }
  const [number, calls] = JSON.parse(line);
  const [text, name] = work.expressions[number];
  let answer = null;
  try {
    if (!ready.has(number)) ready.set(number, fhirpath.compile(text, model));
    const run = ready.get(number), given = work.inputs[name];
    let found; const start = performance.now();
    for (let i = 0; i < calls; i++) found = run(given);
    answer = [(performance.now() - start) / 1000 / calls, found.length, JSON.stringify(found)];
  } catch (error) { answer = null; }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
"""


class Worker:
    """A peer in a process of its own, asked line by line."""

    def __init__(self, command: list[str], work: dict[str, Any], stack: ExitStack, folder: Path) -> None:
        self.process = stack.enter_context(
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                cwd=folder,
            )
        )
        stack.callback(self.process.kill)
        self.tell(work)

    def tell(self, value: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(value) + "\n")
        self.process.stdin.flush()

    def measure(self, number: int, calls: int) -> tuple[float, int, str] | None:
        """Seconds for a call, the count of results and their text; None if the peer cannot."""
        assert self.process.stdout is not None
        self.tell([number, calls])
        answer = json.loads(self.process.stdout.readline() or "null")
        return None if answer is None else tuple(answer)


class Ourselves:
    """Our engine, asked in the same way."""

    def __init__(self, expressions: list[tuple[str, str]], inputs: dict[str, Any]) -> None:
        self.inputs = inputs
        self.expressions = expressions
        self.ready: dict[int, Any] = {}

    def measure(self, number: int, calls: int) -> tuple[float, int, str] | None:
        text, name = self.expressions[number]
        try:
            run = self.ready.get(number) or self.ready.setdefault(number, compile_expression(text))
            given = self.inputs[name]
            start = perf_counter()
            for _ in range(calls):
                found = run(given)
            return (perf_counter() - start) / calls, len(found), json.dumps(found, default=str)
        except AdapterError:
            return None


def run() -> list[dict[str, Any]]:
    """Measure all engines, and return a row for each peer.

    Raises ModuleNotFoundError, naming the peer or the setting, if there is nothing to measure against.
    """
    corpus, peers = os.environ.get("SILTA_CORPUS"), os.environ.get("SILTA_PEERS")
    if not corpus or not peers:
        raise ModuleNotFoundError("no peers", name="fhirpathpy (set SILTA_PEERS and SILTA_CORPUS)")
    folder = Path(corpus) / "fhirpath-r4"
    known = [case for case in cases(folder) if case.invalid is None]
    expressions = [(case.expression, case.input or "patient-example.xml") for case in known]
    inputs = {name: resource(folder, name) for _, name in expressions}
    work = {"expressions": expressions, "inputs": json.loads(json.dumps(inputs, default=float))}
    with ExitStack() as stack:
        engines: dict[str, Any] = {}
        python = Path(peers) / "fhirpathpy" / "bin" / "python"
        if python.exists():
            engines["fhirpathpy 2.2.4"] = Worker(
                [str(python), "-c", _PYTHON_WORKER], work, stack, Path(peers)
            )
        node, modules = shutil.which("node"), Path(peers) / "fhirpathjs"
        if node is not None and (modules / "node_modules").is_dir():
            engines["fhirpath.js 4.6.0"] = Worker([node, "-e", _NODE_WORKER], work, stack, modules)
        if not engines:
            raise ModuleNotFoundError("no peers", name="fhirpathpy")
        ours = Ourselves(expressions, inputs)
        return _rows(ours, engines, len(expressions))


def _rows(ours: Ourselves, engines: dict[str, Any], count: int) -> list[dict[str, Any]]:
    together = {"ours": ours, **engines}
    figures: dict[str, list[float]] = {name: [] for name in together}
    reading: list[bool] = []
    for number in range(count):
        firsts = {name: engine.measure(number, 1) for name, engine in together.items()}
        counts = {first[1] if first is not None else None for first in firsts.values()}
        if None in counts or len(counts) != 1:
            continue
        calls = {
            # The second call is the one to go by: the first may compile.
            name: max(1, min(MOST_CALLS, int(SECONDS / max(engine.measure(number, 3)[0], 1e-7))))
            for name, engine in together.items()
        }
        turns: dict[str, list[float]] = {name: [] for name in together}
        for _ in range(ROUNDS):
            for name, engine in together.items():
                turns[name].append(engine.measure(number, calls[name])[0])
        for name, seconds in turns.items():
            figures[name].append(median(seconds))
        reading.append(_reads_the_resource(ours.expressions[number][0]))
    rows = []
    for name in engines:
        target = {"fhirpathpy 2.2.4": 15.0}.get(name, 1.5)
        mine, other = figures["ours"], figures[name]
        rows.append(_row("official expressions", name, mine, other, target))
        pairs = [pair for pair, reads in zip(zip(mine, other, strict=True), reading, strict=True) if reads]
        rows.append(
            _row("those that read the resource", name, [a for a, _ in pairs], [b for _, b in pairs], target)
        )
    return rows


def _reads_the_resource(text: str) -> bool:
    """False of an expression of constants alone, which our engine computes when it compiles."""
    expression = compile_expression(text, context="Resource")
    return expression.constant is None


def _row(what: str, peer: str, ours: list[float], theirs: list[float], target: float) -> dict[str, Any]:
    mine, other = _geometric_mean(ours), _geometric_mean(theirs)
    return {
        "name": f"{what} ({len(ours)})",
        "ours": mine * 1e6,
        "peer": other * 1e6,
        "peer_name": peer,
        "ratio": other / mine,
        "target": target,
        "unit": "µs",
    }


def _geometric_mean(values: list[float]) -> float:
    return exp(sum(log(value) for value in values) / len(values)) if values else float("nan")


if __name__ == "__main__":
    json.dump(run(), sys.stdout, indent=2)
