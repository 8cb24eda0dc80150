"""Who is calling: bearer tokens, kept as hashes, each of one organisation or one operator.

The organisation comes from here and from nowhere else: no header, no message says it. A token is 256 bits of
chance, so one SHA-256 is enough to keep it; a slow hash would only protect a guessable one. Every known hash
is compared, each in constant time, so that the time of an answer does not tell how near a guess was.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from adapter.errors import NotPermitted

if TYPE_CHECKING:
    from collections.abc import Iterable

HASH_PREFIX = "sha256:"
"""How a line of a token file begins that holds a hash."""
TOKEN_BYTES = 32
SHORTEST_TOKEN = 32
"""Characters; a shorter one could be guessed."""


class Role(StrEnum):
    """What a caller may do: organisations submit and acknowledge, operators look and act."""

    ORGANISATION = "organisation"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who has shown a token we know."""

    role: Role
    name: str
    """Key of the organisation, or the operator's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One token we know, as its hash, and whose it is. A caller may have several while one is changed."""

    digest: str
    """SHA-256 of the token, hex."""
    caller: Caller


@dataclass(frozen=True, slots=True)
class Access:
    """Every credential of the deployment."""

    credentials: tuple[Credential, ...]

    @classmethod
    def of(cls, credentials: Iterable[Credential]) -> Access:
        """Return the access list of `credentials`."""
        return cls(tuple(credentials))

    def caller(self, authorization: str | None) -> Caller:
        """Return who shows this `Authorization` header.

        Raises NotPermitted: AC101 without a bearer token, AC102 for one we do not know. RFC 6750.
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise NotPermitted("AC101")
        shown = digest(token)
        found = None
        for credential in self.credentials:
            if hmac.compare_digest(credential.digest, shown):
                found = credential.caller
        if found is None:
            raise NotPermitted("AC102")
        return found

    def organisation(self, authorization: str | None) -> str:
        """Return the key of the calling organisation.

        Raises NotPermitted as `caller` does, and AC103 if the token is an operator's.
        """
        caller = self.caller(authorization)
        if caller.role is not Role.ORGANISATION:
            raise NotPermitted("AC103")
        return caller.name

    def operator(self, authorization: str | None) -> str:
        """Return the name of the calling operator.

        Raises NotPermitted as `caller` does, and AC104 if the token is an organisation's.
        """
        caller = self.caller(authorization)
        if caller.role is not Role.OPERATOR:
            raise NotPermitted("AC104")
        return caller.name


def digest(token: str) -> str:
    """Return the SHA-256 of a token, hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def new_token() -> str:
    """Return a fresh token: 256 bits of chance, safe in a header and a file."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_line(token: str) -> str:
    """Return the line of a token file that stands for `token`."""
    return HASH_PREFIX + digest(token)
