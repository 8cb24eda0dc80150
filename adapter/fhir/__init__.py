"""The standard, knowing nothing of us: codec, positions, type table, bundles, packages.

The functions here load what they need when they are first called, so that importing this costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapter.fhir.budget import Budget
    from adapter.fhir.json import Resource
    from adapter.outcome import Issue

__all__ = ["decode", "encode", "locate", "locate_all", "located", "typed", "untyped"]


def decode(
    body: bytes, media_type: str, *, budget: Budget | None = None, found: list[Issue] | None = None
) -> Resource:
    """Read one FHIR resource into FHIR's JSON shape.

    Decimals keep the digits they came with. `media_type` may carry parameters; `charset`, if given, must be
    UTF-8. Where XML is well-formed but not FHIR, the issues are raised together, or put into `found` if a
    list is given.

    Raises Malformed with line and column, Unsupported for other media types, TooCostly beyond the budget.
    FHIR R4: json.html, xml.html.
    """
    from adapter.fhir.budget import DEFAULT, bounded
    from adapter.fhir.media_type import format_of

    limits = budget or DEFAULT
    if format_of(media_type) == "xml":
        from adapter.fhir import xml

        return bounded(xml.read(body, limits, found=found), len(body), limits)
    from adapter.fhir import json

    return bounded(json.read_resource(body, limits), len(body), limits)


def encode(resource: Resource, media_type: str, *, pretty: bool = False) -> bytes:
    """Write a resource in the format that `media_type` names.

    Raises Unsupported for other media types, Malformed for what the format cannot say.
    """
    from adapter.fhir.media_type import format_of

    if format_of(media_type) == "xml":
        from adapter.fhir import xml

        return xml.write(resource, pretty=pretty)
    from adapter.fhir import json

    return json.write(resource, pretty=pretty)


def locate(body: bytes, media_type: str, path: str) -> tuple[int, int]:
    """Return line and column, from 1, of what a FHIRPath names in a document.

    `path` is as in an issue: `Bundle.entry[3].resource.status`. Where it leads nowhere (an element that is
    missing), the place is that of the nearest one around it. A second pass over the bytes, for findings only.
    """
    from adapter.fhir.positions import locate as find

    return find(body, media_type, path)


def locate_all(body: bytes, media_type: str, paths: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return line and column of each path as `locate` does, in one pass for all of them."""
    from adapter.fhir.positions import locate_all as find_all

    return find_all(body, media_type, paths)


def located(issues: Iterable[Issue], body: bytes, media_type: str, at: str | None = None) -> list[Issue]:
    """Return the issues with line and column; what is missing is where it should stand.

    `at`: where in the body the resource stands that the issues are about; None if it is the whole.
    """
    from dataclasses import replace

    found = list(issues)
    paths = {issue.at: _path(issue.at, at) for issue in found if issue.at}
    places = locate_all(body, media_type, set(paths.values()))
    return [
        replace(issue, line=places[paths[issue.at]][0], column=places[paths[issue.at]][1])
        if issue.at and issue.line is None
        else issue
        for issue in found
    ]


def _path(path: str, at: str | None) -> str:
    """Return a path from the root of the body; the root of a logical model may be in small letters."""
    root, dot, rest = path.partition(".")
    if at is not None:
        return f"{at}{dot}{rest}"
    return path if root.isalpha() and root[0].isupper() else f"Model{dot}{rest}"


def typed(resource: Resource) -> Any:  # noqa: ANN401 - fhir.resources has one class per resource
    """Return the resource as an object of `fhir.resources` (its R4B classes: it has no R4).

    For callers who want attributes and completion; never used on the way of a message.
    Raises Malformed if its classes refuse the content; the values are not quoted.
    """
    from adapter.fhir.typed import typed as view

    return view(resource)


def untyped(model: Any, like: Resource | None = None) -> Resource:  # noqa: ANN401 - see typed
    """Return the JSON shape of what `typed` gave, changed or not.

    With `like`, the resource it was made from, every unchanged value comes back as it was written there.
    """
    from adapter.fhir.typed import untyped as shape

    return shape(model, like)
