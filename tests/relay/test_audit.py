"""The audit chain: every kind of tampering shows, and the first bad row is named."""

from __future__ import annotations

import sqlite3
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from adapter.relay import audit
from adapter.relay.message import AuditRecord
from tests.relay.world import CLINIC, NOON, World, open_to_change, raw_rows

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = b"k" * 32
NODE = "silta"


def rows(count: int = 6, key: bytes = KEY) -> list[audit.AuditRow]:
    """A sound chain."""
    head = audit.first_head(NODE)
    made = []
    for number in range(count):
        record = AuditRecord(
            at=NOON,
            actor=CLINIC,
            action="disclose",
            object=f"delivery/{number}",
            outcome="sending",
            reason="DL102",
            detail=(("message", str(number)),),
        )
        (row,), head = audit.linked(head, [record], key)
        made.append(audit.AuditRow(**row))
    return made


def test_a_sound_chain_has_no_bad_row() -> None:
    """What was written as it should be verifies, with its own head as proof of the tail."""
    chain = rows()
    assert audit.first_bad(chain, KEY, NODE, audit.head_of(chain[-1])) is None


@pytest.mark.parametrize("column", [field.name for field in fields(audit.AuditRow)])
def test_a_change_of_any_column_names_the_row(column: str) -> None:
    """One column of one row changed: that row, or the gap it makes, is the first bad one."""
    chain = rows()
    value = getattr(chain[2], column)
    changed = value + 1 if isinstance(value, int) else f"{value}x"
    chain[2] = replace(chain[2], **{column: changed})

    bad = audit.first_bad(chain, KEY, NODE)

    assert bad is not None
    assert bad.sequence == 3


TAMPERINGS: dict[str, tuple[Callable[[list[audit.AuditRow]], list[audit.AuditRow]], int, str]] = {
    "first row removed": (lambda chain: chain[1:], 1, "missing"),
    "row removed": (lambda chain: chain[:2] + chain[3:], 3, "missing"),
    "row inserted": (lambda chain: [*chain[:2], chain[1], *chain[2:]], 3, "missing"),
    "rows swapped": (lambda chain: [chain[0], chain[2], chain[1], *chain[3:]], 2, "missing"),
    "tail cut": (lambda chain: chain[:4], 5, "cut"),
    "all removed": (lambda _: [], 1, "cut"),
    "rewritten with another key": (lambda _: rows(6, b"x" * 32), 1, "changed"),
    "another whole chain": (lambda _: rows(7), 0, ""),
    "rewritten by one who has the key": (
        lambda chain: _rewritten(chain),
        6,
        "other",
    ),
}


def _rewritten(chain: list[audit.AuditRow]) -> list[audit.AuditRow]:
    """The same chain with one act turned into another, every hash made anew with the true key."""
    head = audit.first_head(NODE)
    made = []
    for number, row in enumerate(chain):
        record = AuditRecord(
            at=NOON,
            actor=row.actor,
            action="settle" if number == 3 else row.action,
            object=row.object,
            outcome=row.outcome,
            reason=row.reason,
            detail=row.pairs,
        )
        (new,), head = audit.linked(head, [record], KEY)
        made.append(audit.AuditRow(**new))
    return made


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_shows_against_an_exported_head(name: str) -> None:
    """With a head kept elsewhere, cutting, inserting, removing and rewriting are all found."""
    tamper, sequence, fault = TAMPERINGS[name]
    chain = rows()

    bad = audit.first_bad(tamper(chain), KEY, NODE, audit.head_of(chain[-1]))

    assert (bad.sequence, bad.fault) == (sequence, fault) if bad else sequence == 0


def test_the_stores_own_chain_verifies_after_work(world: World) -> None:
    """Intake, decision, disclosure and acknowledgement leave one chain that fits."""
    world.take(1)
    head = world.store.audit_head()
    world.drain()

    assert world.store.verify_audit(head) is None


def test_d18_the_database_refuses_to_change_its_audit(world: World) -> None:
    """The audit and attempt tables are append-only for everybody who comes through SQL."""
    world.take(1)
    world.drain()

    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError), match="append-only"):
        raw_rows(world.folder, "UPDATE audit SET actor = 'nobody'")


