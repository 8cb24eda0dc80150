"""SMART Backend Services from the assertion to the door, on a running adapter."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import TransientDelivery
from adapter.relay.clock import SetClock
from adapter.relay.transport import HttpTransport
from adapter.server.access_token import LIFE_SECONDS
from adapter.server.client import Client, read_keys
from adapter.server.key_sets import KeySets
from adapter.server.scope import EVERYTHING, Scopes
from tests.server import keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.server.conftest import Served

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SHOWN = {"Client-Cert": f":{base64.b64encode(keys.CERTIFICATE).decode()}:"}


def asked(
    adapter: Served, client: str = "tuulilahti-ehr", *, scope: str = "system/*.cruds", **changes: Any
) -> httpx.Response:
    """Ask for a token; `changes` replace fields of the form, `headers` adds headers."""
    headers = changes.pop("headers", {})
    form = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": JWT_BEARER,
        "client_assertion": fresh(adapter, client),
    } | changes
    return adapter.client.post(f"{adapter.address}/fhir/oauth2/token", data=form, headers=headers)


def fresh(adapter: Served, client: str, **claims: Any) -> str:
    """Return a good assertion by the adapter's own clock."""
    now = adapter.deployment.relay.clock.now()
    return keys.assertion(client, f"{adapter.address}/fhir/oauth2/token", now, **claims)


