"""Hostile input at the real doors. Each test begins with the row of the attack list that it holds.

The rows, by letter: A who calls, B bytes and connections, J JSON, X XML, M HL7 v2 and its framing, L logs, Q
repeats and order, H consent and identity, R what leaves. Whatever comes in: no 5xx but 503, an
OperationOutcome without the values that came, and an adapter that still answers.
"""

from __future__ import annotations

import gzip
import json
import logging
import socket
import time
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest

from adapter.server import listen, log, mllp
from tests.patience import PATIENCE
from tests.server.test_doors import FHIR, PROCESS, V2, codes, fixture
from tests.server.test_mllp import Wire, calling, message, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from tests.server.conftest import Served

XML = "application/fhir+xml"
NATIVE_XML = "application/xml"
CANARY = "010190-999W"
SOON = 20.0
"""Seconds of work that a refusal may cost, the test's own included; it costs a tenth of it at most."""


def said(adapter: Served, raw: bytes) -> bytes:
    """Send bytes over a fresh connection and return the answer to its end, or to a second of silence."""
    place = urlsplit(adapter.address)
    answer = b""
    with socket.create_connection((place.hostname, place.port), timeout=PATIENCE) as wire:
        try:
            wire.sendall(raw)
            while b"\r\n\r\n" not in answer and (more := wire.recv(65536)):
                answer += more
        except ConnectionError:
            return answer
    return answer


def is_alive(adapter: Served) -> bool:
    return adapter.get("/healthz").status_code == 200


