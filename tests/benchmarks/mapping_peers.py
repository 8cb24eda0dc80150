"""Mapping against Liquid, JSONata and HealthChain, each in a process and an environment of its own.

SILTA_PEERS names a folder with the virtual environments `liquid/` (python-liquid 2.3.6), `jsonata/`
(jsonata-python 0.7.1) and `healthchain/` (healthchain[cda] 0.16.1); one that is not there gives a row that
says so. Every figure is CPU time of the process that works, the median of interleaved turns. Before anything
is measured the peer's answer is compared: Liquid and JSONata make the very Patient that our map makes.

HealthChain reads the corpus' 151 KiB continuity of care document only after one text got an attribute that
the standard allows; as it stands it gives nothing for it. A row says how many resources each side makes. One
date of the document is impossible: ours says so with its place.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time
from typing import TYPE_CHECKING, Any

from adapter import fhir
from adapter.mapping.mapset import MapSet
from adapter.mapping.readers import json as json_reader
from adapter.shipped import folder
from tests.benchmarks.mapping import MAP, SOURCE, best, by_hand, row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 9
MAPS = Path(__file__).parent / "maps"
DOCUMENT = "ccda-documents/C-CDA_R2-1_CCD.xml.ccda.xml"
SPOILT = (
    b"<text>Influenza, seasonal, IM</text>",
    b'<text mediaType="text/plain">Influenza, seasonal, IM</text>',
)

TEMPLATE = """{"resourceType": "Patient", "id": {{ id | json }},
"identifier": [{"use": "official", "system": "urn:oid:1.2.246.21", "value": {{ hetu | json }}},
 {"system": "urn:mrn", "value": {{ mrn | json }}}],
"active": {{ active | json }},
"name": [{% for n in names %}{"use": {{ n.use | json }}, "family": {{ n.last | json }},
 "given": {{ n.first | json }}}{% unless forloop.last %},{% endunless %}{% endfor %}],
"telecom": [{% for p in phones %}{"system": "phone", "value": {{ p.number | json }},
 "use": {{ p.use | json }}}{% unless forloop.last %},{% endunless %}{% endfor %}],
"gender": {{ sex | json }}, "birthDate": {{ born | json }},
"address": [{"line": {{ address.street | json }}, "city": {{ address.city | json }},
 "postalCode": {{ address.zip | json }}}]}"""
EXPRESSION = """{"resourceType": "Patient", "id": id,
"identifier": [{"use": "official", "system": "urn:oid:1.2.246.21", "value": hetu},
 {"system": "urn:mrn", "value": mrn}],
"active": active,
"name": [names.{"use": use, "family": last, "given": first}],
"telecom": [phones.{"system": "phone", "value": number, "use": use}],
"gender": sex, "birthDate": born,
"address": [address.{"line": street, "city": city, "postalCode": zip}]}"""

_WORKERS = {
    "liquid": r"""
import json
from liquid import Environment
environment = Environment()
environment.filters["json"] = json.dumps
template = environment.from_string(given["template"])
def run():
    return json.loads(template.render(**given["source"]))
""",
    "jsonata": r"""
from jsonata import Jsonata
expression = Jsonata(given["expression"])
def run():
    return expression.evaluate(given["source"])
""",
    "healthchain": r"""
import logging, pathlib
from healthchain.interop import create_interop
logging.disable(logging.CRITICAL)
engine = create_interop()
def run():
    made = engine.to_fhir(pathlib.Path(given["document"]).read_text("utf-8"), src_format="cda")
    return [json.loads(one.model_dump_json(exclude_none=True)) for one in made]
""",
}
"""What each peer does in one call; JSON of the resources is part of the work on both sides."""
_LOOP = r"""
import sys, time
real, sys.stdout = sys.stdout, sys.stderr
real.write(json.dumps(run()) + "\n"); real.flush()
for line in sys.stdin:
    calls, start = int(line), time.process_time()
    for _ in range(calls):
        run()
    real.write(json.dumps((time.process_time() - start) / calls) + "\n"); real.flush()