def bearer(answer: httpx.Response) -> dict[str, str]:
    """Return the header that shows the token just given out."""
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_the_adapter_says_how_tokens_are_had(adapter: Served) -> None:
    """The address, method, algorithms and scopes of the configuration are those that work."""
    said = adapter.get("/fhir/.well-known/smart-configuration").json()

    assert said["token_endpoint"] == f"{adapter.address}/fhir/oauth2/token"
    assert said["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert said["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert said["scopes_supported"] == ["system/Bundle.c", "system/Consent.cru", "system/Consent.r"]


def test_the_capability_statement_names_the_token_endpoint(adapter: Served) -> None:
    """A client that reads metadata alone finds it too."""
    security = adapter.get("/fhir/metadata").json()["rest"][0]["security"]

    assert security["extension"][0]["extension"][0]["valueUri"] == f"{adapter.address}/fhir/oauth2/token"


def test_a_proven_client_gets_a_token_that_opens_its_doors(adapter: Served) -> None:
    """The token lives five minutes, says what was granted, and speaks for the organisation."""
    answer = asked(adapter)
    read = adapter.get("/fhir/Consent/none", **bearer(answer))

    assert answer.json() | {"access_token": ""} == {
        "access_token": "",
        "token_type": "bearer",
        "expires_in": 300,
        "scope": "system/Bundle.c system/Consent.cru",
    }
    assert answer.headers["cache-control"] == "no-store"
    assert read.status_code == 404


def test_a3_a_token_opens_nothing_beyond_its_scope(adapter: Served) -> None:
    """A reader of Consents cannot send messages."""
    token = bearer(asked(adapter, "kaskela-reader", scope="system/Consent.r"))
    answer = adapter.client.post(
        f"{adapter.address}/fhir/$process-message",
        content=b"{}",
        headers=token | {"Content-Type": "application/fhir+json"},
    )

    assert answer.status_code == 403
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "AC107"


@pytest.mark.parametrize(
    ("changes", "status", "error", "code"),
    [
        ({"grant_type": "authorization_code"}, 400, "unsupported_grant_type", "AC111"),
        ({"grant_type": ""}, 400, "unsupported_grant_type", "AC111"),
        ({"client_assertion_type": "other"}, 401, "invalid_client", "AC112"),
        ({"client_assertion": ""}, 401, "invalid_client", "AC112"),
        ({"client_assertion": "not.a.jwt"}, 401, "invalid_client", "AC113"),
        ({"scope": "system/Patient.r"}, 400, "invalid_scope", "AC117"),
        ({"scope": ""}, 400, "invalid_scope", "AC117"),
        ({"grant_type": ["client_credentials", "client_credentials"]}, 400, "invalid_request", "AC110"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_oauth(
    adapter: Served, changes: dict[str, Any], status: int, error: str, code: str
) -> None:
    """Status and error are those of RFC 6749, the description leads with the finding."""
    answer = asked(adapter, **changes)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["error_description"].startswith(code)


def test_a_client_nobody_registered_is_told_no_more_than_a_stranger(adapter: Served) -> None:
    """An unknown client and a wrong signature get the same answer, byte for byte."""
    unknown = asked(adapter, "no-such-client")
    forged = asked(adapter, client_assertion=fresh(adapter, "tuulilahti-ehr", key=keys.STRANGER))

    assert unknown.status_code == 401
    assert unknown.content == forged.content


def test_a2_an_assertion_works_once(adapter: Served) -> None:
    """A second use is refused, also when sixteen come at once."""
    from concurrent.futures import ThreadPoolExecutor

    once = fresh(adapter, "tuulilahti-ehr")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: asked(adapter, client_assertion=once), range(16)))

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 15


def test_a_used_assertion_is_known_until_it_is_over(adapter: Served) -> None:
    """The store keeps the id, so that another node or a restart does not forget it."""
    store = adapter.deployment.store
    now = adapter.deployment.relay.clock.now()

    first = store.remember_assertion("ehr", "an-id", now + timedelta(minutes=5))
    again = store.remember_assertion("ehr", "an-id", now + timedelta(minutes=5))
    other = store.remember_assertion("another", "an-id", now + timedelta(minutes=5))

    assert (first, again, other) == (True, False, True)


@pytest.mark.parametrize("change", ["signature", "none", "other-key"])
def test_a3_a_changed_access_token_opens_nothing(adapter: Served, change: str) -> None:
    """Tokens are ours to make alone."""
    head, payload, signature = asked(adapter).json()["access_token"].split(".")
    forged = {
        "signature": f"{head}.{payload}.{'A' * len(signature)}",
        "none": f"{keys.unsigned_header()}.{payload}.",
        "other-key": fresh(adapter, "tuulilahti-ehr"),
    }[change]

    assert adapter.get("/fhir/Consent/none", Authorization=f"Bearer {forged}").status_code == 401


def test_a3_a_token_for_another_or_of_before_opens_nothing(adapter: Served) -> None:
    """Of another address, over, or asked for more than its client has by now: who showed it is nobody."""
    assert adapter.deployment.clients is not None
    tokens = adapter.deployment.clients.tokens
    [client] = (each for name, each in tokens.clients.items() if name == "kaskela-reader")
    elsewhere = replace(tokens, address="https://elsewhere.invalid/fhir")
    earlier = replace(tokens, clock=SetClock(tokens.clock.now() - timedelta(seconds=LIFE_SECONDS)))
    wider = Scopes.read(["system/Consent.r", "system/Bundle.c"])
    issued = [each.issue(client, wider, None) for each in (tokens, elsewhere, earlier)]

    known, *unknown = (tokens.caller(each, None) for each in issued)

    assert known is not None
    assert (str(known.scopes), unknown) == ("system/Consent.r", [None, None])


def test_a_token_asked_for_with_a_certificate_is_bound_to_it(adapter: Served) -> None:
    """A stolen one does not work over another connection. RFC 8705 section 3."""
    token = bearer(asked(adapter, "kaskela-reader", scope="system/Consent.r", headers=OTHER))

    alone = adapter.get("/fhir/Consent/none", **token)
    with_it = adapter.get("/fhir/Consent/none", **token, **OTHER)

    assert (alone.status_code, with_it.status_code) == (401, 404)


OTHER = {"Client-Cert": f":{base64.b64encode(b'another certificate').decode()}:"}


def test_a_certificate_alone_names_its_organisation(adapter: Served) -> None:
    """Havuniemi's certificate, said by the proxy, opens its doors without a token."""
    assert adapter.get("/fhir/Consent/none", **SHOWN).status_code == 404


def test_a_certificate_nobody_registered_names_nobody(adapter: Served) -> None:
    """It is no proof of anything."""
    assert adapter.get("/fhir/Consent/none", **OTHER).status_code == 401


def test_a3_a_token_over_another_organisations_certificate_is_refused(adapter: Served) -> None:
    """Tuulilahti's token does not work over Havuniemi's connection."""
    answer = adapter.get("/fhir/Consent/none", **adapter.headers("tuulilahti"), **SHOWN)

    assert answer.status_code == 401
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "AC108"


# -- key sets ----------------------------------------------------------------------------------------------

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class KeyServer:
    """A client's JWKS address on loopback: answers what it is told to, and counts."""

    def __init__(self) -> None:
        self.status, self.body, self.cache = 200, keys.jwks(keys.EC), "max-age=600"
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                self.send_response(outer.status)
                self.send_header("Cache-Control", outer.cache)
                body = json.dumps(outer.body).encode()
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.client = Client(
            id="ehr",
            organisation="urn:uuid:1",
            scopes=EVERYTHING,
            key_address=f"http://127.0.0.1:{self.server.server_port}/keys.json",
        )


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    served = KeyServer()
    thread = threading.Thread(target=served.server.serve_forever)
    thread.start()
    yield served
    served.server.shutdown()
    thread.join()
    served.server.server_close()


@contextmanager
def looking(served: KeyServer) -> Iterator[Any]:
    """Yield a function that asks for the keys at a moment after NOW."""
    with asyncio.Runner() as runner:
        transport = HttpTransport()
        key_sets = KeySets(transport)

        def look(kid: str = "ec-1", after: float = 0.0) -> list[str]:
            found = runner.run(key_sets.keys(served.client, kid, NOW + timedelta(seconds=after)))
            return [str(key.kid) for key in found]

        yield look
        runner.run(transport.aclose())


def test_keys_are_kept_as_long_as_their_server_says(key_server: KeyServer) -> None:
    """Ten minutes by max-age; then they are asked for again."""
    with looking(key_server) as look:
        for after in (0, 300, 599, 601):
            look(after=after)

    assert key_server.asked == 2


@pytest.mark.parametrize("cache", ["no-store", "no-cache, max-age=600", "max-age=0"])
def test_keys_not_to_be_kept_are_fetched_each_time(key_server: KeyServer, cache: str) -> None:
    """Cache-Control is kept to the letter."""
    key_server.cache = cache
    with looking(key_server) as look:
        look()
        look(after=1)

    assert key_server.asked == 2


def test_a_new_key_is_found_without_waiting(key_server: KeyServer) -> None:
    """A key that the client has begun to use is fetched as soon as an assertion names it."""
    with looking(key_server) as look:
        look()
        key_server.body = keys.jwks(keys.EC, keys.RSA)

        assert look("rsa-1", after=61) == ["ec-1", "rsa-1"]


def test_invented_key_names_do_not_make_us_ask(key_server: KeyServer) -> None:
    """A hundred unknown names in a minute are one look at the client's server."""
    with looking(key_server) as look:
        for number in range(100):
            look(f"invented-{number}", after=number / 2)

    assert key_server.asked == 1


@pytest.mark.parametrize(("status", "body"), [(500, {}), (302, {}), (200, {}), (200, {"keys": []})])
def test_keys_that_cannot_be_fetched_stop_nobody_for_good(
    key_server: KeyServer, status: int, body: dict[str, Any]
) -> None:
    """The caller is told to come again; nothing old is used instead."""
    key_server.status, key_server.body = status, body
    with looking(key_server) as look, pytest.raises(TransientDelivery, match="AC118"):
        look()


@pytest.mark.parametrize(
    "json",
    [
        None,
        [],
        {"keys": {}},
        {"keys": ["text"]},
        {"keys": [keys.EC.as_dict(private=True)]},
        {"keys": [{"kty": "oct", "k": "AAAA", "kid": "1"}]},
        {"keys": [{"kty": "EC", "crv": "P-384", "kid": "1", "x": "AA", "y": "AA"}]},
        {"keys": [keys.EC.as_dict(private=False)] * 33},
        {"keys": [{**keys.EC.as_dict(private=False), "use": "enc"}]},
    ],
)
def test_what_is_no_key_set_for_signing_is_refused(json: Any) -> None:
    """Private and symmetric keys above all: whoever published them has lost them."""
    from adapter.errors import Malformed

    with pytest.raises(Malformed, match="AC120"):
        read_keys(json)
