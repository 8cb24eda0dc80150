"""The listener: what the sockets of callers inherit from it."""

from __future__ import annotations

import socket

from adapter.server.listen import bind


def test_answers_do_not_wait_for_an_acknowledgement() -> None:
    """The listener names its protocol: only then does asyncio turn Nagle's algorithm off."""
    with bind("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
