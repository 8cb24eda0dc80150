"""What is wrong with a message that a stub got: the rules of messaging, then structure and profiles.

Rules of R4 messaging are asked here in the receiver's own words, independent of the adapter's code, so that
a fault of the adapter is seen by somebody who does not share it. Only messages marked as test, about people
of the test range, are taken at all: a stub is no place for a patient.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from adapter.errors import AdapterError
from adapter.fhir import hetu
from adapter.fhir.canonical import code_system, profile
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Protocol

    class Checker(Protocol):
        """Whoever checks structure and profiles."""

        def validate(self, resource: dict[str, Any], profile: str | None = None) -> list[Issue]:
            """Return what is wrong with `resource`."""
            ...


TEST_LABEL = ("http://terminology.hl7.org/CodeSystem/v3-ActReason", "HTEST")
"""The label that walls test messages off from real ones. HL7 v3 ActReason."""

CLINICAL_TYPES = frozenset({"Procedure", "Condition", "Encounter", "DocumentReference", "Practitioner"})
"""Resource types that a copy of the minimal level never carries."""

PROFILE_OF_EVENT = {
    "procedure-notification": "notification-message",
    "care-episode-notification": "notification-message",
    "work-ability-referral": "notification-message",
    "cancel": "notification-message",
    "correction": "notification-message",
    "delivery-report": "delivery-report-message",
    "acknowledgement": "acknowledgement-message",
}
"""Which profile of ours the Bundle of an event is held against."""


def entries_of(bundle: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of a Bundle; what is no object stands as an empty one."""
    entries = bundle.get("entry")
    return (
        [entry if isinstance(entry, dict) else {} for entry in entries] if isinstance(entries, list) else []
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _first(value: object) -> dict[str, Any]:
    return _object(value[0]) if isinstance(value, list) and value else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def header_of(bundle: Mapping[str, Any]) -> dict[str, Any]:
    """Return the MessageHeader that stands first, an empty object if there is none. R4 bdl-12."""
    resource = _object(next(iter(entries_of(bundle)), {}).get("resource"))
    return resource if resource.get("resourceType") == "MessageHeader" else {}


def resources(bundle: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each resource of the Bundle with the number of its entry."""
    for number, entry in enumerate(entries_of(bundle)):
        resource = entry.get("resource")
        if isinstance(resource, dict):
            yield number, resource


def is_answer(bundle: Mapping[str, Any]) -> bool:
    """Return True if a message answers another one: then it is never answered itself. R4 messaging."""
    return "response" in header_of(bundle)


def event_of(bundle: Mapping[str, Any]) -> str | None:
    """Return the code of the message event, None without one."""
    return _text(_object(header_of(bundle).get("eventCoding")).get("code"))


def level_of(bundle: Mapping[str, Any]) -> str | None:
    """Return the content level that the message says it has, None if it says none."""
    url = profile("content-level")
    return next((_text(node.get("valueCode")) for node in _objects(bundle) if node.get("url") == url), None)


def receiver_of(bundle: Mapping[str, Any]) -> str | None:
    """Return the identifier value of the organisation the message is for, None if it names none."""
    return _identifier(bundle, _first(header_of(bundle).get("destination")).get("receiver"))


def sender_of(bundle: Mapping[str, Any]) -> str | None:
    """Return the identifier value of the organisation that sent the message, None if it names none."""
    return _identifier(bundle, header_of(bundle).get("sender"))


def _identifier(bundle: Mapping[str, Any], given: object) -> str | None:
    """Return the identifier value of what a reference points at, inside the Bundle or by itself."""
    reference = _object(given)
    logical = _text(_object(reference.get("identifier")).get("value"))
    if logical is not None:
        return logical
    target = reference.get("reference")
    for entry in entries_of(bundle):
        if target and target == entry.get("fullUrl"):
            return _text(_first(_object(entry.get("resource")).get("identifier")).get("value"))
    return None


def judge(bundle: Mapping[str, Any], checker: Checker | None) -> list[Issue]:
    """Return everything that is wrong with a message, in the order of the Bundle.

    `checker` knows structure and profiles; None leaves that out.
    """
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "message":
        return [Issue("KT101", "Bundle.type")]
    found = [*_bundle(bundle), *_header(bundle), *_references(bundle), *_level(bundle), *_test_only(bundle)]
    return [*found, *_structure(bundle, checker)]


def _bundle(bundle: Mapping[str, Any]) -> Iterator[Issue]:
    """R4 Bundle: bdl-7, bdl-10, bdl-12; messaging.html: identity of a message."""
    if not bundle.get("id") and not bundle.get("identifier"):
        yield Issue("KT109", "Bundle.id")
    if not bundle.get("timestamp"):
        yield Issue("KT112", "Bundle.timestamp")
    urls = [_text(entry.get("fullUrl")) for entry in entries_of(bundle)]
    for number, url in enumerate(urls):
        if not url:
            yield Issue("KT104", f"Bundle.entry[{number}].fullUrl")
    for url, times in Counter(url for url in urls if url).items():
        if times > 1:
            yield Issue("KT103", f"Bundle.entry[{urls.index(url)}].fullUrl", {"times": times})


def _header(bundle: Mapping[str, Any]) -> Iterator[Issue]:
    header, at = header_of(bundle), "Bundle.entry[0].resource"
    if not header:
        yield Issue("KT102", at)
        return
    needed = {
        "id": header.get("id"),
        "event[x]": header.get("eventCoding") or header.get("eventUri"),
        "source.endpoint": _object(header.get("source")).get("endpoint"),
        "focus": header.get("focus") or header.get("response"),
    }
    for element, value in needed.items():
        if not value:
            yield Issue("KT106", f"{at}.{element}", {"element": element})
    if receiver_of(bundle) is None:
        yield Issue("KT107", f"{at}.destination")


def _references(bundle: Mapping[str, Any]) -> Iterator[Issue]:
    """Every `urn:uuid:` reference leads to an entry of the same message. R4 messaging.html."""
    urls = [entry.get("fullUrl") for entry in entries_of(bundle)]
    for number, resource in resources(bundle):
        for node in _objects(resource):
            target = node.get("reference")
            if isinstance(target, str) and target.startswith("urn:uuid:") and target not in urls:
                yield Issue("KT105", f"Bundle.entry[{number}].resource")


def _level(bundle: Mapping[str, Any]) -> Iterator[Issue]:
    if level_of(bundle) != "minimal":
        return
    for number, resource in resources(bundle):
        if str(resource.get("resourceType")) in CLINICAL_TYPES:
            yield Issue(
                "KT113", f"Bundle.entry[{number}].resource", {"type": str(resource.get("resourceType"))}
            )


def _test_only(bundle: Mapping[str, Any]) -> Iterator[Issue]:
    if not is_test(bundle):
        yield Issue("KT114", "Bundle.meta.tag")
    for number, resource in resources(bundle):
        for node in _objects(resource):
            if node.get("system") == hetu.SYSTEM and isinstance(node.get("value"), str):
                code = hetu.read(node["value"])
                if code is not None and not code.is_test:
                    yield Issue("KT115", f"Bundle.entry[{number}].resource.identifier")


def is_test(bundle: Mapping[str, Any]) -> bool:
    """Say whether the Bundle or its MessageHeader carries the label of test messages."""
    metas = (_object(resource.get("meta")) for resource in (bundle, header_of(bundle)))
    labels = (meta.get(kind) for meta in metas for kind in ("tag", "security"))
    return any(
        (_object(label).get("system"), _object(label).get("code")) == TEST_LABEL
        for held in labels
        if isinstance(held, list)
        for label in held
    )


REFUSED = frozenset({"KT101", "KT102", "KT108", "KT114", "KT115"})
"""Findings for which a stub refuses a message; with the others it says so and takes the message."""


def must_refuse(issues: list[Issue]) -> bool:
    """Say whether a stub turns a message with these findings away."""
    return any(issue.code in REFUSED for issue in issues)


def _structure(bundle: Mapping[str, Any], checker: Checker | None) -> list[Issue]:
    if checker is None:
        return []
    event = event_of(bundle)
    ours = _object(header_of(bundle).get("eventCoding")).get("system") == code_system("message-event")
    name = PROFILE_OF_EVENT.get(event or "") if ours else None
    try:
        return checker.validate(dict(bundle), profile(name) if name else None)
    except AdapterError as error:
        return list(error.issues)


def _objects(node: object) -> Iterator[Mapping[str, Any]]:
    """Yield every JSON object at and below `node`."""
    waiting = [node]
    while waiting:
        at = waiting.pop()
        if isinstance(at, dict):
            yield at
            waiting.extend(at.values())
        elif isinstance(at, list):
            waiting.extend(at)


_INDIVIDUAL = re.compile(r"([-+A-FU-Y])\d{3}[0-9A-Y]")


def masked(code: str) -> str:
    """Return a personal identity code with its individual part hidden."""
    return _INDIVIDUAL.sub(r"\1****", code)
