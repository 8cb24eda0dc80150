"""`silta demo`: the main job, on the shipped fixtures."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

SILTA = Path(sys.executable).parent / "silta"


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What `silta demo --json` prints."""
    ran = subprocess.run([SILTA, "demo", "--json"], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    document: dict[str, Any] = json.loads(ran.stdout)
    return document


def test_the_document_has_its_shape(told: dict[str, Any]) -> None:
    """Counts of submissions, messages and deliveries, and items with six fields each."""
    assert list(told) == ["submissions", "messages", "deliveries", "messages_by_state", "items"]
    fields = {"source", "message", "recipient", "state", "level", "reason"}
    assert all(set(item) == fields for item in told["items"])


def test_the_counts_are_those_of_the_items(told: dict[str, Any]) -> None:
    """One item per delivery and one per message without a delivery."""
    delivered = Counter(item["state"] for item in told["items"] if item["recipient"])

    assert told["deliveries"] == dict(delivered)
    assert told["messages"] == len({item["message"] for item in told["items"]})
    assert told["messages"] == sum(told["messages_by_state"].values())


def test_every_format_and_artefact_is_acknowledged(told: dict[str, Any]) -> None:
    """HL7 v2, CDA, JSON and FHIR each lead to an acknowledged delivery, and so do assessment and plan."""
    arrived = {item["source"] for item in told["items"] if item["state"] == "acknowledged"}

    assert arrived == {"ehr1", "cda1", "json1", "fhir", "assessments", "plans-vuorela", "plans-kaskela"}


def test_both_levels_are_seen(told: dict[str, Any]) -> None:
    """Somebody gets the clinical level, somebody the minimal one."""
    assert {"clinical", "minimal"} <= {item["level"] for item in told["items"]}


def test_who_gets_nothing_has_a_reason(told: dict[str, Any]) -> None:
    """Everything that did not go out carries a code."""
    silent = [item for item in told["items"] if item["state"] not in ("acknowledged", "delivered")]

    assert {"withheld", "needs-routing", "not-applicable", "invalid"} <= {item["state"] for item in silent}
    assert all(item["reason"] for item in silent)
