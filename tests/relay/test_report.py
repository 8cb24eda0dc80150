"""The delivery report: who was not told, and nothing clinical. Everybody in here is invented."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from adapter.relay import report
from adapter.relay.disclosure import House
from adapter.relay.message import DeliveryState, Mode
from adapter.relay.report import Cover, End
from tests.relay import site
from tests.relay.notes import CLINIC, resource

AT = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
COVER = Cover(
    bundle_id="11111111-1111-4111-8111-111111111111",
    header_id="22222222-2222-4222-8222-222222222222",
    endpoint="https://hospital.invalid/fhir",
    address="https://silta.invalid/fhir",
    name="Silta",
    mode=Mode.TEST,
    language="fi",
    made_at=AT,
)


def made(
    state: DeliveryState = DeliveryState.WITHHELD, reason: str | None = "CO103", **more: Any
) -> dict[str, Any]:
    """A report of how one delivery ended."""
    notification = more.pop("notification", "urn:visits|V-1")
    end = End(
        message="44444444-4444-4444-8444-444444444444",
        notification=notification,
        recipient=House(key=CLINIC, name="Työterveys"),
        state=state,
        reason=reason,
        at=AT,
    )
    return report.build(end, COVER)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (DeliveryState.WITHHELD, "CO103"),
        (DeliveryState.PARKED, None),
        (DeliveryState.REFUSED, "DL121"),
        (DeliveryState.CLOSED, "DL111"),
    ],
)
def test_a_report_is_valid_and_has_no_patient(state: DeliveryState, reason: str | None) -> None:
    """Header, notification, reason and recipient: no more."""
    bundle = made(state, reason)

    assert [issue for issue in site.validator().validate(bundle) if issue.is_error] == []
    assert [each["resource"]["resourceType"] for each in bundle["entry"]] == [
        "MessageHeader",
        "Communication",
        "OperationOutcome",
        "Organization",
    ]


def test_a_report_names_notification_recipient_state_and_reason() -> None:
    """The sender's own id, whom it was for, what became of it and why, as codes."""
    bundle = made()
    communication = resource(bundle, "Communication")

    assert communication["inResponseTo"] == [{"identifier": {"system": "urn:visits", "value": "V-1"}}]
    assert communication["statusReason"]["coding"][0]["code"] == "consent-withdrawn"
    assert resource(bundle, "Organization")["identifier"][0]["value"] == CLINIC
    codes = resource(bundle, "OperationOutcome")["issue"][0]["details"]["coding"]
    assert [each["code"] for each in codes] == ["CO103", "withheld"]


@pytest.mark.parametrize(
    ("notification", "about"),
    [
        ("urn:visits|a|b", {"system": "urn:visits", "value": "a|b"}),
        ("V-1", {"value": "V-1"}),
        (None, {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:44444444-4444-4444-8444-444444444444"}),
    ],
)
def test_a_notification_is_named_as_its_sender_wrote_it(
    notification: str | None, about: dict[str, str]
) -> None:
    """With its system, without one, or by our own id where it had none."""
    bundle = made(notification=notification)

    assert resource(bundle, "Communication")["inResponseTo"][0]["identifier"] == about


REASONS = {
    (DeliveryState.WITHHELD, "CO101"): "no-consent",
    (DeliveryState.WITHHELD, "CO109"): "recipient-not-allowed",
    (DeliveryState.WITHHELD, "PN211"): "sensitive-hold",
    (DeliveryState.WITHHELD, "PN206"): "not-eligible",
    (DeliveryState.PARKED, "DL210"): "undelivered",
    (DeliveryState.REFUSED, "DL121"): "receiver-rejected",
    (DeliveryState.CLOSED, "DL111"): "superseded",
    (DeliveryState.CLOSED, "DL114"): "cancelled",
    (DeliveryState.CLOSED, None): "expired",
}


@pytest.mark.parametrize(("end", "reason"), REASONS.items(), ids=str)
def test_every_end_has_a_reason_of_the_code_system(
    end: tuple[DeliveryState, str | None], reason: str
) -> None:
    """By its code, by its room, else by the state."""
    assert report.not_done_reason(*end) == reason


def test_the_same_end_gives_the_same_report() -> None:
    """A repeat is byte for byte the same."""
    assert json.dumps(made()) == json.dumps(made())


def test_a_keyed_hash_becomes_a_uuid() -> None:
    """Of version 8, the same for the same hash."""
    made_of = report.uuid_of("f" * 64)

    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", made_of)
    assert made_of == report.uuid_of("f" * 64) != report.uuid_of("e" * 64)
