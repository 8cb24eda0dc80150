"""The doors over real HTTP: every refusal is an OperationOutcome, and nothing is answered that is not."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from adapter.shipped import folder
from tests.patience import PATIENCE

if TYPE_CHECKING:
    import httpx

    from tests.server.conftest import Served

V2 = "x-application/hl7-v2+er7"
FHIR = "application/fhir+json"
PROCESS = "/fhir/$process-message"
CANARY = "010190-999W"


def fixture(name: str) -> bytes:
    return (folder("fixtures") / "notification" / name).read_bytes()


def codes(answer: httpx.Response) -> list[str]:
    said = answer.json()
    assert said["resourceType"] == "OperationOutcome"
    return [coding["code"] for issue in said["issue"] for coding in issue["details"]["coding"]]


REFUSALS = {
    "no token": ("POST", "/ingest/ehr1", {"Content-Type": V2}, b"MSH", 401, "AC101"),
    "an unknown token": ("POST", PROCESS, {"Authorization": "Bearer nonsense"}, b"{}", 401, "AC102"),
    "no such address": ("GET", "/nowhere", {}, b"", 404, "IN106"),
    "an address that only looks right": ("GET", "/fhir/Patient", {}, b"", 404, "IN106"),
    "another method": ("DELETE", "/ingest/ehr1", {}, b"", 405, "IN107"),
    "the desk without a token": ("GET", "/operator/messages", {}, b"", 401, "AC101"),
}


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "code"), REFUSALS.values(), ids=REFUSALS
)
def test_a_stranger_is_refused_with_an_operation_outcome(
    adapter: Served, method: str, path: str, headers: dict[str, str], body: bytes, status: int, code: str
) -> None:
    """Whoever refuses, the framework or we, the answer is an OperationOutcome with a code."""
    answer = adapter.client.request(method, adapter.address + path, headers=headers, content=body)

    assert (answer.status_code, codes(answer)) == (status, [code])
    assert answer.headers["content-type"].startswith("application/fhir+json")


CALLS = {
    "an unknown source": ("/ingest/nowhere", V2, {}, b"MSH", "tuulilahti", 404, "IN105"),
    "a source of another hospital": (
        "/ingest/json1",
        "application/json",
        {},
        b"{}",
        "tuulilahti",
        404,
        "IN105",
    ),
    "no media type": ("/ingest/ehr1", "", {}, b"MSH", "tuulilahti", 415, "IN103"),
    "what curl sends by itself": (
        "/ingest/ehr1",
        "application/x-www-form-urlencoded",
        {},
        b"MSH",
        "tuulilahti",
        415,
        "IN103",
    ),
    "a compressed body": (
        "/ingest/ehr1",
        V2,
        {"Content-Encoding": "gzip"},
        b"MSH",
        "tuulilahti",
        415,
        "IN102",
    ),
    "an empty body": ("/ingest/ehr1", V2, {}, b"", "tuulilahti", 400, "IN108"),
    "an operator who submits": ("/ingest/ehr1", V2, {}, b"MSH", "operator", 403, "AC103"),
    "an answer nobody can write": (PROCESS, FHIR, {"Accept": "image/png"}, b"{}", "tuulilahti", 406, "IN104"),
}


@pytest.mark.parametrize(
    ("path", "media_type", "headers", "body", "caller", "status", "code"), CALLS.values(), ids=CALLS
)
def test_a_known_caller_is_told_what_is_wrong(
    adapter: Served,
    path: str,
    media_type: str,
    headers: dict[str, str],
    body: bytes,
    caller: str,
    status: int,
    code: str,
) -> None:
    """Each fault of a request has its status and its code."""
    sent = adapter.headers(caller) | headers | ({"Content-Type": media_type} if media_type else {})
    answer = adapter.client.post(adapter.address + path, content=body, headers=sent)

    assert (answer.status_code, codes(answer)) == (status, [code])


def test_an_organisation_does_not_come_to_the_desk(adapter: Served) -> None:
    """An organisation's token at the operator's address is 403."""
    assert adapter.get("/operator/messages", **adapter.headers("tuulilahti")).status_code == 403


def test_b1_a_body_announced_too_large_is_refused_before_it_comes(adapter: Served) -> None:
    """A Content-Length beyond the budget is 413 without reading the body."""
    answer = adapter.post("/ingest/ehr1", b"M" * 10_000_001, V2)

    assert (answer.status_code, codes(answer)) == (413, ["IN101"])


def test_b1_a_body_that_grows_too_large_is_refused_while_it_comes(adapter: Served) -> None:
    """A chunked body is cut off at the budget: the adapter answers before the sender has finished."""
    host, port = urlsplit(adapter.address).hostname, urlsplit(adapter.address).port
    head = f"POST /ingest/ehr1 HTTP/1.1\r\nHost: x\r\nContent-Type: {V2}\r\nTransfer-Encoding: chunked\r\n"
    head += f"Authorization: Bearer {adapter.token('tuulilahti')}\r\n\r\n"
    chunk = b"%x\r\n%s\r\n" % (50_000, b"M" * 50_000)
    sent = 0
    with socket.create_connection((host, port), timeout=PATIENCE) as wire:
        wire.sendall(head.encode())
        wire.settimeout(0.001)
        answer = b""
        while sent < 400 and not answer:
            try:
                wire.settimeout(20)
                wire.sendall(chunk)
                sent += 1
                wire.settimeout(0.001)
                answer = wire.recv(65536)
            except (TimeoutError, BlockingIOError):
                continue

    assert b" 413 " in answer
    assert sent * 50_000 < 15_000_000


def test_whoever_goes_on_sending_after_a_refusal_is_cut_off(adapter: Served) -> None:
    """The rest of a refused body is let go, so that its sender can read the answer; but not for ever."""
    host, port = urlsplit(adapter.address).hostname, urlsplit(adapter.address).port
    head = f"POST /ingest/ehr1 HTTP/1.1\r\nHost: x\r\nContent-Type: {V2}\r\nContent-Length: 900000000\r\n"
    head += f"Authorization: Bearer {adapter.token('tuulilahti')}\r\n\r\n"
    sent = 0
    with socket.create_connection((host, port), timeout=PATIENCE) as wire, suppress(ConnectionError):
        wire.sendall(head.encode())
        while sent < 300:
            wire.sendall(b"M" * 1_000_000)
            sent += 1

    assert 60 <= sent < 300


def test_a_message_of_another_shape_is_refused_in_xml_too(adapter: Served) -> None:
    """The OperationOutcome comes in the format the caller asks for."""
    answer = adapter.get("/fhir/Patient?_format=xml")

    assert answer.headers["content-type"].startswith("application/fhir+xml")
    assert answer.text.startswith("<OperationOutcome") or "<OperationOutcome" in answer.text


@pytest.mark.parametrize(
    ("asked", "language"), [("fi", "Tässä"), ("sv-FI, en;q=0.5", "Det finns"), ("de", "There")]
)
def test_texts_come_in_the_callers_language(adapter: Served, asked: str, language: str) -> None:
    """Accept-Language chooses between Finnish, Swedish and English."""
    answer = adapter.get("/nowhere", **{"Accept-Language": asked})

    assert answer.json()["issue"][0]["details"]["text"].startswith(language)


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/fhir/metadata", "/ingest/ehr1"])
def test_every_answer_has_its_headers(adapter: Served, path: str) -> None:
    """A request id, nothing cached or sniffed, no name of the server; on refusals too."""
    headers = adapter.get(path).headers

    assert headers["x-request-id"]
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("abc-123", True), ("x" * 65, False), ("two words", False), (CANARY, False), (f"id-{CANARY}", False)],
)
def test_a_request_id_is_kept_if_it_is_harmless(adapter: Served, given: str, is_kept: bool) -> None:
    """The caller's own id comes back, unless it is long, odd, or looks like a person's."""
    assert (adapter.get("/healthz", **{"X-Request-Id": given}).headers["x-request-id"] == given) is is_kept


def test_the_adapter_says_what_it_is_able_to_do(adapter: Served) -> None:
    """The CapabilityStatement names R4, how long repeats are known, and both operations."""
    said = adapter.get("/fhir/metadata").json()

    assert said["fhirVersion"] == "4.0.1"
    assert said["messaging"][0]["reliableCache"] == 90 * 24 * 60
    assert {one["name"] for one in said["rest"][0]["operation"]} == {"process-message", "validate"}


def test_the_capability_statement_is_valid(adapter: Served) -> None:
    """What we say of ourselves keeps to R4."""
    said = adapter.get("/fhir/metadata").json()

    issues = adapter.deployment.relay.validator.validate(said)

    assert [issue for issue in issues if issue.is_error] == []


def test_health_and_readiness(adapter: Served) -> None:
    """The process lives, the store answers and the delivery runs."""
    assert adapter.get("/healthz").status_code == 200
    assert adapter.get("/readyz").json() == {
        "status": "ready",
        "mode": "test",
        "delivery": True,
        "store": True,
    }


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_the_frameworks_own_pages_are_off(adapter: Served, path: str) -> None:
    """Nothing is offered that nobody decided to offer."""
    assert adapter.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/fhir/Patient/$validate", "/fhir/$validate"])
def test_validate_says_what_is_wrong_and_keeps_nothing(adapter: Served, path: str) -> None:
    """`$validate` answers 200 with every finding, and no message is made of it."""
    before = adapter.deployment.store.counts()["messages"]
    body = json.dumps({"resourceType": "Patient", "gender": "unclear"}).encode()

    answer = adapter.post(path, body, FHIR)

    assert answer.status_code == 200
    assert any(issue["severity"] == "error" for issue in answer.json()["issue"])
    assert adapter.deployment.store.counts()["messages"] == before


WRAPPED = {
    "as it is": (b'{"resourceType": "Patient",\n "gender": "unclear"}', "line 2, column 2"),
    "in Parameters": (
        b'{"resourceType": "Parameters", "parameter": [{"name": "profile", "valueUri": '
        b'"http://hl7.org/fhir/StructureDefinition/Patient"},\n {"name": "resource", "resource":\n'
        b'  {"resourceType": "Patient",\n "gender": "unclear"}}]}',
        "line 4, column 2",
    ),
    "as XML": (b'<Patient xmlns="http://hl7.org/fhir">\n <gender value="unclear"/></Patient>', "line 2"),
}


@pytest.mark.parametrize(("body", "place"), WRAPPED.values(), ids=WRAPPED)
def test_validate_names_line_and_column(adapter: Served, body: bytes, place: str) -> None:
    """A finding names its place in the bytes that were sent, whatever they stand in."""
    media_type = "application/fhir+xml" if body.startswith(b"<") else FHIR

    answer = adapter.post("/fhir/$validate", body, media_type)

    [wrong] = [issue for issue in answer.json()["issue"] if issue["severity"] == "error"]
    assert wrong["location"][0].startswith(place)
    assert wrong["expression"] == ["Patient.gender"]


def test_unreadable_bytes_are_kept_for_the_operator(adapter: Served) -> None:
    """400 with the place, a message in the state unreadable, its bytes there to be looked at."""
    answer = adapter.post(PROCESS, b'{"resourceType": "Bundle", "x": 1, "x": 2}', FHIR)

    assert answer.status_code == 400
    newest = adapter.deployment.store.messages(limit=1)[0]
    assert newest.state.value == "unreadable"
    assert adapter.deployment.store.content(newest.id, "original") is not None


POST = b"POST /ingest/ehr1 HTTP/1.1\r\nHost: x\r\n"
RAW = {
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nMSH",
    "length and chunks": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no HTTP at all": b"\x0bMSH|^~\\&|A\r\x1c\r",
    "a space before the colon": b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n",
    "a hundred headers": b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 100 + b"\r\n",
    "a fat header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 60_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW)
def test_what_is_no_clean_http_is_not_served(adapter: Served, raw: bytes) -> None:
    """Ambiguous or oversized requests get 400 or a closed connection, never an answer of a door."""
    host, port = urlsplit(adapter.address).hostname, urlsplit(adapter.address).port
    with socket.create_connection((host, port), timeout=PATIENCE) as wire:
        try:
            wire.sendall(raw)
            answer = wire.recv(65536)
        except ConnectionError:
            answer = b""

    assert answer == b"" or b" 400 " in answer.splitlines()[0]


HOSTILE = {
    "json-hostile": ((PROCESS, FHIR, "tuulilahti"), ("/ingest/json1", "application/json", "havuniemi")),
    "xml-hostile": (
        (PROCESS, "application/fhir+xml", "tuulilahti"),
        ("/ingest/cda1", "application/xml", "havuniemi"),
    ),
    "hl7v2-edge": ((PROCESS, FHIR, "tuulilahti"), ("/ingest/ehr1", V2, "tuulilahti")),
}


@pytest.mark.corpus
@pytest.mark.parametrize("group", HOSTILE)
def test_no_hostile_file_breaks_a_door(adapter: Served, corpus, group: str) -> None:
    """Every hostile file at both doors gets an answer below 500, and a refusal says why in FHIR."""
    broken = []
    for path in sorted(file for file in (corpus / group).rglob("*") if file.is_file()):
        for door, media_type, caller in HOSTILE[group]:
            answer = adapter.post(door, path.read_bytes(), media_type, caller)
            is_told = answer.status_code < 400 or answer.json()["resourceType"] == "OperationOutcome"
            if answer.status_code >= 500 or not is_told:
                broken.append((path.name, door, answer.status_code, answer.text[:200]))

    assert broken == []


def test_many_at_once_are_all_answered_alike(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Good messages that come at the same time to an adapter that just started are all taken."""
    from concurrent.futures import ThreadPoolExecutor

    from adapter.cli.demo import BEGINS
    from tests.server.conftest import serving

    body = fixture("back-surgery.hl7")
    fresh = serving(tmp_path_factory.mktemp("fresh"), BEGINS)
    served = next(fresh)

    def post(number: int) -> int:
        changed = body.replace(b"OB260302-0001", b"MANY-%d" % number)
        changed = changed.replace(b"V2603-118", b"MANY-%d" % number)
        return served.post("/ingest/ehr1", changed, V2).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(post, range(16)))
    for _ in fresh:
        pass

    assert statuses == [200] * 16
