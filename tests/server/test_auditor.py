"""The auditor's questions, through the command line: is the trail whole, and who got to know what."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.server.test_desk import V2, unrouted

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.conftest import Served, Silta


PATIENT = "urn:oid:1.2.246.21|120574-902Y"


def test_what_was_done_with_a_message_is_shown(adapter: Served, silta: Silta) -> None:
    """Every row about it, in order, from its acceptance on."""
    message = unrouted(adapter, "AUDIT-1")

    code, document = silta("audit", "show", "--about", f"message/{message}")

    assert (code, [row["action"] for row in document["items"]]) == (0, ["accept", "route"])


def test_a_whole_trail_says_how_long_it_is(silta: Silta, tmp_path: Path) -> None:
    """Also against a head that was kept elsewhere."""
    _, head = silta("audit", "head")
    kept = tmp_path / "head.json"
    kept.write_text(json.dumps(head), "utf-8")

    code, document = silta("audit", "verify", "--head", str(kept))

    assert (code, document["bad"], document["rows"] >= head["sequence"]) == (0, None, True)


@pytest.mark.parametrize(
    ("change", "fault"), [({"hash": "0" * 64}, "other"), ({"sequence": 10**9}, "cut")], ids=["other", "cut"]
)
def test_a_trail_that_is_not_the_one_of_the_head_is_found_out(
    silta: Silta, tmp_path: Path, change: dict[str, Any], fault: str
) -> None:
    """Rewritten or cut since the head was kept: exit 1, and which row."""
    _, head = silta("audit", "head")
    kept = tmp_path / "head.json"
    kept.write_text(json.dumps({**head, **change}), "utf-8")

    code, document = silta("audit", "verify", "--head", str(kept))

    assert (code, document["bad"]["fault"]) == (1, fault)


def test_a_file_that_is_no_head_is_a_wrong_word(silta: Silta, tmp_path: Path) -> None:
    """Exit 2 before anything is asked."""
    (tmp_path / "head.json").write_text("nothing")

    assert silta("audit", "verify", "--head", str(tmp_path / "head.json"))[0] == 2


def test_a_question_about_a_patient_is_audited_and_names_nobody(
    adapter: Served, silta: Silta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The identifier comes by stdin; the trail keeps who asked and why, and the keyed hash alone."""
    monkeypatch.setattr("sys.stdin", io.StringIO(PATIENT + "\n"))

    _, head = silta("audit", "head")

    code, document = silta("audit", "export", "--patient", "-", "--reason", "the patient asked")

    _, trail = silta("audit", "show", "--after", str(head["sequence"]))
    asked = [row for row in trail["items"] if row["action"] == "ask-disclosures"]
    assert (code, document["items"], asked[-1]["reason"]) == (0, [], "the patient asked")
    assert "902Y" not in json.dumps(trail)


def test_an_export_is_shown_as_fhir(silta: Silta, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--fhir` gives one Bundle of AuditEvents; of a person nobody knows it is empty."""
    monkeypatch.setattr("sys.stdin", io.StringIO("urn:oid:1.2.246.21|010190-999W\n"))

    code, bundle = silta("audit", "export", "--patient", "-", "--reason", "the patient asked", "--fhir")

    assert (code, bundle["resourceType"], bundle["type"]) == (0, "Bundle", "collection")
    assert "entry" not in bundle


def test_a_question_without_a_reason_is_not_answered(adapter: Served) -> None:
    """The door itself asks for one."""
    body = json.dumps({"patient": PATIENT}).encode()

    answer = adapter.post("/operator/audit/disclosures", body, "application/json", "operator")

    assert (answer.status_code, "AC105" in answer.text) == (400, True)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"patient": PATIENT, "as": "xml"},
        {"patient": "120574-902Y"},
        {"recipient": "urn:oid:1", "since": "yesterday"},
    ],
    ids=str,
)
def test_a_question_of_another_form_is_refused(adapter: Served, asked: dict[str, str]) -> None:
    """Neither person nor recipient, an identifier without its system, a time that is none: 400."""
    body = json.dumps({**asked, "reason": "x"}).encode()

    answer = adapter.post("/operator/audit/disclosures", body, "application/json", "operator")

    assert (answer.status_code, "902Y" in answer.text) == (400, False)


def test_an_organisation_does_not_ask(adapter: Served) -> None:
    """Its token at the auditor's desk is 403."""
    assert adapter.get("/operator/audit", **adapter.headers("tuulilahti")).status_code == 403
    assert adapter.post("/ingest/ehr1", b"MSH", V2, "operator").status_code == 403
