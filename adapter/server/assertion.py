"""A client's signed assertion of who it is, judged: SMART App Launch 2.2.0, client-confidential-asymmetric.

Nothing is fetched and nothing remembered here: the keys and the time are handed in, and the caller asks the
store whether the assertion was used before. RFC 7523 section 3, RFC 7515 section 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from joserfc import jws, jwt
from joserfc.errors import JoseError

from adapter.errors import AdapterError, NotPermitted
from adapter.fhir import json as fhir_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from joserfc.jwk import Key

    from adapter.server.client import Client

ALGORITHMS = ("RS384", "ES384")
"""What SMART asks of clients; nothing else is taken, however a key may be called."""
LONGEST_LIFE = timedelta(minutes=5)
SKEW = timedelta(seconds=30)
"""How far the client's clock may be from ours."""
LONGEST = 16_384
"""Characters of an assertion."""
LONGEST_ID = 255
_HEADER = frozenset({"alg", "typ", "kid", "jku"})
"""Header members that are understood; `jwk`, `x5c` and `crit` would let the caller say how to be judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """What an assertion says of itself, before anybody has looked at the signature."""

    text: str
    client: str
    kid: str
    jku: str | None
    algorithm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """An assertion that holds, unless it was used before."""

    id: str
    until: datetime
    """Until when its id must be remembered."""


def read(text: str) -> Unproven:
    """Read what is needed to find the client and its key.

    Raises NotPermitted (AC113) for what is no signed JWT with `kid` and an algorithm of ours, or names the
    means to judge it by itself.
    """
    if len(text) > LONGEST:
        raise NotPermitted("AC113")
    try:
        parts = jws.extract_compact(text.encode("ascii"))
        header, claims = parts.headers(), fhir_json.read(parts.payload)
    except (JoseError, ValueError, AdapterError):
        raise NotPermitted("AC113") from None
    said = {name: header.get(name) for name in ("alg", "kid")}
    client = claims.get("iss") if isinstance(claims, dict) else None
    if set(header) - _HEADER or said["alg"] not in ALGORITHMS or header.get("typ", "JWT") != "JWT":
        raise NotPermitted("AC113")
    if not isinstance(said["kid"], str) or not isinstance(client, str):
        raise NotPermitted("AC113")
    return Unproven(
        text=text, client=client, kid=said["kid"], jku=header.get("jku"), algorithm=str(said["alg"])
    )


def check(said: Unproven, client: Client, keys: Sequence[Key], audience: str, now: datetime) -> Proven:
    """Judge an assertion by the keys that are registered for the client.

    `audience`: the address of our token endpoint. Raises NotPermitted: AC114 if no registered key has signed
    it, or it names another key set; AC115 for a claim that is missing or wrong, named in `claim`.
    """
    if said.jku is not None and said.jku != client.key_address:
        raise NotPermitted("AC114")
    claims = next((found for key in keys if (found := _signed_by(said, key)) is not None), None)
    if claims is None:
        raise NotPermitted("AC114")
    if claims.get("sub") != client.id:
        raise _wrong("sub")
    if audience not in _texts(claims.get("aud")):
        raise _wrong("aud")
    expires = _moment(claims, "exp")
    if expires is None or not now - SKEW < expires <= now + LONGEST_LIFE + SKEW:
        raise _wrong("exp")
    for name in ("nbf", "iat"):
        if name in claims and not _is_past(_moment(claims, name), now):
            raise _wrong(name)
    id = claims.get("jti")
    if not isinstance(id, str) or not 0 < len(id) <= LONGEST_ID:
        raise _wrong("jti")
    return Proven(id=id, until=expires + 2 * SKEW)


def _signed_by(said: Unproven, key: Key) -> Mapping[str, Any] | None:
    """Return the claims if `key` is the one named and has signed them."""
    if key.kid != said.kid:
        return None
    try:
        return jwt.decode(said.text, key, algorithms=[said.algorithm]).claims
    except (JoseError, ValueError):
        return None


def _texts(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _moment(claims: Mapping[str, Any], name: str) -> datetime | None:
    """Return a NumericDate as a time; None for anything else. RFC 7519 section 2."""
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _is_past(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now + SKEW


def _wrong(claim: str) -> NotPermitted:
    return NotPermitted("AC115", params={"claim": claim})
