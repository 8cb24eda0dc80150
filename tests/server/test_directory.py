"""`silta directory` and `/operator/directory`: who can be routed to, and by whose word."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.server.conftest import Silta


def test_the_directory_is_shown_with_whose_word_it_is(silta: Silta) -> None:
    """Every organisation of the files stands there with its class; no other server is named."""
    code, found = silta("directory", "show")

    assert (code, found["feed"]) == (0, None)
    assert {each["class"] for each in found["organisations"]} >= {"hospital", "occupational-health"}
    assert not any(each["polled"] for each in found["organisations"])


def test_a_sound_directory_is_said_to_be_so(silta: Silta) -> None:
    """Exit 0 where nothing is wrong."""
    assert silta("directory", "check")[0] == 0
