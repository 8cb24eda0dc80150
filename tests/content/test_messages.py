"""Answers, reports, minimal copies and consents: valid as shipped, and each of their rules broken once."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from adapter.shipped import folder
from tests.content.conftest import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapter.validation.validator import Validator

    Break = Callable[[dict[str, Any]], object]

FIXTURES = folder("fixtures")
MESSAGES = sorted((FIXTURES / "messages").glob("*.json"))
MINIMAL = "messages/care-episode-notification.json"
CANCEL = "messages/cancellation.json"
OK = "messages/acknowledgement-ok.json"
FATAL = "messages/acknowledgement-fatal.json"
REPORT = "messages/delivery-report.json"
ACCEPTED = "messages/feedback-accepted.json"
AGREED = "messages/feedback-agreed.json"
RETURNED = "messages/feedback-returned.json"
EXPLICIT = "demo/consents/ake-s-2026-0117.json"


def _of(bundle: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind)


def _with(resource: dict[str, Any]) -> Break:
    """Add an entry."""
    ident = "00000000-0000-4000-8000-00000000abcd"
    entry = {"fullUrl": f"urn:uuid:{ident}", "resource": {**resource, "id": ident}}
    return lambda bundle: bundle["entry"].append(entry)


def _communication(**changes: Any) -> Break:
    return lambda bundle: _of(bundle, "Communication").update(changes)


def _event(code: str) -> Break:
    return lambda bundle: _of(bundle, "MessageHeader")["eventCoding"].update(code=code)


def _without(name: str) -> Break:
    """Take an extension of the Communication away."""

    def drop(bundle: dict[str, Any]) -> None:
        communication = _of(bundle, "Communication")
        kept = [each for each in communication["extension"] if not each["url"].endswith(f"/{name}")]
        communication["extension"] = kept

    return drop


def _percentage(value: int) -> Break:
    return lambda bundle: _of(bundle, "Communication")["extension"][-1].update(valueInteger=value)


PATIENT = {"resourceType": "Patient"}
PROCEDURE = {"resourceType": "Procedure", "status": "completed", "subject": {"display": "x"}}
LEAVE = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
TEXT = [{"contentString": "x"}]

BROKEN: list[tuple[str, str, Break]] = [
    ("nm-5", MINIMAL, _with(PROCEDURE)),
    ("nm-6", CANCEL, _with(LEAVE)),
    ("ack-1", OK, lambda bundle: _of(bundle, "MessageHeader").pop("response")),
    ("ack-2", FATAL, lambda bundle: bundle["entry"].pop()),
    ("ack-3", OK, _with(PATIENT)),
    ("ah-1", FATAL, lambda bundle: _of(bundle, "MessageHeader")["response"].pop("details")),
    ("drm-1", REPORT, _with(PATIENT)),
    ("drm-2", REPORT, _event("cancel")),
    ("dr-1", REPORT, lambda bundle: _of(bundle, "Communication").pop("statusReason")),
    ("fb-1", AGREED, _without("continues-by")),
    ("fb-1", AGREED, _without("review-date")),
    ("fb-2", RETURNED, _without("return-date")),
    ("fb-3", ACCEPTED, _without("contact-point")),
    ("fb-4", RETURNED, _percentage(0)),
    ("fb-4", RETURNED, _percentage(101)),
    ("fm-1", ACCEPTED, _with(PATIENT)),
    ("fm-2", ACCEPTED, _event("cancel")),
    ("dc-1", EXPLICIT, lambda consent: consent.update(policyRule={"text": "x"})),
    ("dc-2", EXPLICIT, lambda consent: consent["provision"].pop("actor")),
]

FORBIDDEN: list[tuple[str, str, Break]] = [
    ("payload", MINIMAL, _communication(payload=TEXT)),
    ("note", MINIMAL, _communication(note=[{"text": "x"}])),
    ("reasonCode", MINIMAL, _communication(reasonCode=[{"text": "x"}])),
    ("topic", MINIMAL, _communication(topic={"text": "x"})),
    ("encounter", MINIMAL, _communication(encounter={"display": "x"})),
    ("payload", CANCEL, _communication(payload=TEXT)),
    ("about", CANCEL, _communication(about=[{"display": "x"}])),
    ("status", CANCEL, _communication(status="completed")),
    ("subject", REPORT, _communication(subject={"display": "x"})),
    ("payload", REPORT, _communication(payload=TEXT)),
    ("statusReason", REPORT, _communication(statusReason={"coding": [{"system": "urn:x", "code": "x"}]})),
    ("recipient", REPORT, lambda bundle: _of(bundle, "Communication").pop("recipient")),
    ("inResponseTo", REPORT, lambda bundle: _of(bundle, "Communication").pop("inResponseTo")),
    ("extension", ACCEPTED, _without("business-reply")),
    ("inResponseTo", ACCEPTED, lambda bundle: _of(bundle, "Communication").pop("inResponseTo")),
    ("dateTime", EXPLICIT, lambda consent: consent.pop("dateTime")),
    ("provision", EXPLICIT, lambda consent: consent.pop("provision")),
    ("patient", EXPLICIT, lambda consent: consent.pop("patient")),
]
"""What must not be there, or must: element, file, how it is broken."""


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_a_message_is_valid(path: Path, validator: Validator) -> None:
    """Each example holds to R4 and to the profiles it claims."""
    assert [(issue.code, issue.at) for issue in validator.validate(read(path)) if issue.is_error] == []


@pytest.mark.parametrize(("rule", "file", "break_it"), BROKEN, ids=[row[0] for row in BROKEN])
def test_breaking_a_rule_is_found(rule: str, file: str, break_it: Break, validator: Validator) -> None:
    """The invariant's own key is named."""
    resource = copy.deepcopy(read(FIXTURES / file))
    break_it(resource)

    named = {str(value) for issue in validator.validate(resource) for value in issue.params.values()}

    assert rule in named


@pytest.mark.parametrize(
    ("element", "file", "break_it"), FORBIDDEN, ids=[f"{row[1]}-{row[0]}" for row in FORBIDDEN]
)
def test_an_element_out_of_place_is_found(
    element: str, file: str, break_it: Break, validator: Validator
) -> None:
    """What a level or a report must not carry, and what it must, is held by its profile."""
    resource = copy.deepcopy(read(FIXTURES / file))
    break_it(resource)

    places = [issue.at or "" for issue in validator.validate(resource) if issue.is_error]

    assert any(element in place for place in places)
