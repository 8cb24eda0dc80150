"""The client certificate that a caller has shown to a reverse proxy, as the proxy says it.

The header is believed from the addresses of the deployment's own proxies and from nobody else; from others it
is passed over, as if it were not there. Two ways to write it are read: `Client-Cert` with the certificate in
base64 between colons (RFC 9440), and the percent-encoded PEM that proxies made before it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ssl
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TYPE_CHECKING
from urllib.parse import unquote

from adapter.errors import NotPermitted

if TYPE_CHECKING:
    from starlette.requests import Request

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of a deployment, and the header they use."""

    networks: tuple[Network, ...]
    header: str = "client-cert"

    def thumbprint(self, request: Request) -> str | None:
        """Return the SHA-256 of the caller's certificate, hex; None if no proxy of ours says one.

        Raises NotPermitted (AC109) if one of our proxies says something that is no certificate.
        """
        said = request.headers.getlist(self.header)
        if not said or request.client is None or not self._is_ours(request.client.host):
            return None
        if len(said) > 1:
            raise NotPermitted("AC109")
        return hashlib.sha256(_der(said[0])).hexdigest() if said[0] else None

    def _is_ours(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self.networks)


def _der(text: str) -> bytes:
    """Return the certificate in DER. Raises NotPermitted (AC109)."""
    try:
        if text.startswith(":"):
            return base64.b64decode(text.strip(":"), validate=True)
        return ssl.PEM_cert_to_DER_cert(unquote(text))
    except (ValueError, binascii.Error):
        raise NotPermitted("AC109") from None
