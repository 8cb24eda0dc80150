"""Passwords of people: kept as one line that tells nobody what they are, and that is slow to guess.

scrypt of the standard library: 32 MiB and a fifth of a second for each guess. Every line has the same cost,
so that the time of an answer does not tell whether a name is known. RFC 7914; OWASP Password Storage (N=2^15,
r=8, p=3).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import unicodedata

SHORTEST = 12
"""Characters. NIST SP 800-63B asks for 8 and no composition rules; there is no second factor here."""
LONGEST = 256
BLOCK, RATIO, LANES = 15, 8, 3
"""Binary logarithm of N, then r and p."""
_MEMORY = 2**26
_LINE = re.compile(rf"scrypt:{BLOCK}:{RATIO}:{LANES}:([A-Za-z0-9+/=]{{24}}):([A-Za-z0-9+/=]{{44}})")


def line_of(password: str) -> str:
    """Return the line of a password file for a password; another one each time."""
    salt = secrets.token_bytes(16)
    parts = (base64.b64encode(each).decode() for each in (salt, _scrypt(password, salt)))
    return f"scrypt:{BLOCK}:{RATIO}:{LANES}:{':'.join(parts)}"


def is_line(line: str) -> bool:
    """Return True for a line that `line_of` could have made."""
    return _parts(line) is not None


def fits(password: str, line: str) -> bool:
    """Return True if it is the password of the line. Takes its time, whatever the answer."""
    parts = _parts(line)
    if parts is None or len(password) > LONGEST:
        parts, password = _parts(_NOBODYS), password[:LONGEST] + "\0"
    assert parts is not None  # noqa: S101 - of a line of ours
    salt, kept = parts
    return hmac.compare_digest(_scrypt(password, salt), kept)


def is_long_enough(password: str) -> bool:
    """Return True for a password of a length that may be set."""
    return SHORTEST <= len(unicodedata.normalize("NFKC", password)) <= LONGEST


def _parts(line: str) -> tuple[bytes, bytes] | None:
    match = _LINE.fullmatch(line)
    try:
        return (base64.b64decode(match[1]), base64.b64decode(match[2])) if match else None
    except (binascii.Error, ValueError):
        return None


def _scrypt(password: str, salt: bytes) -> bytes:
    """NFKC, so that a keyboard that writes ä in two parts opens the same door."""
    typed = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(typed, salt=salt, n=2**BLOCK, r=RATIO, p=LANES, maxmem=_MEMORY, dklen=32)


_NOBODYS = f"scrypt:{BLOCK}:{RATIO}:{LANES}:{'A' * 22}==:{'A' * 43}="
NOBODYS = _NOBODYS
"""A line that no password fits: what is looked at for a name that nobody has."""
