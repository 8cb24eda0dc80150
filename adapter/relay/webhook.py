"""Signed HTTP requests as Standard Webhooks has them: who sent it, when, and that nobody changed it.

The id is the same in every repeat of a copy, time and signature are of each request. Two keys may be in force
at once, so that a receiver can change to the new one while the old one is still signed with.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

KEY_PREFIX = "whsec_"
KEY_BYTES = range(24, 65)
"""How long a key may be. Standard Webhooks 1.0.0, "Signature scheme"."""
MOST_KEYS = 2


def read_key(text: str) -> bytes:
    """Read a signing key: `whsec_` and the key in base64.

    Raises ValueError if it is none, or too short or too long.
    """
    if not text.startswith(KEY_PREFIX):
        raise ValueError(KEY_PREFIX)
    try:
        key = base64.b64decode(text.removeprefix(KEY_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(KEY_PREFIX) from error
    if len(key) not in KEY_BYTES:
        raise ValueError(len(key))
    return key


def headers(id: str, at: datetime, body: bytes, keys: Iterable[bytes]) -> dict[str, str]:
    """Return the three headers of a request: one signature for each key, the newest first.

    Signed are id, time in whole seconds, and the bytes of the body as they go out.
    """
    moment = str(int(at.timestamp()))
    signed = b".".join((id.encode(), moment.encode(), body))
    signatures = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return {
        "webhook-id": id,
        "webhook-timestamp": moment,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(each).decode()}" for each in signatures),
    }