def post_head(adapter: Served, *headers: str, path: str = "/ingest/ehr1") -> bytes:
    """The head of a request by a known caller."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: x",
        f"Content-Type: {V2}",
        f"Authorization: Bearer {adapter.token('tuulilahti')}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


# -- B: bytes and connections ------------------------------------------------------------------------------

SMUGGLED = {
    "length and chunks": b"POST /ingest/ehr1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST /ingest/ehr1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
    b"Content-Length: 3\r\n\r\nMSH",
    "a length with a sign": b"POST /ingest/ehr1 HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nMSH",
    "a negative length": b"POST /ingest/ehr1 HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\nMSH",
    "a length beyond numbers": b"POST /ingest/ehr1 HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n"
    % (b"9" * 30),
    "chunks by another name": b"POST /ingest/ehr1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
    "chunks and no chunks": b"POST /ingest/ehr1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n",
    "NUL in a header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
    "bare line feeds": b"GET /healthz HTTP/1.1\nHost: x\n\n",
    "a folded header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "another version": b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n",
    "letters outside ASCII": b"GET /h\xe4 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no such chunk": b"POST /ingest/ehr1 HTTP/1.1\r\nHost: x\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\nMSH\r\n",
}


@pytest.mark.parametrize("raw", SMUGGLED.values(), ids=SMUGGLED)
def test_b4_two_readings_of_a_request_are_none(adapter: Served, raw: bytes) -> None:
    """B4: what a proxy may have read in another way is answered 400, and the connection ends."""
    answer = said(adapter, raw)

    assert answer.startswith(b"HTTP/1.1 400 ") or not answer
    assert b"connection: close" in answer.lower() or not answer


def test_b1_a_length_that_is_too_short_does_not_make_a_second_request(adapter: Served) -> None:
    """B1: what follows a body that was announced shorter is no request of anybody."""
    answer = said(adapter, post_head(adapter, "Content-Length: 3") + b"MSHGET /operator/status\r\n\r\n")

    assert b"OperationOutcome" in answer or b" 400 " in answer
    assert b'"partners"' not in answer


def test_b1_a_caller_that_leaves_in_the_middle_is_no_fault_of_ours(
    adapter: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """B1: a body that ends before its length is dropped, without an error in the log."""
    place = urlsplit(adapter.address)
    with socket.create_connection((place.hostname, place.port), timeout=PATIENCE) as wire:
        wire.sendall(post_head(adapter, "Content-Length: 500") + b"MSH")
        time.sleep(0.2)

    assert is_alive(adapter)
    assert not [record for record in caplog.records if record.getMessage() == "unforeseen"]


CHUNKED = "Transfer-Encoding: chunked"
ENDLESS = {
    "an extension": (CHUNKED, b"3;a="),
    "extensions of one chunk": (CHUNKED, b"3;a=b;c=d"),
    "the size of a chunk": (CHUNKED, b"0"),
    "a trailer": (CHUNKED, b"0\r\nA: "),
    "a header": ("A: b", b""),
}


@pytest.mark.parametrize(("header", "begin"), ENDLESS.values(), ids=ENDLESS)
def test_b1_what_stands_around_a_body_has_an_end(adapter: Served, header: str, begin: bytes) -> None:
    """B1: chunk sizes, extensions, trailers and headers without end are cut off long before a megabyte."""
    place = urlsplit(adapter.address)
    head = post_head(adapter, header).removesuffix(b"\r\n" if begin == b"" else b"")
    head = head + begin if begin else head + b"B: "
    more = b"0" * 65_536
    with socket.create_connection((place.hostname, place.port), timeout=PATIENCE) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        wire.sendall(head)
        sent = 0
        try:
            while sent < 500 and wire.send(more) != 0:
                sent += 1
        except ConnectionError:
            pass

    assert sent < 500
    assert is_alive(adapter)


def test_b1_small_chunks_with_extensions_are_a_body(adapter: Served) -> None:
    """B1: what stays within the bound is read as ever."""
    whole = message("ATTACK-B1")
    pieces = b"".join(b"1;a=b\r\n%c\r\n" % byte for byte in whole)

    answer = said(adapter, post_head(adapter, CHUNKED) + pieces + b"0\r\nA: b\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200 ")


ENCODED = {
    "a bomb": (gzip.compress(b"M" * 5_000_000), "Content-Encoding: gzip"),
    "a bomb in a bomb": (gzip.compress(gzip.compress(b"M" * 5_000_000)), "Content-Encoding: gzip, gzip"),
    "brotli": (b"MSH", "Content-Encoding: br"),
    "said behind the plain one": (b"MSH", "Content-Encoding: identity\r\nContent-Encoding: gzip"),
}


@pytest.mark.parametrize(("body", "header"), ENCODED.values(), ids=ENCODED)
def test_b2_a_compressed_body_is_not_unpacked(adapter: Served, body: bytes, header: str) -> None:
    """B2: 415 for every coding, however it is said; nothing is unpacked."""
    answer = said(adapter, post_head(adapter, header, f"Content-Length: {len(body)}") + body)

    assert b" 415 " in answer.splitlines()[0]


@pytest.mark.parametrize("header", ["A: " + "b" * 33_000, "\r\n".join(["A: b"] * 65)])
def test_b3_headers_have_a_size_and_a_number(adapter: Served, header: str) -> None:
    """B3: beyond 32 kB or 64 the connection ends."""
    assert said(adapter, f"GET /healthz HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode()) == b""


def test_b3_callers_that_say_nothing_shut_nobody_out(adapter: Served) -> None:
    """B3: with more silent connections than there are places, a good caller is served."""
    place = urlsplit(adapter.address)
    silent = [socket.create_connection((place.hostname, place.port)) for _ in range(listen.CONNECTIONS + 20)]
    try:
        assert said(adapter, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    finally:
        for wire in silent:
            wire.close()


@pytest.mark.long
@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        (b"", listen.HEADER_DEADLINE),
        (b"GET /healthz HTTP/1.1\r\nHost", listen.HEADER_DEADLINE),
    ],
)
def test_b3_headers_have_a_deadline(adapter: Served, sent: bytes, seconds: float) -> None:
    """B3: a connection whose headers do not come is closed after ten seconds."""
    place = urlsplit(adapter.address)
    with socket.create_connection((place.hostname, place.port), timeout=seconds + PATIENCE) as wire:
        wire.sendall(sent)
        began = time.monotonic()
        try:
            rest = wire.recv(100)
        except ConnectionError:
            rest = b""

    assert rest == b""
    assert time.monotonic() - began < seconds + 5


@pytest.mark.long
def test_b3_a_body_has_a_deadline(adapter: Served) -> None:
    """B3: a body that comes a byte a second is given up with 408 after its time."""
    place = urlsplit(adapter.address)
    with socket.create_connection((place.hostname, place.port), timeout=PATIENCE) as wire:
        wire.sendall(post_head(adapter, "Content-Length: 500"))
        wire.settimeout(1.0)
        answer = b""
        until = time.monotonic() + 60
        while not answer and time.monotonic() < until:
            wire.sendall(b"M")
            try:
                answer = wire.recv(65536)
            except TimeoutError:
                continue

    assert b" 408 " in answer.splitlines()[0]


def bundle(count: int) -> bytes:
    """A message Bundle of many entries."""
    patient = {"resourceType": "Patient", "name": [{"family": CANARY}]}
    entries = [{"fullUrl": f"urn:uuid:{number}", "resource": patient} for number in range(count)]
    return json.dumps({"resourceType": "Bundle", "type": "message", "entry": entries}).encode()


def narrative(length: int) -> bytes:
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{"a" * length}</div>'
    return json.dumps({"resourceType": "Patient", "text": {"status": "generated", "div": div}}).encode()


def nested(depth: int, opening: bytes = b'{"item":[', closing: bytes = b"]}") -> bytes:
    inner = opening * depth + b"{}" + closing * depth
    return b'{"resourceType":"Questionnaire","status":"active","item":[' + inner + b"]}"


PATIENT = b'{"resourceType":"Patient","multipleBirthInteger":%s}'
COSTLY_JSON: dict[str, tuple[bytes, str]] = {
    "B5 entries": (bundle(1_001), "FH125"),
    "B5 ten thousand entries": (bundle(10_000), "FH125"),
    "J1 depth": (nested(50), "FH121"),
    "J1 depth of a hundred thousand": (nested(100_000), "FH121"),
    "J1 arrays": (nested(1, b"[" * 100_000, b"]" * 100_000), "FH121"),
    "J3 five thousand digits": (PATIENT % (b"1" * 5_000), "FH107"),
    "J3 an exponent of a million": (PATIENT % b"1e1000000", "FH108"),
    "J3 not a number": (PATIENT % b"NaN", "FH106"),
    "J3 infinite": (PATIENT % b"Infinity", "FH106"),
    "tokens": (b'{"resourceType":"Bundle","entry":[' + b",".join([b"{}"] * 100_001) + b"]}", "FH122"),
    "narrative": (narrative(256_001), "FH126"),
    "a string": (b'{"resourceType":"Patient","id":"' + b"a" * 8_400_000 + b'"}', "FH123"),
    "J2 a key twice": (b'{"resourceType":"Patient","id":"a","id":"b"}', "FH101"),
    "J2 a key twice, once escaped": (b'{"resourceType":"Patient","id":"a","\\u0069d":"b"}', "FH101"),
    "J2 the type twice": (b'{"resourceType":"Patient","resourceType":"Bundle"}', "FH101"),
    "J4 half a character": (b'{"resourceType":"Patient","id":"\\ud800"}', "FH104"),
    "J4 NUL": (b'{"resourceType":"Patient","id":"a\\u0000"}', "FH105"),
    "J4 UTF-16": ('{"resourceType":"Patient"}'.encode("utf-16"), "FH110"),
    "J4 overlong": (b'{"resourceType":"Patient","id":"\xc0\xaf"}', "FH109"),
}


@pytest.mark.parametrize("path", [PROCESS, "/fhir/$validate"])
@pytest.mark.parametrize("case", COSTLY_JSON)
def test_j1_j2_j3_j4_b5_what_costs_too_much_or_says_two_things_is_refused(
    adapter: Served, case: str, path: str
) -> None:
    """J1, J2, J3, J4, B5: refused with its finding, soon, and without the values that came."""
    body, code = COSTLY_JSON[case]
    began = time.process_time()
    answer = adapter.post(path, body, FHIR)

    assert (answer.status_code in (400, 413), codes(answer)[0]) == (True, code)
    assert CANARY not in answer.text
    assert time.process_time() - began < SOON


def test_j3_numbers_keep_their_digits(adapter: Served) -> None:
    """J3: 1.10 and -0 are read as they are written."""
    body = b'{"resourceType":"Observation","status":"final","code":{"text":"a"},"valueQuantity":{"value":%s}}'

    answers = [adapter.post("/fhir/$validate", body % number, FHIR) for number in (b"1.10", b"-0")]

    assert [answer.status_code for answer in answers] == [200, 200]


MANY: dict[str, Callable[[int], bytes]] = {
    "empty objects": lambda n: b'{"resourceType":"Patient","name":[' + b",".join([b"{}"] * n) + b"]}",
    "unknown members": lambda n: json.dumps(
        {"resourceType": "Patient", **{f"x{each}": 1 for each in range(n)}}
    ).encode(),
    "references inside": lambda n: json.dumps(
        {
            "resourceType": "Patient",
            "contained": [{"resourceType": "Organization", "id": f"a{each}"} for each in range(n // 4)],
            "generalPractitioner": [{"reference": f"#a{each}"} for each in range(n // 4)],
        }
    ).encode(),
    "references in a circle": lambda n: json.dumps(
        {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [
                {
                    "fullUrl": f"http://a.example/Organization/{each}",
                    "resource": {
                        "resourceType": "Organization",
                        "name": "a",
                        "partOf": {"reference": f"Organization/{(each + 1) % (n // 50)}"},
                    },
                }
                for each in range(n // 50)
            ],
        }
    ).encode(),
    "references that lead nowhere": lambda n: json.dumps(
        {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [
                {
                    "fullUrl": f"http://a.example/Patient/{each}",
                    "resource": {
                        "resourceType": "Patient",
                        "generalPractitioner": [{"reference": f"Organization/{each}"}] * 20,
                    },
                }
                for each in range(n // 50)
            ],
        }
    ).encode(),
}


@pytest.mark.parametrize("case", MANY)
def test_j1_b5_judging_grows_no_faster_than_the_document(adapter: Served, case: str) -> None:
    """J1: 40,000 of the same fault are judged in seconds, and told short."""
    began = time.thread_time()
    issues = adapter.deployment.relay.validator.validate(json.loads(MANY[case](40_000)))
    took = time.thread_time() - began
    answer = adapter.post("/fhir/$validate", MANY[case](5_000), FHIR)

    assert (isinstance(issues, list), took < 4.0) == (True, True)
    assert len(answer.json()["issue"]) <= 1_001
    assert ("IN130" in answer.text) is (len(answer.json()["issue"]) == 1_001)


# -- X: XML --------------------------------------------------------------------------------------------------

BOMB = b'<!DOCTYPE a [<!ENTITY x "%s">%s]>' % (
    b"A" * 100,
    b"".join(b'<!ENTITY x%d "%s">' % (n, b"&x;" * 10) for n in range(9)),
)
HOSTILE_XML: dict[str, bytes] = {
    "X1 an external entity": b'<!DOCTYPE a [<!ENTITY x SYSTEM "%s">]>',
    "X1 a parameter entity": b'<!DOCTYPE a [<!ENTITY %% x SYSTEM "%s"> %%x;]>',
    "X1 an external document type": b'<!DOCTYPE a SYSTEM "%s">',
    "X2 a billion laughs": BOMB.replace(b"%", b"%%"),
}


@pytest.mark.parametrize("case", HOSTILE_XML)
def test_x1_x2_a_document_type_is_refused_and_nothing_is_fetched(adapter: Served, case: str) -> None:
    """X1, X2: 400 at the FHIR door and the native one, and nobody comes to the address it names."""
    with socket.create_server(("127.0.0.1", 0)) as tripwire:
        tripwire.settimeout(0.2)
        prolog = HOSTILE_XML[case]
        if b"%s" in prolog:
            prolog %= f"http://127.0.0.1:{tripwire.getsockname()[1]}/x".encode()
        began = time.process_time()
        answers = [
            adapter.post(PROCESS, prolog + b'<Patient xmlns="http://hl7.org/fhir"/>', XML),
            adapter.post(
                "/ingest/cda1",
                prolog + b'<ClinicalDocument xmlns="urn:hl7-org:v3">&x;</ClinicalDocument>',
                NATIVE_XML,
                "havuniemi",
            ),
        ]

        assert [codes(answer)[0] for answer in answers] == ["FH201", "SR202"]
        assert time.process_time() - began < SOON
        with pytest.raises(TimeoutError):
            tripwire.accept()


COSTLY_XML = {
    "X3 elements": b"<Patient xmlns='http://hl7.org/fhir'>" + b"<a/>" * 100_001 + b"</Patient>",
    "X3 attributes": b"<Patient xmlns='http://hl7.org/fhir' %s/>"
    % b" ".join(b"a%d='b'" % n for n in range(65)),
    "X3 attributes everywhere": b"<Patient xmlns='http://hl7.org/fhir'>"
    + b"<a b='' c='' d=''/>" * 40_000
    + b"</Patient>",
    "X3 depth": b"<Patient xmlns='http://hl7.org/fhir'>" + b"<a>" * 300 + b"</a>" * 300 + b"</Patient>",
    "X3 text": b"<Patient xmlns='http://hl7.org/fhir'><id value='" + b"a" * 8_400_000 + b"'/></Patient>",
}


@pytest.mark.parametrize("case", COSTLY_XML)
def test_x3_what_costs_too_much_is_refused(adapter: Served, case: str) -> None:
    """X3: elements, attributes, depth and text beyond the budget are refused at both doors, soon."""
    body = COSTLY_XML[case]
    began = time.process_time()
    answers = [
        adapter.post(PROCESS, body, XML),
        adapter.post("/ingest/cda1", body, NATIVE_XML, "havuniemi"),
    ]

    assert all(answer.status_code in (400, 413, 422) for answer in answers)
    assert time.process_time() - began < SOON


def test_x4_what_points_elsewhere_is_not_fetched(adapter: Served) -> None:
    """X4: stylesheets, inclusions, schemas and bases name an address that nobody comes to."""
    with socket.create_server(("127.0.0.1", 0)) as tripwire:
        tripwire.settimeout(0.2)
        place = f"http://127.0.0.1:{tripwire.getsockname()[1]}/x".encode()
        body = (
            b'<?xml-stylesheet href="%s" type="text/xsl"?><ClinicalDocument xmlns="urn:hl7-org:v3" '
            b'xmlns:xi="http://www.w3.org/2001/XInclude" '
            b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
            b'xml:base="%s" xsi:schemaLocation="urn:hl7-org:v3 %s"><xi:include href="%s"/></ClinicalDocument>'
        ) % (place, place, place, place)

        answer = adapter.post("/ingest/cda1", body, NATIVE_XML, "havuniemi")

        assert answer.status_code in (400, 422)
        with pytest.raises(TimeoutError):
            tripwire.accept()


# -- M: HL7 v2 and its framing -----------------------------------------------------------------------------

V2_HEAD = b"MSH|^~\\&|A|B|C|D|20260302||ADT^A03|M-%d|T|2.5\r"
COSTLY_V2 = {
    "M2 repetitions": b"PR1|" + b"~" * 100_001,
    "M2 components": b"PR1|" + b"^" * 100_001,
    "M2 subcomponents": b"PR1|" + b"&" * 100_001,
    "M2 escapes": b"PR1|" + b"\\X0D\\" * 60_000,
    "M2 segments": b"PR1\r" * 100_001,
}


@pytest.mark.parametrize("case", COSTLY_V2)
def test_m2_what_costs_too_much_is_refused(adapter: Served, case: str) -> None:
    """M2: parts of every kind are counted before any is read: AR, soon, and the connection goes on."""
    began = time.process_time()
    with calling(adapter) as wire:
        refused = wire.block(V2_HEAD % 1 + COSTLY_V2[case])
        after = wire.block(message("ATTACK-M2"))

    assert verdict(refused).startswith(b"AR|")
    assert b"SR108" in refused
    assert verdict(after) == b"AA|ATTACK-M2"
    assert time.process_time() - began < SOON


@pytest.mark.parametrize("signs", [b"AAAA", b"MSH|", b"^^~\\&", b"|abc|"])
def test_m2_delimiters_that_are_none_are_refused(adapter: Served, signs: bytes) -> None:
    """M2: letters, or one sign for two things, delimit nothing: AR."""
    with calling(adapter) as wire:
        answer = wire.block(b"MSH" + signs + b"|A|B|C|D|20260302||ADT^A03|M-3|T|2.5\rPID|1\r")

    assert b"MSA|AR|" in answer


def test_m2_an_escaped_line_end_makes_no_segment(adapter: Served) -> None:
    """M2: an escaped line end in what is echoed of a header stays inside its field."""
    with calling(adapter) as wire:
        answer = wire.block(b"MSH|^~\\&|A|B\\X0D\\MSA\\F\\AA|C|D|20260302||ZZZ^Z99|M-4|T|2.5\rPID|1\r")

    assert [line[:4] for line in answer.split(b"\r") if line.startswith(b"MSA")] == [b"MSA|"]


def test_m1_silent_callers_shut_no_hospital_out(adapter: Served) -> None:
    """M1: with more silent connections than there are places, a message is acknowledged."""
    silent = [socket.create_connection(adapter.mllp) for _ in range(mllp.CONNECTIONS + 3)]
    try:
        with calling(adapter) as wire:
            assert verdict(wire.block(message("ATTACK-M1"))) == b"AA|ATTACK-M1"
    finally:
        for each in silent:
            each.close()


def test_m1_one_byte_at_a_time_is_one_message(adapter: Served) -> None:
    """M1: packets of a byte each are acknowledged as any other, and a repeat by the same acknowledgement."""
    whole = b"\x0b" + message("ATTACK-M1-BYTES") + b"\x1c\r"
    with socket.create_connection(adapter.mllp, timeout=PATIENCE) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(len(whole)):
            raw.sendall(whole[number : number + 1])
        wire = Wire(raw)
        first = wire.answer()
        assert (verdict(first), wire.block(message("ATTACK-M1-BYTES"))) == (b"AA|ATTACK-M1-BYTES", first)


@pytest.mark.parametrize("code", ["AA", "AE", "XX"])
def test_m3_an_acknowledgement_of_nothing_starts_no_storm(adapter: Served, code: str) -> None:
    """M3: an ACK that comes as a message gets one refusal and makes no message of ours."""
    known = adapter.deployment.store.counts()["deliveries"]
    with calling(adapter) as wire:
        answer = wire.block(
            b"MSH|^~\\&|A|B|C|D|20260302||ACK^A03^ACK|M-5|T|2.5\rMSA|%s|nobody\r" % code.encode()
        )

    assert b"MSA|AA" not in answer
    assert adapter.deployment.store.counts()["deliveries"] == known


# -- A: who calls ------------------------------------------------------------------------------------------


def test_a1_nothing_in_a_message_says_who_sends_it(adapter: Served) -> None:
    """A1: who speaks in another's name is refused, and headers that name an organisation change nothing."""
    body = fixture("gallbladder.fhir.json").replace(
        b"2dee15f3-a33c-5c90-8b63-536933ec04db", b"3c872824-7140-51cd-a529-cf3e556cf9ab"
    )
    headers = adapter.headers("tuulilahti") | {
        "Content-Type": FHIR,
        "X-Organization": "urn:uuid:3c872824-7140-51cd-a529-cf3e556cf9ab",
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-User": "havuniemi",
        "Forwarded": "for=10.0.0.1",
    }

    answer = adapter.client.post(adapter.address + PROCESS, content=body, headers=headers)

    assert (answer.status_code, "PN147" in codes(answer)) == (422, True)
    newest = adapter.deployment.store.messages(limit=1)[0]
    assert newest.sender == "urn:uuid:2dee15f3-a33c-5c90-8b63-536933ec04db"


