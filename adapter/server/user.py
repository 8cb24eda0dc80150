"""People of organisations whose systems take no messages: they read and answer on the reply form."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapter.server import password

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from adapter.outcome import Language


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One person's account."""

    sign_in: str
    """What they type as their user name, in lower case; stands in the audit."""
    name: str
    """For people."""
    organisation: str
    """Key of the organisation they read for."""
    language: Language
    password: str = field(repr=False)
    """Line of `password.line_of`."""

    @property
    def actor(self) -> str:
        """As the audit names them: never what an operator or an organisation is called."""
        return f"user/{self.sign_in}"

    @property
    def proof(self) -> str:
        """What changes when the password or the organisation does: a session that began before ends."""
        return hashlib.sha256(f"{self.password}\n{self.organisation}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Users:
    """Everybody who may sign in."""

    by_name: Mapping[str, User]

    @classmethod
    def of(cls, users: Iterable[User]) -> Users:
        """Return them by what they type."""
        return cls({user.sign_in: user for user in users})

    def known(self, name: str, typed: str) -> User | None:
        """Return whose name and password these are; None for either being wrong, after the same time."""
        user = self.by_name.get(name)
        is_right = password.fits(typed, user.password if user is not None else password.NOBODYS)
        return user if is_right else None

    def acting(self, actor: str) -> User | None:
        """Return the person that the audit names so, if there is one still."""
        return self.by_name.get(actor.removeprefix("user/"))

    def name_of(self, actor: str) -> str:
        """Return what people call somebody; the bare user name of one who is no longer here."""
        user = self.acting(actor)
        return user.name if user is not None else actor.removeprefix("user/")


def typed_name(text: str) -> str:
    """Return a user name as it is kept, from how it was typed."""
    return text.strip().casefold()[:200]
