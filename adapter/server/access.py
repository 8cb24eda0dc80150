"""Who is calling, and what they may do: organisations by token or certificate, operators by token.

The organisation comes from here and from nowhere else: no message says it. A static token is 256 bits of
chance, so one SHA-256 is enough to keep it; a slow hash would only protect a guessable one. Every known hash
is compared, each in constant time, so that the time of an answer does not tell how near a guess was.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from adapter.errors import NotPermitted
from adapter.server.scope import EVERYTHING, Scopes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HASH_PREFIX = "sha256:"
"""How a line of a token file begins that holds a hash."""
TOKEN_BYTES = 32


class Role(StrEnum):
    """What a caller is: organisations submit and acknowledge, operators look and act."""

    ORGANISATION = "organisation"
    OPERATOR = "operator"


class Right(StrEnum):
    """What an operator may do. Content is seen by one right alone."""

    LOOK = "look"
    """See messages, deliveries, attempts and findings: never content."""
    ACT = "act"
    """Resend and close deliveries."""
    ROUTE = "route"
    """Decide on what waits for a person: assign, decline, release."""
    CONSENT = "consent"
    """See, file and withdraw consents."""
    REVEAL = "reveal"
    """See content, with a reason, audited first."""
    AUDIT = "audit"
    """Read and verify the trail, and answer who got to know what."""
    ADMINISTER = "administer"
    """Change how the adapter runs."""


RIGHTS: Mapping[str, frozenset[Right]] = {
    "operator": frozenset({Right.LOOK, Right.ACT}),
    "coordinator": frozenset({Right.LOOK, Right.ROUTE, Right.CONSENT, Right.REVEAL}),
    "auditor": frozenset({Right.LOOK, Right.AUDIT}),
    "admin": frozenset({Right.LOOK, Right.ACT, Right.ADMINISTER}),
}
"""What each role of an operator may do; a person may have several. Who runs the machine sees no content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who has shown who they are."""

    role: Role
    name: str
    """Key of the organisation, or the operator's name."""
    scopes: Scopes = EVERYTHING
    """Of an organisation."""
    rights: frozenset[Right] = frozenset()
    """Of an operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One token we know, as its hash, and whose it is. A caller may have several while one is changed."""

    digest: str
    """SHA-256 of the token, hex."""
    caller: Caller


class Tokens(Protocol):
    """Short-lived tokens that were issued here."""

    def caller(self, token: str, certificate: str | None) -> Caller | None:
        """Return whose token it is; None for one that was not issued here or is over."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Everybody the deployment knows."""

    credentials: tuple[Credential, ...] = ()
    certificates: Mapping[str, str] = field(default_factory=dict)
    """Organisation by the SHA-256 of its client certificate, hex."""
    tokens: Tokens | None = None
    """Access tokens of SMART Backend Services; None where no client is registered."""

    @classmethod
    def of(cls, credentials: Iterable[Credential]) -> Access:
        """Return the access list of static tokens alone."""
        return cls(credentials=tuple(credentials))

    def caller(self, authorization: str | None, certificate: str | None = None) -> Caller:
        """Return who shows this `Authorization` header over a connection with this client certificate.

        `certificate`: SHA-256 of the certificate, hex, as a trusted proxy says it; None without one.
        Raises NotPermitted: AC101 without a bearer token or a certificate we know, AC102 for a token we do
        not know, AC108 if token and certificate are of two organisations. RFC 6750, RFC 8705.
        """
        holder = self.certificates.get(certificate) if certificate is not None else None
        scheme, _, token = (authorization or "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            if authorization is None and holder is not None:
                return Caller(role=Role.ORGANISATION, name=holder)
            raise NotPermitted("AC101")
        found = self._bearer(token, certificate)
        if found is None:
            raise NotPermitted("AC102")
        if holder is not None and found.role is Role.ORGANISATION and found.name != holder:
            raise NotPermitted("AC108")
        return found

    def _bearer(self, token: str, certificate: str | None) -> Caller | None:
        shown = digest(token)
        found = None
        for credential in self.credentials:
            if hmac.compare_digest(credential.digest, shown):
                found = credential.caller
        if found is None and self.tokens is not None:
            return self.tokens.caller(token, certificate)
        return found


def digest(token: str) -> str:
    """Return the SHA-256 of a token, hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def new_token() -> str:
    """Return a fresh token: 256 bits of chance, safe in a header and a file."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_line(token: str) -> str:
    """Return the line of a token file that stands for `token`."""
    return HASH_PREFIX + digest(token)
