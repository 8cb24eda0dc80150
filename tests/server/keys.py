"""Keys and assertions of invented clients, made afresh for each run of the tests."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey, RSAKey

if TYPE_CHECKING:
    from datetime import datetime

    from joserfc.jwk import Key

EC = ECKey.generate_key("P-384", {"kid": "ec-1", "use": "sig"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})
STRANGER = ECKey.generate_key("P-384", {"kid": "ec-1", "use": "sig"})
"""Another key under a known name."""
CERTIFICATE = b"not a certificate that anybody issued, but bytes that stand for one"
THUMBPRINT = hashlib.sha256(CERTIFICATE).hexdigest()


def jwks(*keys: Key) -> dict[str, Any]:
    """Return the public halves as a key set."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


def assertion(
    client: str,
    audience: str,
    now: datetime,
    *,
    key: Key = EC,
    header: dict[str, Any] | None = None,
    **claims: Any,
) -> str:
    """Return a signed assertion; `claims` and `header` change it, and None takes a member out."""
    said = {
        "iss": client,
        "sub": client,
        "aud": audience,
        "exp": int(now.timestamp()) + 240,
        "jti": str(uuid.uuid4()),
    } | claims
    head = {"alg": "RS384" if key is RSA else "ES384", "kid": key.kid, "typ": "JWT"} | (header or {})
    return ".".join((signed := f"{_part(head)}.{_part(said)}", _in_base64(_signature(key, signed.encode()))))


def unsigned_header() -> str:
    """Return the header of a token that claims to need no signature."""
    return _part({"alg": "none", "typ": "at+jwt"})


def _part(members: dict[str, Any]) -> str:
    return _in_base64(
        json.dumps({name: value for name, value in members.items() if value is not None}).encode()
    )


def _signature(key: Key, data: bytes) -> bytes:
    """Sign as RFC 7518 sections 3.3 and 3.4 have it, by hand: a library would refuse to make wrong ones."""
    if isinstance(key, RSAKey):
        return key.private_key.sign(data, padding.PKCS1v15(), hashes.SHA384())
    r, s = decode_dss_signature(key.private_key.sign(data, ec.ECDSA(hashes.SHA384())))
    return r.to_bytes(48, "big") + s.to_bytes(48, "big")


def _in_base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
