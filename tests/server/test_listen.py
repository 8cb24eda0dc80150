"""The listener: what the sockets of callers inherit from it."""

from __future__ import annotations

import socket

from adapter.server.listen import bind


def test_answers_do_not_wait_for_an_acknowledgement() -> None:
    """asyncio turns Nagle's algorithm off for a caller whose listener names its protocol, and only then."""
    with bind("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
