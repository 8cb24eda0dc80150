"""Which addresses nothing is ever sent to, whoever wrote the name that led there.

Asked of the very address a connection is about to be made to, so that a name that leads elsewhere the second
time gains nothing. Private networks and this machine itself stay open: partners of a hospital live there,
and endpoints come from the deployment's own settings alone.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address."""


def is_usable(host: str) -> bool:
    """Return False for an address that no partner can have: link-local, multicast, unspecified, reserved.

    `host`: a literal, with or without a zone. Clouds keep their machines' credentials at a link-local
    address. An IPv4 address inside an IPv6 one (mapped, 6to4, NAT64) is asked as what it is.
    """
    address = _plain(ip_address(host.partition("%")[0]))
    return not (
        address.is_link_local or address.is_multicast or address.is_unspecified or _is_reserved(address)
    )


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_reserved(address: IPv4Address | IPv6Address) -> bool:
    """Return True for what no host has; `::1` lies in a block that Python calls reserved."""
    return address.is_reserved and not address.is_loopback
