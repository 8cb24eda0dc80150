"""What mapping costs, as ratios against peers measured in the same run.

Figures are CPU time, the best of several interleaved rounds, so that a busy machine changes both sides alike.
"""

from __future__ import annotations

import gc
import json
import os
import tempfile
import tracemalloc
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

from adapter.mapping.fml.parser import parse
from adapter.mapping.mapset import MapSet
from adapter.mapping.readers import json as json_reader
from adapter.shipped import folder

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7

MAP = """/// url = 'urn:bench'
/// name = 'bench'
uses "https://silta.example/fhir/StructureDefinition/json-document" alias Json as source
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as target
group G(source src : Json, target tgt : Patient) {
  src.id as id -> tgt.id = id;
  src.active as a -> tgt.active = a;
  src.hetu as h -> tgt.identifier as i, i.use = 'official', i.system = 'urn:oid:1.2.246.21', i.value = h;
  src.mrn as m -> tgt.identifier as i, i.system = 'urn:mrn', i.value = m;
  src.names as n -> tgt.name as name then {
    n.use as u -> name.use = u;
    n.last as f -> name.family = f;
    n.first as g -> name.given = g;
  };
  src.phones as p -> tgt.telecom as t, t.system = 'phone' then {
    p.number as v -> t.value = v;
    p.use as u -> t.use = u;
  };
  src.sex as s -> tgt.gender = s;
  src.born as b -> tgt.birthDate = b;
  src.address as a -> tgt.address as t then {
    a.street as l -> t.line = l;
    a.city as c -> t.city = c;
    a.zip as z -> t.postalCode = z;
  };
}
"""
SOURCE: dict[str, Any] = {
    "id": "p1", "active": True, "hetu": "010190-999R", "mrn": "4711", "sex": "female", "born": "1990-01-01",
    "names": [{"use": "official", "last": "Esimerkki", "first": ["Testi", "Anna"]}],
    "phones": [{"number": "+358401234567", "use": "mobile"}, {"number": "+35891234567", "use": "home"}],
    "address": {"street": ["Koekatu 1", "A 2"], "city": "Helsinki", "zip": "00100"},
}  # fmt: skip
"""An invented person."""


def by_hand(src: dict[str, Any]) -> dict[str, Any]:
    """The same as the map, as a person would write it in Python for this one source."""
    made: dict[str, Any] = {"resourceType": "Patient"}
    if "id" in src:
        made["id"] = src["id"]
    identifiers = []
    if src.get("hetu") is not None:
        identifiers.append({"use": "official", "system": "urn:oid:1.2.246.21", "value": src["hetu"]})
    if src.get("mrn") is not None:
        identifiers.append({"system": "urn:mrn", "value": src["mrn"]})
    if identifiers:
        made["identifier"] = identifiers
    if src.get("active") is not None:
        made["active"] = src["active"]
    names = []
    for name in src.get("names", ()):
        one = {}
        if name.get("use"):
            one["use"] = name["use"]
        if name.get("last"):
            one["family"] = name["last"]
        if name.get("first"):
            one["given"] = list(name["first"])
        if one:
            names.append(one)
    if names:
        made["name"] = names
    phones = []
    for phone in src.get("phones", ()):
        one = {"system": "phone"}
        if phone.get("number"):
            one["value"] = phone["number"]
        if phone.get("use"):
            one["use"] = phone["use"]
        phones.append(one)
    if phones:
        made["telecom"] = phones
    if src.get("sex"):
        made["gender"] = src["sex"]
    if src.get("born"):
        made["birthDate"] = src["born"]
    address = src.get("address")
    if address:
        one = {}
        if address.get("street"):
            one["line"] = list(address["street"])
        if address.get("city"):
            one["city"] = address["city"]
        if address.get("zip"):
            one["postalCode"] = address["zip"]
        made["address"] = [one]
    return made


def best(*works: Callable[[], object], times: int) -> list[float]:
    """Seconds of CPU for one call of each, the best of interleaved rounds."""
    found = [float("inf")] * len(works)
    for work in works:
        work()
    gc.collect()
    for _ in range(ROUNDS):
        for at, work in enumerate(works):
            start = process_time()
            for _ in range(times):
                work()
            found[at] = min(found[at], (process_time() - start) / times)
    return found


