"""A v2 message to the bytes of a validated Bundle, against `fhir.resources` merely parsing those bytes.

Ours reads, maps, validates against our profiles and writes; the peer only turns the finished JSON into its
classes. Interleaved in one process, medians; messages per second.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from adapter import fhir
from adapter.fhir.canonical import profile
from adapter.mapping import MapSet
from adapter.outcome import has_errors
from adapter.shipped import folder
from adapter.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Callable

TURNS, CALLS = 9, 15
PROFILE = profile("notification-message")


def run() -> list[dict[str, Any]]:
    """Measure the whole, and its two halves beside the same peer."""
    from fhir.resources.R4B.bundle import Bundle

    source = (folder("fixtures") / "notification" / "back-surgery.hl7").read_bytes()
    chosen = MapSet.load(folder("mappings"))["notification-from-v2"]
    validator = Validator.shipped()

    def mapped() -> dict[str, Any]:
        options: dict[str, Any] = {"media_type": "application/hl7-v2", "zone": "Europe/Helsinki"}
        return chosen.run(source, **options).resources[0]

    bundle = mapped()
    body = fhir.encode(bundle, "application/fhir+json")

    def whole() -> bytes:
        made = mapped()
        if has_errors(validator.validate(made, PROFILE)):
            raise AssertionError("the shipped fixture is valid")
        return fhir.encode(made, "application/fhir+json")

    work: dict[str, Callable[[], object]] = {
        "v2 message to validated Bundle bytes": whole,
        "of it: read and map": mapped,
        "of it: validate": lambda: validator.validate(bundle, PROFILE),
    }
    parse = "fhir.resources R4B model_validate_json of that Bundle"
    rates = _rates({**work, parse: lambda: Bundle.model_validate_json(body)})
    return [
        {
            "name": name,
            "ours": rates[name],
            "peer": rates[parse],
            "peer_name": parse,
            "ratio": rates[name] / rates[parse],
            "target": None,
            "unit": "messages/s",
        }
        for name in work
    ]


def _rates(work: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return calls per second of each, the median of interleaved turns."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for once in work.values():
        once()
    for _ in range(TURNS):
        for name, once in work.items():
            began = time.perf_counter()
            for _ in range(CALLS):
                once()
            seconds[name].append(time.perf_counter() - began)
    return {name: CALLS / statistics.median(taken) for name, taken in seconds.items()}
