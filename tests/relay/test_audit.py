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
        row = audit.link(head, record, key)
        made.append(row)
        head = audit.head_of(row)
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
        new = audit.link(head, record, KEY)
        made.append(new)
        head = audit.head_of(new)
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


def test_the_database_refuses_to_change_its_audit(world: World) -> None:
    """The audit and attempt tables are append-only for everybody who comes through SQL."""
    world.take(1)
    world.drain()

    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError), match="append-only"):
        raw_rows(world.folder, "UPDATE audit SET actor = 'nobody'")


def test_a_row_changed_in_the_file_is_named(world: World) -> None:
    """Whoever drops the triggers and changes the file is found by the store."""
    world.take(1)
    world.drain()
    open_to_change(world.folder, "audit")
    raw_rows(world.folder, "UPDATE audit SET outcome = 'denied' WHERE sequence = 2")

    bad = world.store.verify_audit()

    assert bad is not None
    assert (bad.sequence, bad.fault) == (2, "changed")


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
