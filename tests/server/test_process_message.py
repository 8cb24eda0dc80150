"""`$process-message` with its parameters, over real HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from adapter.relay.message import Kind
from adapter.shipped import folder

if TYPE_CHECKING:
    from tests.server.conftest import Served

PROCESS = "/fhir/$process-message"
FHIR = "application/fhir+json"
AGREED = "http://127.0.0.1:9/fhir"
HEADER = "34773a90-7961-5de4-9645-c46a6abfb152"


def message(number: int) -> bytes:
    """The shipped notification as one of its own: other ids and another care episode."""
    text = (folder("fixtures") / "notification" / "gallbladder.fhir.json").read_text("utf-8")
    said = json.loads(text.replace(HEADER, f"34773a90-7961-5de4-9645-{number:012d}"))
    said["id"] = f"async-{number}"
    said["identifier"]["value"] = f"urn:uuid:34773a90-7961-5de4-9645-{number:012d}"
    for entry in said["entry"]:
        if entry["resource"]["resourceType"] == "Communication":
            entry["resource"]["identifier"][0]["value"] += f"-{number}"
    return json.dumps(said).encode()


@pytest.mark.parametrize("named", [None, AGREED, f"{AGREED}/$process-message"])
def test_an_asynchronous_message_leaves_the_reply_empty(adapter: Served, named: str | None) -> None:
    """202 and not a byte; the answer is queued to the agreed address."""
    number = len(named or "")
    url = f"&response-url={quote(named, safe='')}" if named else ""

    answer = adapter.post(f"{PROCESS}?async=true{url}", message(number), FHIR)

    header = f"34773a90-7961-5de4-9645-{number:012d}"
    store = adapter.deployment.store
    [row] = [each for each in store.messages(limit=500) if header.encode() in (store.content(each.id) or b"")]
    kinds = [each.kind for each in store.deliveries(row.id)]
    assert (answer.status_code, answer.content, kinds.count(Kind.ANSWER)) == (202, b"", 1)


WRONG = {
    "no boolean": ("async=yes", 400, "IN121"),
    "another host": (f"async=true&response-url={quote('http://169.254.169.254/', safe='')}", 403, "IN123"),
    "another path": (
        f"async=true&response-url={quote('http://127.0.0.1:9/internal', safe='')}",
        403,
        "IN123",
    ),
    "no address at all": ("async=true&response-url=", 403, "IN123"),
}


@pytest.mark.parametrize(("query", "status", "code"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_answered_as_asked_is_refused(
    adapter: Served, query: str, status: int, code: str
) -> None:
    """Before anything is taken in; the address that was named is never followed."""
    before = adapter.deployment.store.counts()["messages"]

    answer = adapter.post(f"{PROCESS}?{query}", message(999), FHIR)

    [issue] = answer.json()["issue"]
    assert (answer.status_code, issue["details"]["coding"][0]["code"]) == (status, code)
    assert adapter.deployment.store.counts()["messages"] == before


@pytest.mark.parametrize(("query", "status"), [("?async=true", 202), ("", 200)])
def test_an_acknowledgement_is_never_answered_by_a_message(adapter: Served, query: str, status: int) -> None:
    """Asynchronously with nothing, else with what it meant to us."""
    header = {"resourceType": "MessageHeader", "response": {"identifier": "unknown", "code": "ok"}}
    body = json.dumps({"resourceType": "Bundle", "type": "message", "entry": [{"resource": header}]})

    answer = adapter.post(PROCESS + query, body.encode(), FHIR, "kaskela")

    assert answer.status_code == status
    assert (b"Bundle" in answer.content, answer.content == b"") == (False, status == 202)