@pytest.mark.parametrize("first", [True, False])
def test_a1_two_authorizations_are_none(adapter: Served, first: bool) -> None:
    """A1: of two tokens in one request neither counts, whichever stands first."""
    good, bad = f"Bearer {adapter.token('tuulilahti')}", "Bearer nobody"
    lines = [f"Authorization: {each}" for each in ((good, bad) if first else (bad, good))]
    head = "\r\n".join(["GET /fhir/Consent/x HTTP/1.1", "Host: x", *lines]).encode() + b"\r\n\r\n"

    assert b" 401 " in said(adapter, head).splitlines()[0]


# -- the desk ----------------------------------------------------------------------------------------------

ODD = {
    "a row beyond numbers": ("GET", "/operator/audit?after=" + "9" * 30, b"", 400),
    "a row of many digits": ("GET", "/operator/audit?after=" + "9" * 5_000, b"", 400),
    "a row in other digits": ("GET", "/operator/audit?after=%D9%A3", b"", 400),
    "a page of many digits": ("GET", "/operator/messages?limit=" + "9" * 5_000, b"", 200),
    "a page in other digits": ("GET", "/operator/messages?limit=%C2%B2", b"", 200),
    "after the end of time": (
        "POST",
        "/operator/audit/disclosures",
        b'{"reason": "x", "recipient": "a", "since": "9999-12-31T23:59:59-14:00"}',
        400,
    ),
    "before its beginning": (
        "POST",
        "/operator/audit/disclosures",
        b'{"reason": "x", "recipient": "a", "since": "0001-01-01T00:00:00+14:00"}',
        400,
    ),
    "a head beyond numbers": (
        "POST",
        "/operator/audit/verify",
        b'{"node": "silta", "sequence": 99999999999999999999999, "hash": "x"}',
        200,
    ),
}


