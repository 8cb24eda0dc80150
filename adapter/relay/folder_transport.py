"""The wire for receivers that read files: a copy appears in their folder whole, or not at all.

`file:///path/of/folder`. The file is written under a hidden name, brought to the disk, then renamed; a repeat
of the same delivery has the same name and takes the same place. It is named by the id of its header, which
says nothing about anybody.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from adapter.errors import RefusedDelivery, TransientDelivery
from adapter.relay.transport import Inbound

if TYPE_CHECKING:
    from adapter.relay.transport import Outbound

SCHEME = "file"
NO_CONTENT = 204
SUFFIX = {"x-application/hl7-v2+er7": ".hl7", "application/xml": ".xml", "text/xml": ".xml"}
"""By media type; anything else is JSON."""
_FRESH = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class FolderTransport:
    """Puts copies into folders; see `adapter.relay.transport.Transport`."""

    async def send(self, request: Outbound) -> Inbound:
        """Write `request.body` into the folder of its address, named by `X-Request-Id`.

        Raises RefusedDelivery (DL206 no folder there, DL209 it cannot be written), TransientDelivery (DL214
        the disk is full or fails): in each case no whole file has appeared.
        """
        parts = urlsplit(request.url)
        name = request.headers.get("X-Request-Id", "")
        folder = Path(unquote(parts.path))
        if parts.scheme != SCHEME or parts.netloc or not folder.is_absolute() or not _ID.fullmatch(name):
            raise RefusedDelivery("DL206")
        media_type = request.headers.get("Content-Type", "").partition(";")[0].strip()
        await asyncio.to_thread(_put, folder, name + SUFFIX.get(media_type, ".json"), request.body)
        return Inbound(status=NO_CONTENT, headers={}, body=b"")

    async def aclose(self) -> None:
        """Nothing is kept open."""


def _put(folder: Path, name: str, body: bytes) -> None:
    """Let the whole file appear at once, on the disk."""
    try:
        fresh = folder / f".{name}"
        with os.fdopen(os.open(fresh, _FRESH, 0o640), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(folder / name)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except FileNotFoundError as error:
        raise RefusedDelivery("DL206") from error
    except OSError as error:
        raise (TransientDelivery("DL214") if error.errno in _FULL else RefusedDelivery("DL209")) from error
