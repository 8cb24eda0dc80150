"""A client of SMART Backend Services: a program of an organisation that proves itself with a key.

What it may ever ask for and where its public keys stand is registered in the settings. SMART App Launch
2.2.0, backend-services, "Register SMART Backend Service".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from adapter.errors import Malformed

if TYPE_CHECKING:
    from joserfc.jwk import Key

    from adapter.server.scope import Scopes

SHORTEST_RSA = 2048
"""Bits."""
CURVE = "P-384"
"""The curve of ES384."""
MOST_KEYS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One registered client."""

    id: str
    organisation: str
    """For whom it speaks."""
    scopes: Scopes
    """The most it may be granted."""
    keys: tuple[Key, ...] = ()
    """Its public keys, where they stand in a file."""
    key_address: str | None = None
    """Its JWKS, where it is fetched."""


def read_keys(json: Any) -> tuple[Key, ...]:  # noqa: ANN401  (any JSON value)
    """Return the public keys of a JWKS that can sign an assertion. RFC 7517.

    A key of another kind is passed over. Raises Malformed (AC120) for what is no JWKS, or holds no usable
    key, or a private or symmetric one: that has been told to somebody it was not for.
    """
    listed = json.get("keys") if isinstance(json, dict) else None
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise Malformed("AC120")
    if any(not isinstance(one, dict) or "d" in one or one.get("kty") == "oct" for one in listed):
        raise Malformed("AC120")
    try:
        keys = KeySet.import_key_set({"keys": [one for one in listed if one.get("kty") in ("RSA", "EC")]})
    except (JoseError, ValueError, TypeError, KeyError):
        raise Malformed("AC120") from None
    usable = tuple(key for key in keys.keys if _is_usable(key))
    if not usable:
        raise Malformed("AC120")
    return usable


def _is_usable(key: Key) -> bool:
    if not key.kid or key.get("use", "sig") != "sig":
        return False
    if isinstance(key, RSAKey):
        return key.public_key.key_size >= SHORTEST_RSA
    return isinstance(key, ECKey) and key.curve_name == CURVE