"""


class Peer:
    """A peer's process: its answer once, then seconds of CPU for a call as often as it is asked."""

    def __init__(self, name: str, given: dict[str, Any]) -> None:
        python = Path(os.environ.get("SILTA_PEERS", "/nowhere")) / name / "bin" / "python"
        if not python.exists():
            raise FileNotFoundError(name)
        script = f"import json, sys\ngiven = json.loads(sys.stdin.readline())\n{_WORKERS[name]}{_LOOP}"
        self.process = subprocess.Popen(
            [str(python), "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.answer = self.ask(given)

    def ask(self, value: object) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(value) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def turns(work: Callable[[], object], peer: Peer, calls: int) -> tuple[float, float]:
    """Seconds of CPU for one call of ours and of the peer's, the median of interleaved turns."""
    ours, theirs = [], []
    work()
    for _ in range(ROUNDS):
        start = process_time()
        for _ in range(calls):
            work()
        ours.append((process_time() - start) / calls)
        theirs.append(peer.ask(calls))
    return median(ours), median(theirs)


def absent(name: str, peer: str, target: str) -> dict[str, Any]:
    """The row of a peer that is not there."""
    return {
        "name": name, "ours": None, "peer": None, "peer_name": f"{peer} is not below SILTA_PEERS",
        "ratio": None, "target": target, "unit": "-",
    }  # fmt: skip


def patient() -> list[dict[str, Any]]:
    """The map of some twenty values against a template and a JSONata expression of the same Patient."""
    with tempfile.TemporaryDirectory() as place:
        Path(place, "bench.map").write_text(MAP, "utf-8")
        one = MapSet.load(place)["bench"]
    tree = json_reader.read(json.dumps(SOURCE).encode())
    given = {"source": SOURCE, "template": TEMPLATE, "expression": EXPRESSION}
    rows = []
    for name, peer_name, target in (
        ("liquid", "python-liquid + json.loads", ">= 8"), ("jsonata", "jsonata-python", ">= 12"),
    ):  # fmt: skip
        what = f"map run, 20 values, against {name}"
        try:
            peer = Peer(name, given)
        except FileNotFoundError:
            rows.append(absent(what, peer_name, target))
            continue
        assert peer.answer == by_hand(SOURCE), f"{name} does not make the same Patient"
        ours, theirs = turns(lambda: one.run_tree(tree, source_id="x"), peer, 100)
        peer.close()
        rows.append(faster(what, ours * 1e6, theirs * 1e6, peer_name, target, "us"))
    return rows


def document() -> list[dict[str, Any]]:
    """The 151 KiB document, bytes to Bundle bytes: three sections, and the whole, against three sections."""
    corpus = os.environ.get("SILTA_CORPUS")
    wanted = (
        ("benchmark-ccd-sections", "CCD, problems, medications, notes", ">= 5"),
        ("benchmark-ccd", "CCD, all sections and header", ">= 2"),
    )
    if not corpus:
        return []
    maps = MapSet.load([folder("mappings"), MAPS])
    body = (Path(corpus) / DOCUMENT).read_bytes().replace(*SPOILT)
    with tempfile.NamedTemporaryFile(suffix=".xml") as file:
        file.write(body)
        file.flush()
        try:
            peer = Peer("healthchain", {"document": file.name})
        except FileNotFoundError:
            return [absent(what, "healthchain", target) for _, what, target in wanted]
        return [*_against(peer, maps, body, wanted), _against_lxml(maps, body)]


def _against(
    peer: Peer, maps: MapSet, body: bytes, wanted: tuple[tuple[str, str, str], ...]
) -> Iterator[dict[str, Any]]:
    for name, what, target in wanted:
        made = json.loads(_bundle(maps, name, body))["entry"]
        ours, theirs = turns(partial(_bundle, maps, name, body), peer, 4)
        counted = f"{what} ({len(made)} resources, the peer {len(peer.answer)})"
        yield faster(counted, ours * 1e3, theirs * 1e3, "HealthChain, three sections", target, "ms")
    peer.close()


def _against_lxml(maps: MapSet, body: bytes) -> dict[str, Any]:
    from lxml import etree

    ours, parse = best(
        partial(_bundle, maps, "benchmark-ccd-sections", body), lambda: etree.fromstring(body), times=2
    )
    return row("CCD sections, bytes to Bundle bytes", ours * 1e3, parse * 1e3, "lxml parse", "<= 20", "ms")


def faster(name: str, ours: float, peer: float, peer_name: str, target: str, unit: str) -> dict[str, Any]:
    """One line of the table whose `ratio` says how many times faster ours is."""
    return {
        "name": name, "ours": ours, "peer": peer, "peer_name": peer_name, "ratio": round(peer / ours, 2),
        "target": target, "unit": unit,
    }  # fmt: skip


def _bundle(maps: MapSet, name: str, body: bytes) -> bytes:
    made = maps[name].run(body, media_type="application/xml", zone="UTC", source_id="x")
    return fhir.encode(made.resources[0], "application/fhir+json")


def run() -> list[dict[str, Any]]:
    """All rows. `ratio` is how many times faster ours is, but for lxml, where it is ours to the peer."""
    return [*patient(), *document()]
