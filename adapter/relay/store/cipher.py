"""Keys and envelopes: what keeps a copied or stolen database closed.

One master key, which the database never holds, gives by HKDF one key per purpose. Every message (and every
consent version, every conflicting submission) has a random key of its own, wrapped by the master's; its
payloads are sealed with AES-256-GCM, bound to the owner and the part by the associated data, so that no
ciphertext can be moved to another place. Destroying the wrapped key forgets the content wherever a copy of
the ciphertext lies. NIST SP 800-38D (GCM), RFC 5869 (HKDF).
"""

from __future__ import annotations

import hashlib
import hmac
import os
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from adapter.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_LENGTH = 32
_NONCE_LENGTH = 12
OPENED = 512
"""Envelopes that stay open: what is under way opens each of its own several times."""


def owner_of(message: str) -> str:
    """Return the name under which a message's content is sealed."""
    return f"message/{message}"


def derive(master: bytes, purpose: str) -> bytes:
    """Return the key, 32 bytes, that the master key has for one purpose."""
    return HKDF(algorithm=SHA256(), length=KEY_LENGTH, salt=None, info=f"silta/1/{purpose}".encode()).derive(
        master
    )


class Vault:
    """The keys of one store, derived from its master key; some go on under the next master (`heir`).

    Raises ConfigurationError ST105 if `master` is not 32 bytes.
    """

    HEIRLOOMS = ("keyring/audit", "keyring/fingerprint", "keyring/subject")
    """Owners, as the database names them, of the keys that outlive the master they were derived from."""

    def __init__(self, master: bytes) -> None:
        if len(master) != KEY_LENGTH:
            raise ConfigurationError("ST105", params={"length": len(master), "needed": KEY_LENGTH})
        self._wrap = AESGCM(derive(master, "wrap"))
        self._lasting = {owner: derive(master, owner.removeprefix("keyring/")) for owner in self.HEIRLOOMS}
        self._opened = lru_cache(maxsize=OPENED)(self._open)
        self.name = hmac.digest(derive(master, "name"), b"silta", "sha256").hex()[:16]
        """Names the master key without telling anything of it."""

    def __repr__(self) -> str:
        return f"Vault({self.name})"

    @property
    def audit(self) -> bytes:
        """Key of the audit chain: without it nobody can write a row that fits."""
        return self._lasting["keyring/audit"]

    def heir(self, master: bytes) -> Vault:
        """Return the vault of another master that reads and continues what was made with this one."""
        heir = Vault(master)
        heir._lasting = dict(self._lasting)
        return heir

    def inherit(self, heirlooms: Mapping[str, bytes]) -> None:
        """Take over the keys of an earlier master, by owner, wrapped by this one. Raises StoreError ST107."""
        self._lasting |= {owner: self.unwrapped(owner, wrapped) for owner, wrapped in heirlooms.items()}

    def heirlooms(self) -> dict[str, bytes]:
        """Return the keys that outlive a master, by owner, wrapped by this one."""
        return {owner: self.wrapped(owner, key) for owner, key in self._lasting.items()}

    def subject(self, system: str, value: str) -> str:
        """Return the keyed hash (hex) under which a patient's deliveries and consents are found."""
        return _keyed(self._lasting["keyring/subject"], system.encode(), value.encode())

    def fingerprint(self, *parts: bytes) -> str:
        """Return a keyed hash (hex) of content: it tells equal from different, and nothing to others."""
        return _keyed(self._lasting["keyring/fingerprint"], *parts)

    def new_key(self, owner: str) -> tuple[Envelope, bytes]:
        """Return a fresh envelope for `owner`, and its key wrapped, as the database keeps it."""
        key = os.urandom(KEY_LENGTH)
        return Envelope(owner, key), self.wrapped(owner, key)

    def wrapped(self, owner: str, key: bytes) -> bytes:
        """Return the key of `owner` as the database keeps it."""
        nonce = os.urandom(_NONCE_LENGTH)
        return nonce + self._wrap.encrypt(nonce, key, _bound("key", owner))

    def envelope(self, owner: str, wrapped: bytes) -> Envelope:
        """Return the envelope of `owner`, opened now or before. Raises StoreError ST107, see `unwrapped`."""
        return self._opened(owner, wrapped)

    def _open(self, owner: str, wrapped: bytes) -> Envelope:
        return Envelope(owner, self.unwrapped(owner, wrapped))

    @property
    def open_envelopes(self) -> int:
        """How many envelopes stay open."""
        return self._opened.cache_info().currsize

    def forget(self) -> None:
        """Let go of the envelopes that were opened: keys of theirs may have been destroyed."""
        self._opened.cache_clear()

    def unwrapped(self, owner: str, wrapped: bytes) -> bytes:
        """Open the wrapped key of `owner`.

        Raises StoreError ST107 if it was not wrapped by this master key for this owner.
        """
        nonce, sealed = wrapped[:_NONCE_LENGTH], wrapped[_NONCE_LENGTH:]
        try:
            return self._wrap.decrypt(nonce, sealed, _bound("key", owner))
        except (InvalidTag, ValueError) as exc:
            raise StoreError("ST107", params={"owner": owner, "part": "key"}) from exc


class Envelope:
    """The sealed payloads of one owner."""

    def __init__(self, owner: str, key: bytes) -> None:
        self.owner = owner
        self._key = AESGCM(key)

    def __repr__(self) -> str:
        return f"Envelope({self.owner})"

    def seal(self, part: str, clear: bytes) -> bytes:
        """Return `clear` sealed for this owner and part."""
        nonce = os.urandom(_NONCE_LENGTH)
        return nonce + self._key.encrypt(nonce, clear, _bound(part, self.owner))

    def open(self, part: str, sealed: bytes) -> bytes:
        """Return the clear bytes.

        Raises StoreError ST107 if they were changed, or sealed for another owner or part.
        """
        try:
            return self._key.decrypt(sealed[:_NONCE_LENGTH], sealed[_NONCE_LENGTH:], _bound(part, self.owner))
        except (InvalidTag, ValueError) as exc:
            raise StoreError("ST107", params={"owner": self.owner, "part": part}) from exc


def _bound(part: str, owner: str) -> bytes:
    return f"{len(part)}:{part}{owner}".encode()


def _keyed(key: bytes, *parts: bytes) -> str:
    """HMAC-SHA256 over the parts, each with its length, so that no two lists of parts look the same."""
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        mac.update(len(part).to_bytes(8, "big"))
        mac.update(part)
    return mac.hexdigest()
