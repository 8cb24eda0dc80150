"""Messages of our own: the Bundle around them. R4 Bundle (message), Finnish turvakielto and HTEST labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.fhir import json as fhir_json
from adapter.fhir.canonical import URI
from adapter.relay.message import Mode
from adapter.relay.notification import TEST_TAG, TURVAKIELTO

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    Resource = dict[str, Any]


def message_bundle(
    entries: Iterable[tuple[str, Resource]],
    id: str,
    *,
    made_for: str,
    mode: Mode,
    at: datetime,
    under_turvakielto: bool = False,
) -> Resource:
    """Build a message Bundle of resources by their address (`urn:uuid:…`), each with the id of its address.

    `made_for`: canonical of the profile of the Bundle.
    """
    meta: Resource = {"profile": [made_for]}
    if under_turvakielto:
        meta["security"] = [{"system": TURVAKIELTO[0], "code": TURVAKIELTO[1]}]
    if mode is Mode.TEST:
        meta["tag"] = [{"system": TEST_TAG[0], "code": TEST_TAG[1]}]
    return {
        "resourceType": "Bundle",
        "id": id,
        "meta": meta,
        "identifier": {"system": URI, "value": f"urn:uuid:{id}"},
        "type": "message",
        "timestamp": instant(at),
        "entry": [{"fullUrl": url, "resource": _with_id(resource, url)} for url, resource in entries],
    }


def in_envelope(body: bytes, id: str, at: datetime) -> bytes:
    """Put the message of a Bundle, as bytes of JSON, into a new envelope: other id and time, nothing else."""
    bundle = fhir_json.read(body)
    assert isinstance(bundle, dict)  # noqa: S101 - it was written here
    return fhir_json.write({**bundle, "id": id, "timestamp": instant(at)})


def _with_id(resource: Resource, url: str) -> Resource:
    return {"resourceType": resource["resourceType"], "id": url.removeprefix("urn:uuid:"), **resource}


def instant(moment: datetime) -> str:
    """Write a moment as a FHIR instant."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
