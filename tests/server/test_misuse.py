"""Misuse of the API: whatever comes to whatever door, the answer is one of ours and never 5xx but 503."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.shipped import folder
from tests.server.conftest import serving
from tests.server.test_routes import every_route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.server.route import Route
    from tests.server.conftest import Served


@dataclass(frozen=True, slots=True, repr=False)
class Own:
    """An adapter and its doors; of few words, because Hypothesis says them all."""

    served: Served
    doors: list[Route]


LONGEST_SECONDS = 20.0
"""Of work for one answer; the doors' own budgets are far below."""
CALLERS = (
    *("tuulilahti", "havuniemi", "kaskela", "operator", None, "nobody"),
    *("admin-only", "auditor-only", "coordinator-only"),
)
TYPES = (
    *("application/fhir+json", "application/json", "application/fhir+xml", "application/xml"),
    *("x-application/hl7-v2+er7", "text/csv", "application/x-www-form-urlencoded", "multipart/form-data"),
    *("application/fhir+json; charset=utf-16", "text/plain; charset=klingon", "nonsense", "", "*/*"),
)
ACCEPTS = (*TYPES, "application/fhir+xml;q=0.1, */*;q=0", "application/json;q=x", "text/html")
NAMES = (
    *(
        "_format",
        "_count",
        "_id",
        "_summary",
        "_elements",
        "_since",
        "_sort",
        "_include",
        "patient",
        "status",
    ),
    *("identifier", "before", "limit", "since", "recipient", "state", "async", "response-url"),
    *("reveal", "reason", "profile", "mode", "after", "message", "for", "language", "organization", "date"),
)
FIXTURES = [
    path.read_bytes()
    for path in sorted((folder("fixtures") / "notification").iterdir())
    if path.suffix in (".hl7", ".json", ".xml")
]

ODD = st.one_of(
    st.sampled_from(
        ["", "0", "-1", "9" * 400, "..", "../..", "%00", "\0", "null", "true", "1e999", "2026-13-45", "'\"--"]
    ),
    st.text(max_size=40),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), ODD,
    st.sampled_from(["Bundle", "Consent", "MessageHeader", "message", "active", "urn:uuid:x", "2026-03-01"]),
)  # fmt: skip
KEYS = st.sampled_from(
    [
        *("resourceType", "id", "type", "entry", "resource", "fullUrl", "status", "scope", "patient", "code"),
        *("coding", "system", "identifier", "reference", "provision", "actor", "period", "start", "value"),
        *(
            "reason",
            "recipient",
            "evidence",
            "level",
            "actions",
            "states",
            "most",
            "extension",
            "url",
            "meta",
        ),
    ]
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=6)),
    max_leaves=20,
)
RESOURCES = st.builds(
    lambda kind, tree: json.dumps({"resourceType": kind, **tree}).encode(),
    st.sampled_from(["Bundle", "Consent", "Parameters", "MessageHeader", "Patient", ""]),
    st.dictionaries(KEYS, TREES, max_size=8),
)


def damaged(body: bytes, at: float, how: bytes) -> bytes:
    """A good body with something put over a place in it."""
    place = int(len(body) * at)
    return body[:place] + how + body[place + len(how) :]


LARGE = {
    "deep objects": b'{"a":' * 50_000,
    "deep arrays": b"[" * 100_000,
    "a long number": b"1" * 5_000,
    "deep elements": b"<a>" * 50_000,
}
"""By name: what Hypothesis shows of a call is short."""
BODIES = st.one_of(
    st.none(),
    st.sampled_from(
        [
            *(b"", b"{", b"\xff\xfe\x00", b"null", b"\xef\xbb\xbf{}", b"<a/>", b'{"a":1,"a":2}', b"MSH|"),
            b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
            *LARGE,
        ]
    ),
    st.binary(max_size=200),
    TREES.map(lambda tree: json.dumps(tree).encode()),
    RESOURCES,
    st.tuples(st.integers(0, len(FIXTURES) - 1), st.floats(0, 1), st.binary(min_size=1, max_size=6)),
)
CALLS = st.fixed_dictionaries(
    {
        "caller": st.sampled_from(CALLERS),
        "part": st.one_of(ODD, st.sampled_from(["ehr1", "json1", "cda1", "Consent", "Bundle", "none"])),
        "query": st.lists(st.tuples(st.sampled_from(NAMES), ODD), max_size=3),
        "content": st.sampled_from(TYPES),
        "accept": st.sampled_from(ACCEPTS),
        "match": st.sampled_from([None, 'W/"1"', '"x"', "*", "nonsense"]),
        "body": BODIES,
    }
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    """An adapter of this module's own, and its doors: what is done to it nobody else has to live with."""
    from adapter.cli.demo import BEGINS

    for served in serving(tmp_path_factory.mktemp("misused"), BEGINS):
        yield Own(served, every_route(served))


def headers_of(own: Served, call: dict[str, Any]) -> dict[str, bytes]:
    """The headers of a call, as bytes: what is no Latin-1 is sent all the same."""
    made = {"Content-Type": call["content"], "Accept": call["accept"], "If-Match": call["match"]}
    if call["caller"] == "nobody":
        made["Authorization"] = "Bearer nobody"
    elif call["caller"]:
        made["Authorization"] = f"Bearer {own.token(call['caller'])}"
    return {name: value.encode() for name, value in made.items() if value is not None}


def body_of(drawn: bytes | str | tuple[int, float, bytes] | None) -> bytes | None:
    """The bytes that a drawn body stands for."""
    if isinstance(drawn, tuple):
        number, at, how = drawn
        return damaged(FIXTURES[number], at, how)
    return LARGE[drawn] if isinstance(drawn, str) else drawn


def misuse(own: Served, route: Route, call: dict[str, Any]) -> None:
    """Call once, and look at the answer."""
    path = "/".join(
        quote(call["part"], safe="") if part.startswith("{") else part for part in route.path.split("/")
    )
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in call["query"])
    body = body_of(call["body"]) if route.method != "GET" else None
    began = time.process_time()
    answer = own.client.request(
        route.method,
        httpx.URL(f"{own.address}{path}?{query}"),
        content=body,
        headers=headers_of(own, call),
    )
    assert answer.status_code < 500 or answer.status_code == 503, (answer.status_code, answer.text)
    assert time.process_time() - began < LONGEST_SECONDS
    # RFC 6749, 5.2: a token's refusal is an object of its own; a page is for people.
    if answer.status_code >= 400 and not answer.headers["content-type"].startswith("text/html"):
        assert "OperationOutcome" in answer.text or '"error"' in answer.text, answer.text
    if answer.status_code == 503:
        assert int(answer.headers["Retry-After"]) > 0


QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(QUIET, max_examples=100)
@given(number=st.integers(0, 999), call=CALLS)
def test_misuse_of_any_door_is_answered_and_never_by_500(own: Own, number: int, call: dict[str, Any]) -> None:
    """A hundred calls of random doors with random callers, headers, queries and bodies."""
    misuse(own.served, own.doors[number % len(own.doors)], call)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(QUIET, max_examples=3_000)
@given(number=st.integers(0, 999), call=CALLS)
def test_misuse_of_any_door_for_long(own: Own, number: int, call: dict[str, Any]) -> None:
    """Three thousand such calls."""
    misuse(own.served, own.doors[number % len(own.doors)], call)