IN_THE_DATABASE: dict[str, tuple[tuple[str, ...], int, str]] = {
    "act changed": (("UPDATE audit SET action = 'settle' WHERE sequence = 3",), 3, "changed"),
    "actor changed": (("UPDATE audit SET actor = 'nobody' WHERE sequence = 3",), 3, "changed"),
    "time changed": (
        ("UPDATE audit SET at = '2020-01-01T00:00:00.000000Z' WHERE sequence = 3",),
        3,
        "changed",
    ),
    "object changed": (("UPDATE audit SET object = 'delivery/x' WHERE sequence = 3",), 3, "changed"),
    "outcome changed": (("UPDATE audit SET outcome = 'denied' WHERE sequence = 2",), 2, "changed"),
    "reason taken away or put in": (("UPDATE audit SET reason = 'DL102' WHERE sequence = 4",), 4, "changed"),
    "recipient changed in the detail": (
        ("UPDATE audit SET detail = replace(detail, 'urn:oid:1.2.246.10.2', 'urn:oid:1.2.246.10.3')",),
        2,
        "changed",
    ),
    "row removed": (("DELETE FROM audit WHERE sequence = 3",), 3, "missing"),
    "row removed and the rest renumbered": (
        (
            "DELETE FROM audit WHERE sequence = 3",
            "UPDATE audit SET sequence = -sequence WHERE sequence > 3",
            "UPDATE audit SET sequence = -sequence - 1 WHERE sequence < 0",
        ),
        3,
        "changed",
    ),
    "row inserted": (
        (
            "UPDATE audit SET sequence = -sequence WHERE sequence >= 3",
            "UPDATE audit SET sequence = 1 - sequence WHERE sequence < 0",
            "INSERT INTO audit SELECT node, 3, at, actor, action, object, outcome, reason, detail, "
            "previous, hash FROM audit WHERE sequence = 2",
        ),
        3,
        "changed",
    ),
    "rows swapped": (
        (
            "UPDATE audit SET sequence = -2 WHERE sequence = 2",
            "UPDATE audit SET sequence = 2 WHERE sequence = 3",
            "UPDATE audit SET sequence = 3 WHERE sequence = -2",
        ),
        2,
        "changed",
    ),
    "row moved to another chain": (
        ("UPDATE audit SET node = 'other' WHERE sequence = 1",),
        1,
        "changed",
    ),
    "hash of a row written over": (
        ("UPDATE audit SET hash = previous WHERE sequence = 3",),
        3,
        "changed",
    ),
    "tail cut": (("DELETE FROM audit WHERE sequence > 4",), 5, "cut"),
    "all removed": (("DELETE FROM audit",), 1, "cut"),
}
"""What somebody with the database in hand, and without the key, may do to the trail; and what is named."""


def test_every_tampering_with_the_database_is_named(world: World) -> None:
    """Each kind by itself, with a head that was kept elsewhere: the first row that does not fit."""
    world.take(1)
    world.drain()
    head = world.store.audit_head()
    open_to_change(world.folder, "audit")
    raw_rows(world.folder, "CREATE TABLE kept AS SELECT * FROM audit")

    found = {}
    for name, (statements, _, _) in IN_THE_DATABASE.items():
        for statement in statements:
            raw_rows(world.folder, statement)
        bad = world.store.verify_audit(head)
        found[name] = (bad.sequence, bad.fault) if bad is not None else None
        raw_rows(world.folder, "DELETE FROM audit")
        raw_rows(world.folder, "INSERT INTO audit SELECT * FROM kept")

    assert found == {name: (sequence, fault) for name, (_, sequence, fault) in IN_THE_DATABASE.items()}
    assert world.store.verify_audit(head) is None


def test_a_cut_tail_shows_against_an_exported_head(world: World) -> None:
    """Rows removed at the end leave a chain that fits, and a head that does not."""
    world.take(1)
    world.drain()
    head = world.store.audit_head()
    open_to_change(world.folder, "audit")
    raw_rows(world.folder, "DELETE FROM audit WHERE sequence > ?", head.sequence - 2)

    bad = world.store.verify_audit(head)

    assert bad is not None
    assert (bad.fault, bad.sequence) == ("cut", head.sequence - 1)