@pytest.mark.parametrize(("method", "path", "body", "status"), ODD.values(), ids=ODD)
def test_a5_odd_numbers_and_times_are_refused_at_the_desk(
    adapter: Served, method: str, path: str, body: bytes, status: int
) -> None:
    """A5: a number no database holds, or a time no calendar has, is a fault of the request."""
    headers = adapter.headers("operator") | {"Content-Type": "application/json"}

    answer = adapter.client.request(method, adapter.address + path, content=body or None, headers=headers)

    assert answer.status_code == status


# -- L: what is told ---------------------------------------------------------------------------------------


def identity_code(mark: str) -> str:
    """An invented person's code of the test range, with a right check character, of one century."""
    number = 10190_942
    return f"010190{mark}942{'0123456789ABCDEFHJKLMNPRSTUVWXY'[number % 31]}"


def places(adapter: Served, code: str) -> list[httpx.Response]:
    """Put a code wherever a caller can put something, and return all answers."""
    known = adapter.headers("tuulilahti")
    post = partial(adapter.client.post, adapter.address + PROCESS)
    own = message(f"ATTACK-L2-{code[6]}").replace(b"120574-902Y", code.encode())
    parts = (code, f'"{code}"', f"<{code}>", f"Bearer {code}", f"{code};charset={code}")
    return [
        adapter.get(f"/{quote(code)}"),
        adapter.get(f"/fhir/Consent/{quote(code)}", **known),
        adapter.get(f"/fhir/metadata?_format={quote(code)}"),
        adapter.get(f"/operator/messages/{quote(code)}", **adapter.headers("operator")),
        adapter.get(f"/operator/messages?before={quote(code)}", **adapter.headers("operator")),
        adapter.get(f"/operator/messages?state={quote(code)}", **adapter.headers("operator")),
        adapter.client.request("DELETE", f"{adapter.address}/ingest/{quote(code)}"),
        *(adapter.get("/healthz", **{name: part}) for name in HEADERS for part in parts),
        *(post(content=part.encode(), headers=known | {"Content-Type": FHIR}) for part in parts),
        post(content=b"{}", headers=known | {"Content-Type": code}),
        post(content=json.dumps({code: code}).encode(), headers=known | {"Content-Type": FHIR}),
        *(
            post(content=json.dumps(body).encode(), headers=known | {"Content-Type": FHIR})
            for body in (
                {"resourceType": code},
                {"resourceType": "Bundle", "id": code, "type": code, code: [code]},
                {"resourceType": "Bundle", "type": "message", "entry": [{"fullUrl": code, "resource": code}]},
                {
                    "resourceType": "Bundle",
                    "type": "message",
                    "entry": [{"resource": {"resourceType": "MessageHeader", "eventUri": code, "id": code}}],
                },
            )
        ),
        adapter.post("/fhir/$validate", f'{{"resourceType":"Patient","birthDate":"{code}"}}'.encode(), FHIR),
        adapter.post("/fhir/$validate", f"<Patient><{code}/>".encode(), XML),
        adapter.post("/fhir/Consent", f'{{"resourceType":"Consent","id":"{code}"}}'.encode(), FHIR),
        adapter.post("/ingest/cda1", f"<a>{code}</b>".encode(), NATIVE_XML, "havuniemi"),
        adapter.post("/ingest/json1", f'{{"patient": "{code}"}}'.encode(), "application/json", "havuniemi"),
        adapter.post("/ingest/ehr1", own, V2),
        adapter.post("/ingest/ehr1", own.replace(b"ADT^A03", code.encode()), V2),
        adapter.client.post(f"{adapter.address}/fhir/oauth2/token", data={"scope": code, code: code}),
    ]


