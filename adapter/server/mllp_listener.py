"""Where HL7 v2 is taken over MLLP: the address, who may call, and the certificate shown to them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING

from adapter.errors import ConfigurationError

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One MLLP listener: whose messages it takes, and from where."""

    host: str
    port: int
    source: str
    allow: tuple[IPv4Network | IPv6Network, ...]
    """Networks callers may come from."""
    certificate: Path | None = None
    """PEM, with its chain; None: without TLS."""
    key: Path | None = field(default=None, repr=False)
    client_authority: Path | None = None
    """PEM of who signs the callers' certificates; None: none is asked for."""

    def context(self) -> ssl.SSLContext | None:
        """Return the TLS settings, None without TLS.

        Raises ConfigurationError (CF126) for certificates that cannot be used.
        """
        if self.certificate is None:
            return None
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            made.load_cert_chain(self.certificate, self.key)
            if self.client_authority is not None:
                made.verify_mode = ssl.CERT_REQUIRED
                made.load_verify_locations(self.client_authority)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigurationError("CF126", at="mllp.certificate_file") from error
        return made

    def is_allowed(self, host: str) -> bool:
        """Return True if a caller may come from this address."""
        address = ip_address(host.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self.allow)
