"""Assertions of clients: one good form, and every way to get it wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import NotPermitted
from adapter.server import assertion
from adapter.server.client import Client
from adapter.server.scope import EVERYTHING
from tests.server import keys

if TYPE_CHECKING:
    from joserfc.jwk import Key

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TOKEN = "https://silta.hospital.example/fhir/oauth2/token"
CLIENT = Client(
    id="ehr", organisation="urn:uuid:1", scopes=EVERYTHING, key_address="https://ehr.example/keys.json"
)


def seconds(delta: timedelta) -> int:
    """Return a NumericDate that far from now."""
    return int((NOW + delta).timestamp())


def judged(text: str) -> str:
    """Return the id of an assertion that holds, else the code and claim it is refused with."""
    try:
        said = assertion.read(text)
        return assertion.check(said, CLIENT, (keys.EC, keys.RSA), TOKEN, NOW).id
    except NotPermitted as error:
        claim = error.issue.params.get("claim")
        return f"{error.code} {claim}" if claim else error.code


@pytest.mark.parametrize("key", [keys.EC, keys.RSA], ids=["ES384", "RS384"])
def test_both_algorithms_of_the_guide_are_taken(key: Key) -> None:
    """ES384 and RS384 with a registered key."""
    assert judged(keys.assertion("ehr", TOKEN, NOW, key=key, jti="the-id")) == "the-id"


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"aud": [TOKEN, "https://other.example"]}, "the-id"),
        ({"exp": seconds(timedelta(minutes=5))}, "the-id"),
        ({"iat": seconds(timedelta(0)), "nbf": seconds(timedelta(minutes=-1))}, "the-id"),
        ({"sub": "somebody-else"}, "AC115 sub"),
        ({"sub": None}, "AC115 sub"),
        ({"aud": "https://silta.hospital.example/fhir"}, "AC115 aud"),
        ({"aud": None}, "AC115 aud"),
        ({"exp": None}, "AC115 exp"),
        ({"exp": "soon"}, "AC115 exp"),
        ({"exp": True}, "AC115 exp"),
        ({"exp": 10**30}, "AC115 exp"),
        ({"exp": seconds(timedelta(minutes=6))}, "AC115 exp"),
        ({"exp": seconds(timedelta(minutes=-1))}, "AC115 exp"),
        ({"nbf": seconds(timedelta(minutes=2))}, "AC115 nbf"),
        ({"iat": seconds(timedelta(minutes=2))}, "AC115 iat"),
        ({"iat": "then"}, "AC115 iat"),
        ({"jti": None}, "AC115 jti"),
        ({"jti": ""}, "AC115 jti"),
        ({"jti": 7}, "AC115 jti"),
        ({"jti": "x" * 256}, "AC115 jti"),
        ({"iss": None}, "AC113"),
        ({"iss": 7}, "AC113"),
    ],
)
def test_a2_each_claim_is_asked_for(claims: dict[str, Any], said: str) -> None:
    """A claim that is missing, of another kind or out of its bounds is named."""
    assert judged(keys.assertion("ehr", TOKEN, NOW, **({"jti": "the-id"} | claims))) == said


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"jku": "https://ehr.example/keys.json"}, "the-id"),
        ({"typ": None}, "the-id"),
        ({"jku": "https://thief.example/keys.json"}, "AC114"),
        ({"kid": "unknown"}, "AC114"),
        ({"kid": None}, "AC113"),
        ({"typ": "at+jwt"}, "AC113"),
        ({"jwk": keys.jwks(keys.STRANGER)["keys"][0]}, "AC113"),
        ({"x5c": ["AAAA"]}, "AC113"),
        ({"crit": ["exp"]}, "AC113"),
    ],
)
def test_a2_the_header_cannot_say_how_to_be_judged(header: dict[str, Any], said: str) -> None:
    """Keys come from what is registered, whatever the header offers."""
    assert judged(keys.assertion("ehr", TOKEN, NOW, header=header, jti="the-id")) == said


def test_a_stranger_with_a_known_key_name_is_refused() -> None:
    """The name of a key is no proof; its signature is."""
    assert judged(keys.assertion("ehr", TOKEN, NOW, key=keys.STRANGER)) == "AC114"


@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS384", "RS256", "ES256", "PS384", "EdDSA"])
def test_a2_other_algorithms_are_refused(algorithm: str) -> None:
    """Whatever a token says of itself."""
    forged = keys.assertion("ehr", TOKEN, NOW, key=keys.RSA, header={"alg": algorithm})

    assert judged(forged) == "AC113"


def test_a2_an_unsigned_one_is_refused() -> None:
    """The signature cannot be left out either."""
    head, payload, _ = keys.assertion("ehr", TOKEN, NOW).split(".")

    assert judged(f"{head}.{payload}.") == "AC114"


@pytest.mark.parametrize(
    "text", ["", ".", "a.b", "a.b.c", "a.b.c.d.e", "é.é.é", "eyJhbGciOiJFUzM4NCJ9..", "x" * 20_000]
)
def test_what_is_no_jwt_is_refused(text: str) -> None:
    """Garbage is refused as garbage, never as a fault of ours."""
    assert judged(text) == "AC113"


def test_a_changed_byte_breaks_the_signature() -> None:
    """Nothing of the claims can be changed after signing."""
    head, payload, signature = keys.assertion("ehr", TOKEN, NOW).split(".")
    other = keys.assertion("ehr", TOKEN, NOW, jti="another").split(".")[1]

    assert judged(f"{head}.{other}.{signature}") == "AC114"
    assert payload != other
