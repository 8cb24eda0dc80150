"""Which wire an address is for: HTTP, MLLP, or a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.errors import RefusedDelivery
from adapter.relay.folder_transport import FolderTransport
from adapter.relay.mllp_transport import MllpTransport
from adapter.relay.transport import HttpTransport

if TYPE_CHECKING:
    from adapter.relay.transport import Inbound, Outbound, Transport


class Ways:
    """Every wire of a deployment; see `adapter.relay.transport.Transport`."""

    def __init__(self) -> None:
        http, mllp, folder = HttpTransport(), MllpTransport(), FolderTransport()
        self._by_scheme: dict[str, Transport] = {
            "http": http,
            "https": http,
            "mllp": mllp,
            "mllps": mllp,
            "file": folder,
        }
        self._all = (http, mllp, folder)

    async def send(self, request: Outbound) -> Inbound:
        """Carry `request` over the wire of its address. Raises DeliveryError as `Transport.send` says."""
        way = self._by_scheme.get(request.url.partition(":")[0])
        if way is None:
            raise RefusedDelivery("DL206")
        return await way.send(request)

    async def aclose(self) -> None:
        """Close every connection."""
        for each in self._all:
            await each.aclose()
