"""What a Bundle asks of its entries beyond its invariants: addresses, ids, references that lead somewhere.

R4 bundle.html, 2.36.3 and 2.36.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.validation.found import Found
from adapter.validation.references import LITERAL, elsewhere, inside_of, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.fhir.json import Json
    from adapter.outcome import Severity
    from adapter.validation.found import Verdict
    from adapter.validation.visit import Visit

CLOSED = frozenset({"document", "message"})
"""Bundle types whose references must be found inside, where they name something inside."""


def check_bundle(value: Json, visit: Visit) -> Verdict:
    """Return what is wrong between the entries of a Bundle."""
    entries = value.get("entry") if isinstance(value, dict) else None
    if not isinstance(entries, list):
        return None
    kind = value.get("type")
    found = [one for index, entry in enumerate(entries) for one in _entry(entry, index, kind)]
    found += _doubled(entries, kind)
    return found or None


def _entry(entry: Json, index: int, kind: Json) -> Iterator[Found]:
    if not isinstance(entry, dict):
        return
    url, resource = entry.get("fullUrl"), entry.get("resource")
    kind = kind if isinstance(kind, str) else None
    place = f"entry[{index}]"
    if kind == "searchset" and _lacks_id(resource):
        yield _at(Found("VA808"), "resource", place)
    if not isinstance(url, str):
        if kind in CLOSED and isinstance(resource, dict) and "_fullUrl" not in entry:
            yield Found("VA802", {"type": str(kind)}, step=place)
        return
    if ":" not in url:
        yield _at(Found("VA806"), "fullUrl", place)
    match = LITERAL.fullmatch(url)
    if isinstance(resource, dict) and match is not None and match["base"]:
        if (
            match["type"] == resource.get("resourceType")
            and "id" in resource
            and match["id"] != resource["id"]
        ):
            yield _at(Found("VA803"), "fullUrl", place)
        elif "id" not in resource and kind in CLOSED:
            yield _at(Found("VA807"), "resource", place)


def _lacks_id(resource: Json) -> bool:
    return (
        isinstance(resource, dict)
        and "id" not in resource
        and resource.get("resourceType") != "OperationOutcome"
    )


def _doubled(entries: list[Any], kind: Json) -> list[Found]:
    """Say VA801 of an entry that has type and id of another, and no address of its own."""
    if kind in ("history", "transaction", "batch", "transaction-response", "batch-response"):
        return []
    seen: set[tuple[str, str, str]] = set()
    found = []
    for index, entry in enumerate(entries):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict) or not isinstance(resource.get("id"), str):
            continue
        meta = resource.get("meta")
        version = meta.get("versionId", "") if isinstance(meta, dict) else ""
        base = LITERAL.fullmatch(str(entry.get("fullUrl", "")))
        key = (
            f"{(base and base['base']) or ''}{resource.get('resourceType')}",
            resource["id"],
            str(version),
        )
        if key in seen:
            found.append(_at(Found("VA801"), "resource", f"entry[{index}]"))
        seen.add(key)
    return found


def check_reference(value: Json, visit: Visit) -> Verdict:
    """Return whether a Reference leads somewhere, as far as it says it is inside, and to the type it says."""
    literal = value.get("reference") if isinstance(value, dict) else None
    if not isinstance(literal, str) or not literal:
        return None
    target = resolve(literal, visit)
    if target.mode == "elsewhere" and target.named and "type" not in value and not visit.is_bundled:
        return None
    found: list[Found] = []
    if literal[0] == "#":
        if not _is_inside(literal[1:], visit):
            found.append(Found("VA503", step="reference"))
    elif target.mode == "lost":
        found.append(Found("VA502", level=_graveness(visit), step="reference"))
    elif target.mode == "elsewhere" and ":" not in literal and _is_closed(visit):
        near = any(elsewhere(literal, bundle, visit) for bundle, _ in visit.bundles())
        found.append(Found("VA506", level="error" if near else None, step="reference"))
    if target.named is None and "#" not in literal and ":" not in literal and "?" not in literal:
        found.append(Found("VA507", step="reference"))
    if " " in literal.strip():
        found.append(Found("VA510", step="reference"))
    if target.mode == "bundled" and target.named is not None and target.named != target.type:
        found.append(Found("VA509", {"type": target.type}, step="reference"))
    stated = value.get("type")
    if isinstance(stated, str) and target.type is not None and stated.rpartition("/")[2] != target.type:
        found.append(Found("VA508", {"type": target.type}, step="type"))
    return found or None


def _is_inside(name: str, visit: Visit) -> bool:
    """Return True if a resource of that id is contained, or the container is meant. R4 Reference, ref-1."""
    return not name or name in inside_of(visit.root, visit)


def _is_closed(visit: Visit) -> bool:
    return any(str(bundle.get("type")) in CLOSED for bundle, _ in visit.bundles())


def _graveness(visit: Visit) -> Severity:
    return "error" if _is_closed(visit) else "warning"


def _at(found: Found, *steps: str) -> Found:
    found.steps.extend(steps)
    return found
