"""What a resource says it is: the profiles it claims, and the resources in it that may claim their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.fhir.json import Json
    from adapter.validation.visit import Resource, Visit

    Steps = tuple[str, ...]

TALKATIVE = frozenset({"Bundle", "Observation", "Parameters"})
"""Types that hold resources, or call for a profile by their code, without a word in `meta`."""


def claims(resource: Resource) -> Iterator[str]:
    """Yield the profiles of meta.profile."""
    meta = resource.get("meta")
    claimed = meta.get("profile") if isinstance(meta, dict) else None
    for canonical in claimed if isinstance(claimed, list) else ():
        if isinstance(canonical, str):
            yield canonical


def _is_silent(resource: Resource) -> bool:
    """Return True if neither the resource nor anything in it can call for a profile."""
    if "meta" in resource or "contained" in resource:
        return False
    kind = resource.get("resourceType")
    return not isinstance(kind, str) or kind not in TALKATIVE


def inside(resource: Resource, visit: Visit) -> Iterator[tuple[Steps, Resource, Visit]]:
    """Yield the resources within a resource that may call for profiles, each with its steps and its visit."""
    contained = resource.get("contained")
    for index, one in enumerate(contained if isinstance(contained, list) else ()):
        if isinstance(one, dict) and not _is_silent(one):
            yield (f"contained[{index}]",), one, visit.contained(one)
    kind = resource.get("resourceType")
    if kind == "Bundle":
        yield from _entries(resource.get("entry"), visit)
    elif kind == "Parameters":
        yield from _parameters(resource.get("parameter"), visit, ())


def _entries(entries: Json, visit: Visit) -> Iterator[tuple[Steps, Resource, Visit]]:
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        one = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(one, dict) and not _is_silent(one):
            url = entry.get("fullUrl")
            there = visit.entry(one, url if isinstance(url, str) else None)
            yield (f"entry[{index}]", "resource"), one, there


def _parameters(parameters: Json, visit: Visit, above: Steps) -> Iterator[tuple[Steps, Resource, Visit]]:
    for index, one in enumerate(parameters if isinstance(parameters, list) else ()):
        if not isinstance(one, dict):
            continue
        step = (*above, f"{'part' if above else 'parameter'}[{index}]")
        resource: Any = one.get("resource")
        if isinstance(resource, dict) and not _is_silent(resource):
            yield (*step, "resource"), resource, visit.parameter(resource)
        yield from _parameters(one.get("part"), visit, step)
