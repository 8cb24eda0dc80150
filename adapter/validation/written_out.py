"""Invariants of the core written out in Python, by the text of their FHIRPath.

Each must say what the expression says; `tests/validation/test_written_out.py` holds them against the engine
over every example at hand.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from adapter.validation.limits import compare

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhir.json import Json
    from adapter.validation.visit import Visit


def _listed(value: Json, name: str) -> list[Any]:
    found = value.get(name, ())
    return found if isinstance(found, list) else []


def _no_nested_contained(value: Json, visit: Visit) -> bool:
    return not any(isinstance(one, dict) and one.get("contained") for one in _listed(value, "contained"))


def _no_contained_version(value: Json, visit: Visit) -> bool:
    return not any(
        isinstance(one, dict)
        and isinstance(one.get("meta"), dict)
        and (one["meta"].get("versionId") or one["meta"].get("lastUpdated"))
        for one in _listed(value, "contained")
    )


def _no_contained_label(value: Json, visit: Visit) -> bool:
    return not any(
        isinstance(one, dict) and isinstance(one.get("meta"), dict) and one["meta"].get("security")
        for one in _listed(value, "contained")
    )


_IN_NARRATIVE = re.compile(r"(?:src|href)\s*=\s*[\"'](#[^\"']+)")


def _lose(wanted: set[str], value: Json) -> None:
    """Take from `wanted` every text of a value that points to a contained resource.

    Such are references, canonicals, uris and urls, and links in a narrative.
    """
    waiting = [value]
    while waiting and wanted:
        one = waiting.pop()
        for inner in one.values() if isinstance(one, dict) else one:
            kind = inner.__class__
            if kind is str:
                if inner[:1] == "#":
                    wanted.discard(inner)
                elif inner[:4] == "<div" and "#" in inner:
                    wanted.difference_update(_IN_NARRATIVE.findall(inner))
            elif kind is dict or kind is list:
                waiting.append(inner)


def _contained_used(value: Json, visit: Visit) -> bool:
    contained = [one for one in _listed(value, "contained") if isinstance(one, dict)]
    wanted = {"#" + str(one.get("id", "")) for one in contained}
    _lose(wanted, value)
    return all("#" + str(one.get("id", "")) not in wanted or _names_container(one) for one in contained)


def _names_container(contained: Json) -> bool:
    container = {"#"}
    _lose(container, contained)
    return not container


def _period_in_order(value: Json, visit: Visit) -> bool:
    start, end = value.get("start"), value.get("end")
    if not isinstance(start, str) or not isinstance(end, str):
        return True
    if start[19:] != end[19:] and len(start) > 19 and len(end) > 19:
        return _instant(start) <= _instant(end)
    order = compare(start, end)
    return order is None or order <= 0


def _instant(text: str) -> float:
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def _system_with_code(value: Json, visit: Visit) -> bool:
    return "code" not in value or "system" in value or "_system" in value


def _value_or_reason(value: Json, visit: Visit) -> bool:
    return "dataAbsentReason" not in value or not any(key.startswith(("value", "_value")) for key in value)


def _typed_data(value: Json, visit: Visit) -> bool:
    return "data" not in value or "contentType" in value or "_contentType" in value


def _contact_with_system(value: Json, visit: Visit) -> bool:
    return "value" not in value or "system" in value or "_system" in value


def _plain_version(value: Json, visit: Visit) -> bool:
    url = value.get("fullUrl")
    return not isinstance(url, str) or "/_history/" not in url


def _no_comparator(value: Json, visit: Visit) -> bool:
    return "comparator" not in value and "_comparator" not in value


def _says_some_limit(value: Json, visit: Visit) -> bool:
    return not value.keys().isdisjoint(("low", "high", "text", "_text"))


def _entry_has_something(value: Json, visit: Visit) -> bool:
    return "resource" in value or "request" in value or "response" in value


def _stands(value: Json, name: str) -> bool:
    return name in value or "_" + name in value


def _entries(value: Json) -> list[dict[str, Any]]:
    return [one for one in _listed(value, "entry") if isinstance(one, dict)]


def _search_in_searchset(value: Json, visit: Visit) -> bool:
    kind = value.get("type")
    return kind is None or kind == "searchset" or not any("search" in one for one in _entries(value))


def _only_in(name: str, kinds: frozenset[str]) -> Callable[[Json, Visit], bool]:
    """Make the rule that every entry has `name` in Bundles of these types, and none has it elsewhere."""

    def holds(value: Json, visit: Visit) -> bool:
        kind = visit.resource.get("type")
        wanted = kind in kinds if isinstance(kind, str) else None  # without a type no entry can be right
        return all((name in one) is wanted for one in _entries(value))

    return holds


def _addresses_differ(value: Json, visit: Visit) -> bool:
    if value.get("type") == "history":
        return True
    seen: set[str] = set()
    for one in _entries(value):
        url = one.get("fullUrl")
        if not isinstance(url, str):
            continue
        resource = one.get("resource")
        meta = resource.get("meta") if isinstance(resource, dict) else None
        version = meta.get("versionId") if isinstance(meta, dict) else None
        address = url + version if isinstance(version, str) else url
        if address in seen:
            return False
        seen.add(address)
    return True


def _document_identified(value: Json, visit: Visit) -> bool:
    if value.get("type") != "document":
        return True
    identifier = value.get("identifier")
    return isinstance(identifier, dict) and _stands(identifier, "system") and _stands(identifier, "value")


def _document_dated(value: Json, visit: Visit) -> bool:
    return value.get("type") != "document" or value.get("timestamp") is not None


def _begins_with(kind: str, name: str) -> Callable[[Json, Visit], bool]:
    """Make the rule that the first entry of a Bundle of this type holds a resource called `name`."""

    def holds(value: Json, visit: Visit) -> bool:
        entries = _entries(value)
        first = entries[0].get("resource") if value.get("type") == kind and entries else None
        return not isinstance(first, dict) or first.get("resourceType") == name

    return holds


def _codings(value: Json) -> list[Any]:
    code = value.get("code")
    return _listed(code, "coding") if isinstance(code, dict) else []


def _component_says_other(value: Json, visit: Visit) -> bool:
    components = _listed(value, "component")
    if not components or not any(key.startswith(("value", "_value")) for key in value):
        return True
    codings = _codings(visit.resource)
    return not any(
        coding in codings for one in components if isinstance(one, dict) for coding in _codings(one)
    )


def _detail_or_reference(value: Json, visit: Visit) -> bool:
    return "detail" not in value or "reference" not in value


def _named_or_identified(value: Json, visit: Visit) -> bool:
    return bool(value.get("identifier")) or _stands(value, "name")


_CONTAINED_USED = (
    "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) "
    "| %resource.descendants().as(uri) | %resource.descendants().as(url))) or descendants()"
    ".where(reference = '#').exists() or descendants().where(as(canonical) = '#').exists() or descendants()"
    ".where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()"
)

_REQUESTED = (
    "entry.all(request.exists() = (%resource.type = 'batch' or %resource.type = 'transaction' or "
    "%resource.type = 'history'))"
)
_ANSWERED = (
    "entry.all(response.exists() = (%resource.type = 'batch-response' or %resource.type = "
    "'transaction-response' or %resource.type = 'history'))"
)
_IDENTIFIED = "type = 'document' implies (identifier.system.exists() and identifier.value.exists())"
_ADDRESSES_DIFFER = (
    "(type = 'history') or entry.where(fullUrl.exists()).select(fullUrl&resource.meta.versionId).isDistinct()"
)
_COMPONENT_SAYS_OTHER = (
    "value.empty() or component.code.where(coding.intersect(%resource.code.coding).exists()).empty()"
)

NEEDED = {
    "contained.contained.empty()": "contained",
    "contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()": "contained",
    "contained.meta.security.empty()": "contained",
    _CONTAINED_USED: "contained",
    "start.hasValue().not() or end.hasValue().not() or (start <= end)": "start",
    "code.empty() or system.exists()": "code",
    "value.empty() or system.exists()": "value",
    "dataAbsentReason.empty() or value.empty()": "dataAbsentReason",
    "data.empty() or contentType.exists()": "data",
    "fullUrl.contains('/_history/').not()": "fullUrl",
    "comparator.empty()": "comparator",
    _COMPONENT_SAYS_OTHER: "component",
    _REQUESTED: "entry",
    _ANSWERED: "entry",
    _ADDRESSES_DIFFER: "entry",
    "entry.search.empty() or (type = 'searchset')": "entry",
    "detail.empty() or reference.empty()": "detail",
}
"""The key without which each rule has nothing to say, so that nobody asks."""

WRITTEN_OUT: dict[str, Callable[[Any, Visit], bool]] = {
    "contained.contained.empty()": _no_nested_contained,
    "comparator.empty()": _no_comparator,
    "low.exists() or high.exists() or text.exists()": _says_some_limit,
    "dataAbsentReason.empty() or value.empty()": _value_or_reason,
    "data.empty() or contentType.exists()": _typed_data,
    "value.empty() or system.exists()": _contact_with_system,
    "fullUrl.contains('/_history/').not()": _plain_version,
    "resource.exists() or request.exists() or response.exists()": _entry_has_something,
    "contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()": _no_contained_version,
    "contained.meta.security.empty()": _no_contained_label,
    _CONTAINED_USED: _contained_used,
    "start.hasValue().not() or end.hasValue().not() or (start <= end)": _period_in_order,
    "code.empty() or system.exists()": _system_with_code,
    _COMPONENT_SAYS_OTHER: _component_says_other,
    _REQUESTED: _only_in("request", frozenset({"batch", "transaction", "history"})),
    _ANSWERED: _only_in("response", frozenset({"batch-response", "transaction-response", "history"})),
    _ADDRESSES_DIFFER: _addresses_differ,
    "entry.search.empty() or (type = 'searchset')": _search_in_searchset,
    _IDENTIFIED: _document_identified,
    "type = 'document' implies (timestamp.hasValue())": _document_dated,
    "type = 'document' implies entry.first().resource.is(Composition)": _begins_with(
        "document", "Composition"
    ),
    "type = 'message' implies entry.first().resource.is(MessageHeader)": _begins_with(
        "message", "MessageHeader"
    ),
    "detail.empty() or reference.empty()": _detail_or_reference,
    "(identifier.count() + name.count()) > 0": _named_or_identified,
}
"""Expression -> question over the value."""
