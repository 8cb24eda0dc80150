"""`silta messages render`: what one recipient gets, shown to an operator who says why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from adapter import cli
from adapter.shipped import folder

if TYPE_CHECKING:
    from tests.server.conftest import Served

KASKELA = "urn:uuid:31305fa5-3e3f-54d1-ac68-1bb016d20087"
ASUND = "urn:uuid:2c711605-3ab5-561e-9785-e23ebb5fc16f"
BEGINS = {"fhir": b'{"resourceType":"Bundle"', "cda": b"<?xml", "v2": b"MSH|", "text": b"Toimenpideilmoitus"}


@pytest.fixture(scope="module")
def message(adapter: Served) -> str:
    """A notification that goes to one occupational-health provider."""
    body = (folder("fixtures") / "notification" / "back-surgery.hl7").read_bytes()
    for number in (b"OB260302-0001", b"V2603-118"):  # a message that no other test here has sent
        body = body.replace(number, b"RENDER-1")
    assert adapter.post("/ingest/ehr1", body, "x-application/hl7-v2+er7").status_code == 200
    return adapter.deployment.store.messages(limit=1)[0].id


def render(adapter: Served, *words: str) -> int:
    """Run the command as the operator."""
    token = str(adapter.folder / "tokens" / "operator.token")
    return cli.main(["messages", "render", *words, "--server", adapter.address, "--token-file", token])


@pytest.mark.parametrize("shown", BEGINS)
def test_a_copy_is_shown_in_each_form(
    shown: str, message: str, adapter: Served, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """FHIR, CDA, HL7 v2, or the text alone."""
    code = render(adapter, message, "--for", KASKELA, "--as", shown, "--reveal", "--reason", "asked")

    found = capsysbinary.readouterr().out
    assert (code, found[: len(BEGINS[shown])]) == (0, BEGINS[shown])


def test_the_copy_is_the_recipients_and_not_the_senders(
    message: str, adapter: Served, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The employer, which the hospital named, is not in it."""
    render(adapter, message, "--for", KASKELA, "--reveal", "--reason", "asked")

    copy = json.loads(capsysbinary.readouterr().out)
    names = [
        e["resource"].get("name") for e in copy["entry"] if e["resource"]["resourceType"] == "Organization"
    ]
    assert names == ["Tuulilahden keskussairaala", "Työterveys Kaskela"]


def test_it_is_audited_before_it_is_shown(message: str, adapter: Served) -> None:
    """Who looked at which copy, and why, stands in the audit."""
    render(adapter, message, "--for", KASKELA, "--as", "text", "--reveal", "--reason", "patient called")

    rows = adapter.deployment.store.audit_rows(object=f"message/{message}")
    [row] = [row for row in rows if row.action == "reveal" and row.reason == "patient called"]
    assert "copy/" in str(row.detail)
    assert " as text" in str(row.detail)


@pytest.mark.parametrize(
    "words", [[], ["--reveal"], ["--reason", "asked"]], ids=["nothing", "reveal", "reason"]
)
def test_content_needs_both_reveal_and_reason(
    words: list[str], message: str, adapter: Served, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Without either, nothing is asked of the adapter and nothing is shown."""
    code = render(adapter, message, "--for", KASKELA, *words)

    assert (code, capsysbinary.readouterr().out) == (cli.USAGE, b"")


def test_who_gets_nothing_has_no_copy(message: str, adapter: Served) -> None:
    """An organisation to which the message does not go has no copy to be shown."""
    path = f"/operator/messages/{message}/render"
    body = json.dumps({"recipient": ASUND, "reason": "asked"}).encode()

    answer = adapter.post(path, body, "application/json", "operator")

    assert (answer.status_code, "ST121" in answer.text) == (404, True)


def test_a_withheld_copy_is_not_shown_but_why(adapter: Served) -> None:
    """Where nothing may go, the reasons are told in place of a copy."""
    body = (folder("fixtures") / "notification" / "no-consent.json").read_bytes()
    for number in (b"HA-2026-0302", b"HN-55020"):  # a message that no other test here has sent
        body = body.replace(number, b"RENDER-2")
    assert adapter.post("/ingest/json1", body, "application/json", "havuniemi").status_code == 200
    [held] = adapter.deployment.store.find_deliveries(state="withheld", limit=1)

    answer = adapter.post(
        f"/operator/messages/{held.message}/render",
        json.dumps({"recipient": KASKELA, "reason": "asked"}).encode(),
        "application/json",
        "operator",
    )

    assert answer.status_code == 403
    assert '"code":"CO1' in answer.text


def test_a_form_that_is_none_is_refused(message: str, adapter: Served) -> None:
    """Only the four forms are known."""
    body = json.dumps({"recipient": KASKELA, "reason": "asked", "as": "pdf"}).encode()

    answer = adapter.post(f"/operator/messages/{message}/render", body, "application/json", "operator")

    assert (answer.status_code, "IN113" in answer.text) == (400, True)
