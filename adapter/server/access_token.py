"""The short-lived tokens this adapter issues, and how it knows them again.

A token is a JWT under a key derived from the deployment's master key: every node of the deployment knows it,
and none has to look it up. It says which client it is for; a client that is no longer registered has no token
that works. RFC 9068 in its claims, RFC 8705 section 3.1 for the certificate it may be bound to.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from adapter.relay.store.cipher import derive
from adapter.server.access import Caller, Role
from adapter.server.scope import Scopes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter.relay.clock import Clock
    from adapter.server.client import Client

LIFE_SECONDS = 300
"""SMART App Launch 2.2.0, backend-services: at most five minutes."""
_ALGORITHM = "HS256"
_TYPE = "at+jwt"


@dataclass(frozen=True, slots=True)
class AccessTokens:
    """Issues tokens, and knows them: `adapter.server.access.Tokens`."""

    key: OctKey
    address: str
    """Of the FHIR doors: what the tokens are for."""
    clients: Mapping[str, Client]
    clock: Clock

    @classmethod
    def under(cls, master: bytes, address: str, clients: Mapping[str, Client], clock: Clock) -> AccessTokens:
        """Return the issuer whose key comes from the master key, 32 bytes."""
        return cls(OctKey.import_key(derive(master, "access-token")), address, clients, clock)

    def issue(self, client: Client, scopes: Scopes, certificate: str | None) -> str:
        """Return a token for `client`; bound to the certificate it was asked for over, if to any."""
        now = int(self.clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": self.address,
            "aud": self.address,
            "sub": client.id,
            "scope": str(scopes),
            "iat": now,
            "exp": now + LIFE_SECONDS,
        }
        if certificate is not None:
            claims["cnf"] = {"x5t#S256": _in_base64(certificate)}
        return jwt.encode({"alg": _ALGORITHM, "typ": _TYPE}, claims, self.key, algorithms=[_ALGORITHM])

    def caller(self, token: str, certificate: str | None) -> Caller | None:
        """Return whose token it is.

        None for one that is not ours, is over, or is bound to a certificate that the caller has not shown.
        """
        try:
            read = jwt.decode(token.encode("ascii"), self.key, algorithms=[_ALGORITHM])
        except (JoseError, ValueError, UnicodeEncodeError):
            return None
        claims = read.claims
        client = self.clients.get(claims["sub"])
        if read.header.get("typ") != _TYPE or claims["aud"] != self.address or client is None:
            return None
        if not self.clock.now().timestamp() < claims["exp"] or not _is_bound(claims, certificate):
            return None
        scopes = Scopes.read(claims["scope"].split()).within(client.scopes)
        return Caller(role=Role.ORGANISATION, name=client.organisation, scopes=scopes)


def _is_bound(claims: Mapping[str, Any], certificate: str | None) -> bool:
    """Return True if the token is bound to no certificate, or to this one."""
    bound = claims.get("cnf")
    return bound is None or (certificate is not None and bound["x5t#S256"] == _in_base64(certificate))


def _in_base64(thumbprint: str) -> str:
    """Return a hash in hex as base64url without padding."""
    return base64.urlsafe_b64encode(bytes.fromhex(thumbprint)).rstrip(b"=").decode("ascii")
