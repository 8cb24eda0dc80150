"""Client certificates, as a proxy of ours says them."""

from __future__ import annotations

import base64
import ssl
from ipaddress import ip_network
from urllib.parse import quote

import pytest
from starlette.requests import Request

from adapter.errors import NotPermitted
from adapter.server.certificate import Proxies
from tests.server.keys import CERTIFICATE, THUMBPRINT

OURS = Proxies((ip_network("10.0.0.0/24"), ip_network("::1/128")))
RFC_9440 = f":{base64.b64encode(CERTIFICATE).decode()}:"
PEM = quote(ssl.DER_cert_to_PEM_cert(CERTIFICATE))


def said(host: str | None, *values: str) -> str | None:
    """Return the thumbprint of a request from `host` with these headers."""
    headers = [(b"client-cert", value.encode("latin-1")) for value in values]
    client = None if host is None else (host, 4711)
    return OURS.thumbprint(Request({"type": "http", "headers": headers, "client": client}))


@pytest.mark.parametrize("value", [RFC_9440, PEM])
@pytest.mark.parametrize("host", ["10.0.0.7", "::1"])
def test_a_proxy_of_ours_is_believed(host: str, value: str) -> None:
    """Both ways to write a certificate give the same thumbprint."""
    assert said(host, value) == THUMBPRINT


@pytest.mark.parametrize("host", ["10.0.1.7", "127.0.0.1", "localhost", None])
def test_a1_nobody_else_is_believed(host: str | None) -> None:
    """From any other address the header is as if it were not there."""
    assert said(host, RFC_9440) is None


@pytest.mark.parametrize("values", [(), ("",)])
def test_a_caller_may_show_none(values: tuple[str, ...]) -> None:
    """A proxy says nothing, or an empty header, where no certificate was shown."""
    assert said("10.0.0.7", *values) is None


@pytest.mark.parametrize("values", [("no certificate",), (":%%%:",), (RFC_9440, RFC_9440), ("%2D%2D",)])
def test_what_is_no_certificate_is_refused(values: tuple[str, ...]) -> None:
    """A broken header is never taken for no certificate: somebody may have added the second one."""
    with pytest.raises(NotPermitted, match="AC109"):
        said("10.0.0.7", *values)
