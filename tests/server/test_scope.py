"""Scopes: what a client may do with which resource type."""

from __future__ import annotations

import pytest

from adapter.server.scope import Scopes, is_scope


@pytest.mark.parametrize(
    ("asked", "registered", "granted"),
    [
        ("system/Bundle.c", "system/Bundle.c", "system/Bundle.c"),
        ("system/*.cruds", "system/Bundle.c system/Consent.cr", "system/Bundle.c system/Consent.cr"),
        ("system/Consent.cruds", "system/*.r", "system/Consent.r"),
        ("system/*.r", "system/*.cr", "system/*.r"),
        ("system/Consent.c system/Consent.r", "system/Consent.cru", "system/Consent.cr"),
        ("system/Consent.d", "system/Consent.cru", ""),
        ("system/Patient.r", "system/Consent.cru", ""),
        ("user/Consent.r patient/*.r openid", "system/Consent.cru", ""),
        ("system/Consent.read system/Consent.*", "system/Consent.cru", ""),
        ("system/Consent.rc", "system/Consent.cru", ""),
        ("system/Consent.r?status=active", "system/Consent.cru", ""),
    ],
)
def test_a_grant_is_what_was_asked_for_and_is_registered(asked: str, registered: str, granted: str) -> None:
    """Never wider than registered; what is no system scope in the v2 form asks for nothing."""
    assert str(Scopes.read(asked.split()).within(Scopes.read(registered.split()))) == granted


def test_letters_of_the_type_and_of_every_type_are_both_looked_at() -> None:
    """A wildcard allows what it names and nothing more."""
    scopes = Scopes.read(["system/*.r", "system/Consent.c"])

    assert [scopes.allow("Consent", letter) for letter in "crud"] == [True, True, False, False]


@pytest.mark.parametrize(
    "word", ["", "system/Consent", "system/Consent.", "system/consent.r", "System/Consent.r"]
)
def test_other_words_are_no_scopes(word: str) -> None:
    """The settings refuse them."""
    assert not is_scope(word)
