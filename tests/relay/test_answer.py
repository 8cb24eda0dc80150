"""What the sender is told, in each form. Everybody in here is invented."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapter import fhir
from adapter.outcome import Issue
from adapter.relay import answer
from adapter.relay.answer import FHIR_JSON, FHIR_XML, HL7_V2, Form, Reply, Style
from adapter.relay.message import DeliveryState, Fate, Level, MessageState, Mode
from tests.relay import site
from tests.relay.notes import CLINIC, EMPLOYER

REPLY = Reply(
    status=200,
    issues=(),
    fates=(
        Fate(recipient=CLINIC, state=DeliveryState.QUEUED, level=Level.MINIMAL),
        Fate(recipient=EMPLOYER, state=DeliveryState.WITHHELD, reason="CO109"),
    ),
    message="m-1",
    header_id="header-1",
    answer_id="99999999-9999-4999-8999-999999999999",
    at=datetime(2026, 3, 4, 12, 0, tzinfo=UTC),
    address="https://silta.invalid/fhir",
    name="Silta",
    mode=Mode.TEST,
    original=b"MSH|^~\\&|OBERON|Sairaala|SILTA||20260304||ADT^A03|C-1|T|2.5\rPID|1\r",
)

STYLES = {
    "a message gets a message": ("fhir", [], True, Style(form=Form.MESSAGE, media_type=FHIR_JSON)),
    "in XML if it wants XML": (
        "fhir",
        [FHIR_XML, FHIR_JSON],
        True,
        Style(form=Form.MESSAGE, media_type=FHIR_XML),
    ),
    "a native one an outcome": ("json", ["*/*"], False, Style(form=Form.OUTCOME, media_type=FHIR_JSON)),
    "v2 an outcome unless it asks": ("hl7v2", [], False, Style(form=Form.OUTCOME, media_type=FHIR_JSON)),
    "v2 an acknowledgement if it asks": (
        "hl7v2",
        [HL7_V2],
        False,
        Style(form=Form.HL7_V2, media_type=HL7_V2),
    ),
    "nobody else gets v2": ("cda", [HL7_V2], False, Style(form=Form.OUTCOME, media_type=FHIR_JSON)),
}


@pytest.mark.parametrize(("kind", "wanted", "is_message", "style"), STYLES.values(), ids=STYLES)
def test_the_form_follows_what_was_sent_and_is_wanted(
    kind: str, wanted: list[str], is_message: bool, style: Style
) -> None:
    """Message, OperationOutcome or acknowledgement; JSON unless XML is wanted."""
    assert answer.style_for(kind, wanted, is_message=is_message) == style  # type: ignore[arg-type]


def test_each_recipient_has_an_issue_with_state_and_code() -> None:
    """Who, queued or withheld, why, and how much."""
    issues = answer.outcome(REPLY)["issue"]

    assert [[each["code"] for each in issue["details"]["coding"]] for issue in issues] == [
        ["PN401", "queued", "minimal"],
        ["CO109", "withheld"],
    ]
    assert [issue["extension"][0]["valueIdentifier"]["value"] for issue in issues] == [CLINIC, "1234567-8"]


def test_a_fate_without_recipient_names_nobody() -> None:
    """An unrouted message has nobody to name."""
    [issue] = answer.outcome(replace(REPLY, fates=(Fate(recipient=None, state=MessageState.NEEDS_ROUTING),)))[
        "issue"
    ]

    assert ("extension" in issue, issue["details"]["coding"][0]["code"]) == (False, "PN403")


@pytest.mark.parametrize("style", [FHIR_JSON, FHIR_XML])
def test_a_response_message_is_valid(style: str) -> None:
    """Against the acknowledgement profile, in JSON and XML."""
    rendered = answer.render(REPLY, Style(form=Form.MESSAGE, media_type=style))
    response = fhir.decode(rendered.body, rendered.media_type)

    assert [issue for issue in site.validator().validate(response) if issue.is_error] == []


def test_a_refusal_is_an_outcome_and_no_message() -> None:
    """4xx is answered by an OperationOutcome."""
    refused = replace(REPLY, status=422, fates=(), issues=(Issue("PN112", "Bundle"),))
    rendered = answer.render(refused, Style(form=Form.MESSAGE, media_type=FHIR_JSON))

    assert fhir.decode(rendered.body, FHIR_JSON)["resourceType"] == "OperationOutcome"


def test_nothing_to_say_is_all_ok() -> None:
    """OperationOutcome.issue is never empty."""
    assert answer.outcome(replace(REPLY, fates=()))["issue"][0]["details"]["text"] == "All OK"


V2 = {
    "taken": ({}, "AA"),
    "not valid": ({"status": 422, "issues": (Issue("PN112"),)}, "AE"),
    "unknown event": ({"status": 422, "issues": (Issue("PN131", source_field="MSH-9"),)}, "AR"),
    "unreadable": ({"status": 400, "issues": (Issue("PN112"),)}, "AR"),
    "conflict": ({"status": 409, "issues": (Issue("ST120"),)}, "AE"),
}


@pytest.mark.parametrize(("change", "code"), V2.values(), ids=V2)
def test_an_acknowledgement_says_taken_invalid_or_refused(change: dict[str, object], code: str) -> None:
    """AA, AE or AR with the control id of the message."""
    segments = answer.acknowledgement_v2(replace(REPLY, **change)).split("\r")  # type: ignore[arg-type]

    assert segments[1] == f"MSA|{code}|C-1"


PLACES = {
    "MSH-10": "MSH^1^10^1",
    "PID-3[2].4.2": "PID^1^3^2^4^2",
    "OBX[3]-5.1": "OBX^3^5^1^1",
    "PR1[2]": "PR1^2",
    "ZZ1": "ZZ1^1",
    "Bundle.entry[2]": "",
    None: "",
}


@pytest.mark.parametrize(("place", "expected"), PLACES.items())
def test_an_error_names_its_field_as_the_standard_does(place: str | None, expected: str) -> None:
    """ERR-2 is an ERL: segment, its number, field, repetition, component, subcomponent."""
    refused = replace(REPLY, status=422, issues=(Issue("PN112", source_field=place),), fates=())
    error = answer.acknowledgement_v2(refused).split("\r")[2].split("|")

    assert error[2] == expected


CONDITIONS = {"PN112": "101", "PN111": "202", "PN131": "201", "ST120": "205", "PN401": "0"}


@pytest.mark.parametrize(("code", "expected"), CONDITIONS.items())
def test_an_error_has_its_condition_of_table_0357(code: str, expected: str) -> None:
    """ERR-3 says what kind of fault it is, in the codes every sender knows."""
    said = answer.acknowledgement_v2(replace(REPLY, status=422, issues=(Issue(code),), fates=()))

    assert said.split("\r")[2].split("|")[3].split("^")[0] == expected


def test_an_acknowledgement_goes_back_to_the_sending_application() -> None:
    """MSH-3 and MSH-4 become MSH-5 and MSH-6; event, mode and version are the message's and ours."""
    fields = answer.acknowledgement_v2(REPLY).split("\r")[0].split("|")

    assert (fields[4], fields[5], fields[8], fields[10], fields[11]) == (
        "OBERON",
        "Sairaala",
        "ACK^A03^ACK",
        "T",
        "2.5",
    )


def test_an_acknowledgement_uses_our_delimiters_whatever_the_message_used() -> None:
    """Custom delimiters of the sender are data to us, and ours are escaped in its data."""
    odd = b"MSH#*~\\&#OB|RON#Sairaala*x###20260304##ADT*A03#C-1#T#2.5\r"
    fields = answer.acknowledgement_v2(replace(REPLY, original=odd)).split("\r")[0].split("|")

    assert (fields[4], fields[5], fields[8]) == ("OB\\F\\RON", "Sairaala^x", "ACK^A03^ACK")


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"MSH", b"MSH|", b"PID|1\r"])
def test_an_acknowledgement_can_be_written_for_anything(body: bytes) -> None:
    """Even where there is no header to repeat."""
    said = answer.acknowledgement_v2(replace(REPLY, original=body, status=400, issues=(Issue("PN112"),)))

    assert said.split("\r")[1].startswith("MSA|AR|")