def row(name: str, ours: float, peer: float, peer_name: str, target: str, unit: str) -> dict[str, Any]:
    """One line of the table; `ratio` is ours to peer."""
    return {
        "name": name, "ours": ours, "peer": peer, "peer_name": peer_name, "ratio": round(ours / peer, 2),
        "target": target, "unit": unit,
    }  # fmt: skip


def patient() -> list[dict[str, Any]]:
    """A map of some twenty values against hand-written Python, and what lineage adds."""
    with tempfile.TemporaryDirectory() as place:
        Path(place, "bench.map").write_text(MAP, "utf-8")
        one = MapSet.load(place)["bench"]
    tree = json_reader.read(json.dumps(SOURCE).encode())
    assert one.run_tree(tree, source_id="x").resources == [by_hand(tree.root)]
    ours, peer, traced = best(
        lambda: one.run_tree(tree, source_id="x"),
        lambda: by_hand(tree.root),
        lambda: one.run_tree(tree, source_id="x", lineage=True),
        times=400,
    )
    return [
        row("map run, 20 values", ours * 1e6, peer * 1e6, "hand-written Python", "<= 8", "us"),
        row("lineage and accounting, 20 values", traced * 1e6, ours * 1e6, "the same run without", "-", "us"),
    ]


def notification() -> list[dict[str, Any]]:
    """A shipped v2 fixture through the shipped map, bytes to Bundle, with and without lineage."""
    one = MapSet.load(folder("mappings"))["notification-from-v2"]
    body = (folder("fixtures") / "notification" / "back-surgery.hl7").read_bytes()
    options: dict[str, Any] = {"media_type": "application/hl7-v2", "zone": "Europe/Helsinki"}
    plain, traced = best(
        lambda: one.run(body, **options), lambda: one.run(body, lineage=True, **options), times=10
    )
    return [
        row("v2 to Bundle with lineage", traced * 1e3, plain * 1e3, "the same run without", "<= 1.5", "ms"),
    ]


def parsing() -> list[dict[str, Any]]:
    """Reading map text, all shipped maps together."""
    texts = [path.read_text("utf-8") for path in sorted(folder("mappings").rglob("*.map"))]
    size = sum(len(text) for text in texts) / 1000
    (spent,) = best(lambda: [parse(text) for text in texts], times=1)
    return [row("map parse with spans, per kB", spent * 1e3 / size, 1.0, "target", "<= 1", "ms")]


def ask_all(node: dict[str, Any]) -> None:
    """Ask every node of a source tree for its parts."""
    for value in node.values():
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, dict):
                ask_all(one)


def documents() -> list[dict[str, Any]]:
    """Reading a large CDA document against lxml's own parse of it; peak memory against its size.

    Nodes are read when they are asked: the first row is what a map pays at least, the second what it pays if
    it looks at all of the document.
    """
    corpus = os.environ.get("SILTA_CORPUS")
    if not corpus:
        return []
    from lxml import etree

    from adapter.mapping.readers import xml

    path = max((Path(corpus) / "ccda-documents").rglob("*.xml"), key=lambda one: one.stat().st_size)
    body = path.read_bytes()
    ours, whole, peer = best(
        lambda: xml.read(body), lambda: ask_all(xml.read(body).root), lambda: etree.fromstring(body), times=5
    )
    large = (
        body.replace(b"</ClinicalDocument>", b"")
        + b"".join(b"<component><x a='%d'>text of some length</x></component>" % at for at in range(20_000))
        + b"</ClinicalDocument>"
    )
    tracemalloc.start()
    tree = xml.read(large)
    ask_all(tree.root)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    del tree
    return [
        row(f"XML source, {len(body) // 1024} KiB", ours * 1e3, peer * 1e3, "lxml parse", "<= 2", "ms"),
        row(
            f"XML source, every node of {len(body) // 1024} KiB",
            whole * 1e3,
            peer * 1e3,
            "lxml parse",
            "<= 12",
            "ms",
        ),
        row(
            f"peak memory, {len(large) // 1024} KiB",
            peak / 1e6,
            len(large) / 1e6,
            "source bytes",
            "<= 12",
            "MB",
        ),
    ]


def run() -> list[dict[str, Any]]:
    """All rows of this room."""
    return [*patient(), *notification(), *parsing(), *documents()]


if __name__ == "__main__":
    for line in run():
        ours = f"{line['name']:<40} {line['ours']:10.3f} {line['unit']:<3}"
        print(f"{ours} {line['ratio']:7.2f} x {line['peer_name']}  ({line['target']})")
