"""How fast FHIR JSON is read and written, against orjson doing the same bytes.

orjson is given the easier work: it takes duplicate keys, NUL and any depth, and gives floats for decimals.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import tracemalloc
from random import Random
from typing import TYPE_CHECKING, Any

import orjson

from adapter.fhir import json, xml
from tests.fhir.generated import resource

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, Any]

ROUNDS = 7
TARGET = 8.0
"""Times orjson's time that reading and writing may take."""


def run() -> list[Row]:
    """Return one row per measure; times in seconds for one call, medians of interleaved rounds."""
    message, large = notification(), bundle(10_000_000)
    read_message, read_large = json.read(message), json.read(large)
    plain_message, plain_large = orjson.loads(message), orjson.loads(large)
    rows = [
        _row(
            f"read a message of {len(message)} B",
            lambda: json.read(message),
            lambda: orjson.loads(message),
            500,
        ),
        _row(
            f"write a message of {len(message)} B",
            lambda: json.write(read_message),
            lambda: orjson.dumps(plain_message),
            500,
        ),
        _row(f"read a Bundle of {len(large)} B", lambda: json.read(large), lambda: orjson.loads(large), 1),
        _row(
            f"write a Bundle of {len(large)} B",
            lambda: json.write(read_large),
            lambda: orjson.dumps(plain_large),
            1,
        ),
    ]
    return [*rows, _memory(large), _xml(message), _table()]


def notification() -> bytes:
    """Make a message Bundle as a hospital sends it; invented."""
    performed = {"start": "2026-03-01T09:00:00+02:00", "end": "2026-03-01T10:30:00+02:00"}
    procedure = {
        "resourceType": "Procedure",
        "status": "completed",
        "subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000003"},
        "code": {"coding": [{"system": "urn:oid:1.2.246.537.6.2", "code": "NGD10"}], "text": "keksitty"},
        "performedPeriod": performed,
    }
    leave = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "sairauspoissaolo"},
        "effectivePeriod": {"start": "2026-03-01", "end": "2026-03-15"},
        "component": [{"code": {"text": "%"}, "valueQuantity": {"value": 50, "unit": "%"}}] * 4,
    }
    header = {
        "resourceType": "MessageHeader",
        "eventCoding": {"system": "https://silta.example/fhir/CodeSystem/event", "code": "procedure"},
        "source": {"endpoint": "https://hospital.example/fhir"},
        "focus": [{"reference": "urn:uuid:00000000-0000-4000-8000-000000000002"}],
    }
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:oid:1.2.246.21", "value": "010190-999X"}],
        "name": [{"family": "Keksitty", "given": ["Testi", "Ulla"]}],
        "birthDate": "1990-01-01",
    }
    entries = [
        {"fullUrl": f"urn:uuid:00000000-0000-4000-8000-00000000000{number}", "resource": one}
        for number, one in enumerate((header, procedure, patient, leave), start=1)
    ]
    return orjson.dumps({"resourceType": "Bundle", "type": "message", "entry": entries})


def bundle(size: int) -> bytes:
    """Make a collection Bundle of at least `size` bytes: notifications with decimals among them."""
    inside = orjson.loads(notification())["entry"]
    odd = [{"resource": resource(Random(seed), "Observation", 1)} for seed in range(50)]  # noqa: S311
    once = json.write(inside)[1:-1] + b"," + json.write(odd)[1:-1]
    entries = b",".join([once] * (size // len(once) + 1))
    return b'{"resourceType":"Bundle","type":"collection","entry":[' + entries + b"]}"


def _row(name: str, ours: Callable[[], object], peer: Callable[[], object], calls: int) -> Row:
    own, other = _interleaved(ours, peer, calls)
    return {
        "name": name,
        "ours": own,
        "peer": other,
        "peer_name": f"orjson {orjson.__version__}",
        "ratio": own / other,
        "target": TARGET,
        "unit": "s",
    }


def _interleaved(ours: Callable[[], object], peer: Callable[[], object], calls: int) -> tuple[float, float]:
    own, other = [], []
    for _ in range(ROUNDS):
        own.append(_seconds(ours, calls))
        other.append(_seconds(peer, calls))
    return statistics.median(own), statistics.median(other)


def _seconds(work: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - start) / calls


def _memory(body: bytes) -> Row:
    tracemalloc.start()
    json.read(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "name": "peak memory while reading the Bundle",
        "ours": peak,
        "peer": len(body),
        "peer_name": "its bytes",
        "ratio": peak / len(body),
        "target": 12.0,
        "unit": "B",
    }


def _xml(message: bytes) -> Row:
    """Hold XML against fhir.resources, the other library that reads FHIR XML in Python."""
    from fhir.resources.R4B.bundle import Bundle

    body = xml.write(json.read(message))
    own, other = _interleaved(lambda: xml.read(body), lambda: Bundle.model_validate_xml(body), 30)
    return {
        "name": "read the message as XML",
        "ours": own,
        "peer": other,
        "peer_name": "fhir.resources R4B model_validate_xml",
        "ratio": own / other,
        "target": 1.0,
        "unit": "s",
    }


def _table() -> Row:
    code = (
        "import time; from adapter.fhir.types import r4; t = time.perf_counter();"
        "r4().type('Observation'); print(time.perf_counter() - t)"
    )
    found = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(ROUNDS)
    ]
    own = statistics.median(found)
    return {
        "name": "open the type table",
        "ours": own,
        "peer": 0.060,
        "peer_name": "the limit",
        "ratio": own / 0.060,
        "target": 1.0,
        "unit": "s",
    }
