"""Who has signed in: a secret in a cookie of the browser, its hash in the store, and what proves a form ours.

The cookie is `__Host-`, Secure, HttpOnly and SameSite=Strict, always: browsers take a Secure cookie from
`http://127.0.0.1` and `http://localhost` too, so that no exception is needed to try it out. A form carries a
token that only a page made for this secret can know; and the browser itself says that the request is of our
own origin (Sec-Fetch-Site, or Origin where it says none).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from adapter.errors import NotPermitted
from adapter.relay.store.values import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from adapter.outcome import Language
    from adapter.relay.deployment import Relay
    from adapter.server.user import User, Users

COOKIE = "__Host-silta-session"
ENTRY = "__Host-silta-entry"
"""Cookie of somebody who has not signed in: what the sign-in form belongs to."""
IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=8)
SEEN_EVERY = timedelta(minutes=1)
"""How exactly it is kept when a session was last used."""
GUESSES = 5
GUESSES_WITHIN = timedelta(minutes=15)
"""How many passwords may be tried for one name, and within what time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Somebody behind a session that stands."""

    user: User
    session: str
    """Its id in the store."""
    language: Language
    secret: str = field(repr=False)

    @property
    def token(self) -> str:
        """What a form of theirs carries."""
        return token_of(self.secret)


def new_secret() -> str:
    """Return a fresh secret: 256 bits of chance."""
    return secrets.token_urlsafe(32)


def id_of(secret: str) -> str:
    """Return the id by which the store knows a session."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def token_of(secret: str) -> str:
    """Return the token that proves that a form was made for the holder of a secret."""
    return hmac.new(secret.encode("utf-8", "surrogateescape"), b"form", hashlib.sha256).hexdigest()


def begin(user: User, language: Language, guessed: str, relay: Relay) -> str:
    """Begin a session and return its secret; a browser's earlier one is not carried on."""
    secret, now = new_secret(), relay.clock.now()
    relay.store.begin_session(
        Session(
            id=id_of(secret),
            person=user.actor,
            proof=user.proof,
            language=language,
            began_at=now,
            seen_at=now,
        ),
        idle=IDLE,
        longest=LONGEST,
        guessed=guessed,
    )
    return secret


def find(secret: str, users: Users, relay: Relay) -> SignedIn | None:
    """Return who is behind a secret; None if nobody is, or no longer, or with another password by now."""
    session, now = relay.store.session(id_of(secret)), relay.clock.now()
    if session is None or now - session.seen_at >= IDLE or now - session.began_at >= LONGEST:
        return None
    user = users.acting(session.person)
    if user is None or not hmac.compare_digest(user.proof, session.proof):
        return None
    if now - session.seen_at >= SEEN_EVERY:
        relay.store.see_session(session.id)
    language: Language = "sv" if session.language == "sv" else "en" if session.language == "en" else "fi"
    return SignedIn(user=user, session=session.id, language=language, secret=secret)


def set_cookie(response: Response, name: str, value: str) -> None:
    """Give the browser a secret, for as long as it runs."""
    response.set_cookie(name, value, path="/", secure=True, httponly=True, samesite="strict")


def drop_cookie(response: Response, name: str) -> None:
    """Take it from the browser again."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="strict")


def see_to_origin(request: Request, origin: str) -> None:
    """Raise NotPermitted (RF104) unless the browser says that our own page sent the request.

    `origin`: scheme and host under which people reach us. W3C Fetch Metadata; RFC 6454.
    """
    said = request.headers.get("sec-fetch-site")
    is_ours = said == "same-origin" if said is not None else request.headers.get("origin") == origin
    if not is_ours:
        raise NotPermitted("RF104")


def see_to_token(given: Mapping[str, str], secret: str | None) -> None:
    """Raise NotPermitted (RF104) unless the form was made for the holder of the secret."""
    shown = given.get("token", "").encode("utf-8", "surrogateescape")
    if secret is None or not hmac.compare_digest(shown, token_of(secret).encode()):
        raise NotPermitted("RF104")
