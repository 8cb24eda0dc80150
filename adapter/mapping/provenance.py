"""Lineage as FHIR Provenance: which rule made which elements of a result from which places of the source.

One Provenance for each rule and its places in the source. Its targets are the elements, by the standard
extension `targetPath` on the resource's reference; its entities are the places, as identifiers in the
sender's words. It holds places only, never what stands there. FHIR R4 Provenance; extension targetPath.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from uuid import uuid5

from adapter.fhir.canonical import BASE
from adapter.mapping.run import SILTA_NAMESPACE
from adapter.mapping.version import uri_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter.mapping.lineage import Lineage, Step

TARGET_PATH = "http://hl7.org/fhir/StructureDefinition/targetPath"
PLACE = f"{BASE}/NamingSystem/source-place"
RULE = f"{BASE}/NamingSystem/map-rule"
SOURCE = f"{BASE}/NamingSystem/source"
_ENTRY = re.compile(r"^Bundle\.entry\[(\d+)\]\.resource\.")
_PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_ASSEMBLER = {"coding": [{"system": _PARTICIPANT, "code": "assembler"}]}


def provenance(
    lineage: Lineage,
    result: Mapping[str, Any],
    *,
    source_id: str,
    map_url: str,
    recorded: str,
    map_version: str = "",
) -> dict[str, Any]:
    """Give a collection Bundle of Provenances for one result.

    `recorded`: instant of the run. `source_id`: names the source; the digest of its bytes, or another.
    `map_version`: see `version.version_of`; it stands beside the map's url.
    """
    groups: dict[tuple[str, int, str, tuple[str, ...]], list[Step]] = {}
    for step in lineage:
        places = step.sources or ((step.context,) if step.context else ())
        groups.setdefault((step.map, step.line, step.rule, places), []).append(step)
    policy = [map_url or f"{BASE}/StructureMap", *([uri_of(map_version)] if map_version else [])]
    entries = []
    for (file, line, rule, places), steps in groups.items():
        key = f"{source_id}/{map_url}/{file}:{line}/{rule}/{'/'.join(places)}"
        resource = {
            "resourceType": "Provenance",
            "target": [_target(step.target, result) for step in steps],
            "recorded": recorded,
            "policy": policy,
            "agent": [
                {
                    "type": _ASSEMBLER,
                    "who": {"identifier": {"system": RULE, "value": f"{file}:{line} {rule}"}},
                }
            ],
            "entity": [
                {"role": "source", "what": {"identifier": {"system": PLACE, "value": place}}}
                for place in places
            ]
            or [{"role": "source", "what": {"identifier": {"system": SOURCE, "value": source_id}}}],
        }
        entries.append({"fullUrl": f"urn:uuid:{uuid5(SILTA_NAMESPACE, key)}", "resource": resource})
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _target(path: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """Refer to the entry that an element stands in, else to the result as a whole."""
    match = _ENTRY.match(path)
    kind, _, inner = path.partition(".")
    reference: dict[str, Any] = {"type": kind}
    if match is not None:
        entry = result["entry"][int(match[1])]
        inner = path[match.end() :]
        reference = {"type": entry["resource"]["resourceType"]}
        if entry.get("fullUrl"):
            reference["reference"] = entry["fullUrl"]
    elif result.get("id"):
        reference["reference"] = f"{kind}/{result['id']}"
    return {"extension": [{"url": TARGET_PATH, "valueString": inner}], **reference}