HEADERS = ("Authorization", "X-Request-Id", "Accept", "Accept-Language", "If-Match", "Client-Cert", "Cookie")


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Every line that any logger of the process would write, at the most talkative level."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not record.name.startswith("http"):  # the client of this test itself
                lines.append(log.Lines().format(record))

    keeper, loggers = Keep(), [logging.getLogger(name) for name in ("", "silta")]
    levels = [each.level for each in loggers]
    loggers[0].addHandler(keeper)
    for each in loggers:
        each.setLevel(logging.DEBUG)
    yield lines
    loggers[0].removeHandler(keeper)
    for each, level in zip(loggers, levels, strict=True):
        each.setLevel(level)


@pytest.mark.parametrize("mark", "-+ABCDEFUVWXY")
def test_l2_an_identity_code_comes_back_from_nowhere(adapter: Served, logged: list[str], mark: str) -> None:
    """L2: of every century, in every place a caller has: no answer, header, log or metric holds it."""
    code = identity_code(mark)
    answers = places(adapter, code)

    told = [f"{one.status_code} {dict(one.headers)} {one.text}" for one in answers]
    told += [adapter.get("/metrics").text, *logged]
    assert [text for text in told if code in text] == []
    assert max(one.status_code for one in answers) < 500


# -- Q: repeats --------------------------------------------------------------------------------------------


def test_q1_the_same_at_once_is_one_and_other_content_is_a_conflict(adapter: Served) -> None:
    """Q1: eight copies at once give one message and one answer; the same id with other content is 409."""
    from concurrent.futures import ThreadPoolExecutor

    body = message("ATTACK-Q1")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: adapter.post("/ingest/ehr1", body, V2), range(8)))
    other = adapter.post("/ingest/ehr1", body.replace(b"|20260331|", b"|20260330|"), V2)

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert other.status_code == 409
