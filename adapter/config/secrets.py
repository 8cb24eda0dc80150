"""Secrets: from files and the environment, never from the settings file itself."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from adapter.outcome import Issue
from adapter.relay import webhook
from adapter.server.access import HASH_PREFIX, RIGHTS, Caller, Credential, Role
from adapter.server.password import is_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from adapter.config.document import Document

KEY_BYTES = 32
"""Length of the store's master key."""


def key_of(text: str) -> bytes | None:
    """Return the master key of a file's text, 32 bytes in hex; None if it is none."""
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None


class Secrets:
    """Reads the secrets that a settings file names."""

    def __init__(self, document: Document, *, is_production: bool) -> None:
        self._document = document
        self._is_production = is_production

    def credentials(self, lists: Mapping[str, list[dict[str, Any]]]) -> Iterator[Credential]:
        """Yield the static credentials of every organisation and operator."""
        for number, one in enumerate(lists["organisation"], 1):
            if one["id"] is not None:
                caller = Caller(role=Role.ORGANISATION, name=one["id"])
                yield from self._tokens(one, f"organisation[{number}]", caller)
        for number, one in enumerate(lists["operator"], 1):
            if one["name"] is not None:
                rights = frozenset(right for role in one["roles"] for right in RIGHTS[role])
                caller = Caller(role=Role.OPERATOR, name=one["name"], rights=rights)
                yield from self._tokens(one, f"operator[{number}]", caller)

    def _tokens(self, one: Mapping[str, Any], at: str, caller: Caller) -> Iterator[Credential]:
        text = self._secret(one, at, "token", is_required=caller.role is Role.OPERATOR)
        for digest in self._digests(text, at):
            yield Credential(digest=digest, caller=caller)

    def _digests(self, text: str | None, at: str) -> Iterator[str]:
        """Yield the hashes of a token file: lines `sha256:` and 64 hex digits; # begins a comment."""
        for line in (text or "").splitlines():
            line = line.partition("#")[0].strip()
            if not line:
                continue
            hexadecimal = line.removeprefix(HASH_PREFIX).lower()
            if not line.startswith(HASH_PREFIX) or not re.fullmatch(r"[0-9a-f]{64}", hexadecimal):
                self._document.fault("CF112", f"{at}.token_file")
                return
            yield hexadecimal

    def plain(self, one: Mapping[str, Any], at: str, kind: str = "token") -> str | None:
        """Return a secret that we have to show others, None if none is named."""
        text = self._secret(one, at, kind, is_private=True)
        return text.strip() or None if text else None

    def signing_keys(self, one: Mapping[str, Any], at: str) -> tuple[bytes, ...]:
        """Return the keys of a webhook, a line each, the newest first; none after a fault."""
        text = self._secret(one, at, "signing_key", is_required=True, is_private=True)
        if text is None:
            return ()
        try:
            keys = tuple(webhook.read_key(line) for line in text.split())
        except ValueError:
            keys = ()
        if not 1 <= len(keys) <= webhook.MOST_KEYS:
            self._document.fault("CF156", f"{at}.signing_key_file", most=webhook.MOST_KEYS)
            return ()
        return keys

    def password(self, one: Mapping[str, Any], at: str) -> str | None:
        """Return the line that a person's password is kept as, None after a fault."""
        text = self._secret(one, at, "password", is_required=True, is_private=True)
        if text is None:
            return None
        if not is_line(text.strip()):
            self._document.fault("CF164", f"{at}.password_file")
            return None
        return text.strip()

    def store_key(self, one: Mapping[str, Any]) -> bytes | None:
        """Return the master key of the store, None after a fault."""
        text = self._secret(one, "store", "key", is_required=True, is_private=True)
        if text is None:
            return None
        key = key_of(text)
        if key is None:
            self._document.fault("CF119", "store.key_file", bytes=KEY_BYTES)
        return key

    def _secret(
        self,
        one: Mapping[str, Any],
        at: str,
        kind: str,
        *,
        is_required: bool = False,
        is_private: bool = False,
    ) -> str | None:
        """Read `{kind}_file` or `{kind}_env`. `is_private`: nobody else may be able to read the file."""
        name, variable = one[f"{kind}_file"], one[f"{kind}_env"]
        if name is not None and variable is not None:
            self._document.fault("CF116", f"{at}.{kind}_file", kind=kind)
        elif name is not None:
            return self._file(name, f"{at}.{kind}_file", is_private=is_private)
        elif variable is not None:
            found = os.environ.get(variable)
            if not found:
                self._document.fault("CF121", f"{at}.{kind}_env", variable=variable)
            return found
        elif is_required:
            self._document.fault("CF105", f"{at}.{kind}_file", key=f"{kind}_file")
        return None

    def _file(self, name: str, at: str, *, is_private: bool) -> str | None:
        path = self._document.resolve(name)
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            self._document.fault("CF110", at, path=name)
            return None
        if is_private and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            self._open_to_others(name, at)
        return text

    def _open_to_others(self, name: str, at: str) -> None:
        """A secret others can read stops a production deployment, and is said in a test one."""
        if self._is_production:
            self._document.fault("CF111", at, path=name)
        else:
            self._document.warnings.append(Issue("CF111", at, {"path": name}, level="warning"))
