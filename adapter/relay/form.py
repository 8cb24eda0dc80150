"""The form a recipient reads: its copy as FHIR, or written by an outbound map as HL7 v2 or CDA R2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from adapter.errors import ConfigurationError, Unsupported
from adapter.fhir import json as fhir_json
from adapter.relay import event, narrative
from adapter.relay.element import child, children, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter.mapping import MapSet

Form = Literal["fhir", "hl7v2", "cda"]

MEDIA_TYPES: dict[Form, str] = {
    "fhir": "application/fhir+json",
    "hl7v2": "x-application/hl7-v2+er7",
    "cda": "application/xml",
}
_NOTIFICATIONS = (
    event.PROCEDURE_NOTIFICATION,
    event.CARE_EPISODE_NOTIFICATION,
    event.WORK_ABILITY_REFERRAL,
    event.CORRECTION,
    event.CANCEL,
)
MAPS: dict[tuple[Form, str], str] = {
    **dict.fromkeys((("hl7v2", each) for each in _NOTIFICATIONS), "notification-to-v2"),
    **dict.fromkeys((("cda", each) for each in _NOTIFICATIONS), "notification-to-cda"),
    ("cda", "client-plan"): "plan-to-cda",
}
"""Form and event of a copy -> the map that writes it."""


def written(copy: Mapping[str, Any], form: Form, maps: MapSet) -> tuple[bytes, str]:
    """Write a recipient's copy in its form; return the bytes and their media type.

    The same copy gives the same bytes. HL7 v2 goes out in the charset that its map names.

    Raises ConfigurationError DL140 where no map is there for the event in that form, Unsupported DL141 with
    every issue where the form cannot say all of the copy, Malformed where it cannot hold a value.
    """
    body = fhir_json.write(dict(copy))
    if form == "fhir":
        return body, MEDIA_TYPES[form]
    name = MAPS.get((form, event_of(copy) or ""))
    if name is None or name not in maps:
        raise ConfigurationError("DL140", params={"form": form})
    outcome = maps[name].run(body, media_type=MEDIA_TYPES["fhir"])
    faults = [issue for issue in outcome.issues if issue.is_error]
    [document] = outcome.documents
    if faults or document is None:
        raise Unsupported("DL141", params={"form": form}, issues=faults)
    return document, MEDIA_TYPES[form]


def event_of(copy: Mapping[str, Any]) -> str | None:
    """Return the code of a message's event; None for what is no message. R4 MessageHeader.eventCoding."""
    header = next((child(entry, "resource") for entry in children(copy, "entry")), {})
    return text(child(header, "eventCoding"), "code")


def as_text(copy: Mapping[str, Any]) -> str:
    """Return the text that a copy carries, line by line; empty if it carries none."""
    divs = (text(child(child(entry, "resource"), "text"), "div") for entry in children(copy, "entry"))
    return "".join(narrative.as_text(div) for div in divs if div)
