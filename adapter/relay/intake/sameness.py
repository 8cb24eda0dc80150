"""When two submissions are one: the keys that a sender's repeat has again, and the digest of what it says."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from adapter.relay import event
from adapter.relay.duplicates import Id
from adapter.relay.element import child, children, text
from adapter.relay.message import IntakeKey, Meaning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.relay.element import Element
    from adapter.relay.notification import Notification

OTHER_NOTIFICATION = "ST120"
OTHER_MESSAGE = "ST124"


def is_correction(facts: Notification, meaning: Meaning | None) -> bool:
    """Return True if the message corrects an earlier one."""
    return meaning is Meaning.UPDATE or facts.event == event.CORRECTION


def keys(facts: Notification, meaning: Meaning | None, generation: str, digest: str) -> Iterator[IntakeKey]:
    """Yield what makes a submission the same as an earlier one of the same sender.

    A notification is done once and cancelled once in each generation: other content under its id is a
    conflict. It may be planned anew and corrected as often as its sender likes: there only the same content
    is the same.
    """
    if facts.identifier and meaning in (Meaning.DONE, Meaning.CANCEL) and not is_correction(facts, meaning):
        key = f"notification:{meaning}:{generation}:{facts.identifier}"
        yield IntakeKey(key, clash=OTHER_NOTIFICATION, at=f"{facts.at}.identifier[0]")
    elif facts.identifier and meaning is not None:
        said = f"{facts.version}:{digest}" if facts.version else digest
        key = f"notification:{meaning}:{generation}:{facts.identifier}:{said}"
        yield IntakeKey(key, clash=OTHER_NOTIFICATION, at=f"{facts.at}.identifier[0]")
    if facts.message_identifier:
        key = f"message:{facts.application or ''}:{facts.message_identifier}"
        yield IntakeKey(key, clash=OTHER_MESSAGE, at="Bundle.identifier")
    if facts.bundle_id:
        yield IntakeKey(f"bundle:{facts.bundle_id}", clash=OTHER_MESSAGE, at="Bundle.id", id=Id.BUNDLE)
    if facts.header_id:
        at = "Bundle.entry[0].resource.id"
        yield IntakeKey(f"header:{facts.header_id}", clash=OTHER_MESSAGE, at=at, id=Id.HEADER)


def digest_of(bundle: Element) -> str:
    """Return the SHA-256 of what a message says, hex: without its ids, times of sending and addresses."""
    names: dict[str, str] = {}
    for number, entry in enumerate(children(bundle, "entry")):
        url = text(entry, "fullUrl")
        if url:
            names[url] = f"#{number}"
    said = [
        _said(child(entry, "resource"), names)
        for entry in children(bundle, "entry")
        if child(entry, "resource").get("resourceType") != "Provenance"
    ]
    written = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(written.encode()).hexdigest()


_NOT_SAID = {"MessageHeader": ("id", "meta", "text"), "Communication": ("id", "meta", "text", "sent")}


def _said(resource: Element, names: dict[str, str]) -> Any:  # noqa: ANN401 - JSON
    left_out = _NOT_SAID.get(str(resource.get("resourceType")), ("id", "meta", "text"))
    return {key: _renamed(value, names) for key, value in resource.items() if key not in left_out}


def _renamed(value: Any, names: dict[str, str]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {
            key: names.get(each, each)
            if key == "reference" and isinstance(each, str)
            else _renamed(each, names)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    return value
