"""Who is calling: a token we know, or nobody."""

from __future__ import annotations

import pytest

from adapter.errors import NotPermitted
from adapter.server.access import (
    RIGHTS,
    Access,
    Caller,
    Credential,
    Right,
    Role,
    digest,
    hash_line,
    new_token,
)
from adapter.server.route import Operators, Organisations

HOSPITAL = Caller(role=Role.ORGANISATION, name="urn:uuid:hospital")
AINO = Caller(role=Role.OPERATOR, name="Aino", rights=RIGHTS["operator"])
ACCESS = Access.of(
    [
        Credential(digest=digest("old-token"), caller=HOSPITAL),
        Credential(digest=digest("new-token"), caller=HOSPITAL),
        Credential(digest=digest("aino-token"), caller=AINO),
    ]
)


@pytest.mark.parametrize("header", ["Bearer old-token", "Bearer new-token", "bearer  new-token "])
def test_a_known_token_names_its_organisation(header: str) -> None:
    """Both tokens of an organisation work while one is being changed; the scheme's case does not matter."""
    assert ACCESS.caller(header) == HOSPITAL


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "AC101"),
        ("", "AC101"),
        ("Bearer", "AC101"),
        ("Basic b2xkLXRva2Vu", "AC101"),
        ("old-token", "AC101"),
        ("Bearer old-toke", "AC102"),
        ("Bearer old-token2", "AC102"),
        ("Bearer " + digest("old-token"), "AC102"),
        ("Bearer \udcff", "AC102"),
    ],
)
def test_nobody_else_comes_in(header: str | None, code: str) -> None:
    """No token, another scheme, a near miss and the stored hash itself are all refused."""
    with pytest.raises(NotPermitted) as caught:
        ACCESS.caller(header)

    assert caught.value.code == code


def test_an_operator_cannot_submit() -> None:
    """An operator's token does not open the doors of organisations."""
    with pytest.raises(NotPermitted, match="AC103"):
        Organisations("Bundle", "c").admit(AINO)


def test_an_organisation_cannot_operate() -> None:
    """An organisation's token does not open the operator's desk."""
    with pytest.raises(NotPermitted, match="AC104"):
        Operators(Right.LOOK).admit(HOSPITAL)


def test_an_operator_acts_within_the_rights_of_the_role() -> None:
    """A right that no role gives is refused by its name."""
    with pytest.raises(NotPermitted, match="AC106"):
        Operators(Right.REVEAL).admit(AINO)


def test_a_fresh_token_is_long_and_is_kept_as_its_hash() -> None:
    """Tokens carry 256 bits, and the line of a token file does not hold the token."""
    token = new_token()

    assert len(token) >= 43
    assert token not in hash_line(token)
