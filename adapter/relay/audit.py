"""The audit trail as a chain: who did what to which message, so that a later change shows.

Every row carries a keyed hash (HMAC-SHA256) over the hash of the row before and over all of its own columns.
Whoever may write to the database but has not the key cannot make a row that fits; whoever cuts the tail off
is found by a head that was exported before. What we are not content with: one who holds the master key and
the database, and no exported head outside, can rewrite the whole chain.

One chain per node. Where several share a store, each now and then seals the others' heads into its own chain,
so that nobody cuts or rewrites one of them alone. Rows hold ids and codes, never content.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapter.relay.message import AuditRecord

START = "0" * 64
"""What stands for the hash before the first row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One row of the chain."""

    node: str
    sequence: int
    """From 1, without gaps, per node."""
    at: str
    """RFC 3339, UTC, microseconds."""
    actor: str
    action: str
    object: str
    outcome: str
    reason: str | None
    detail: str
    """JSON: pairs of name and value, in order."""
    previous: str
    hash: str

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The detail as pairs."""
        return tuple((name, value) for name, value in orjson.loads(self.detail))


_NAMES = tuple(field.name for field in fields(AuditRow))


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest row of a node's chain: kept elsewhere, it proves that no tail was cut off."""

    node: str
    sequence: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """The first row that does not fit."""

    node: str
    sequence: int
    fault: Literal["changed", "missing", "cut", "other"]
    """`changed`: its hash does not cover it; `missing`: a row before it is gone, or there is one too
    many; `cut`: the chain ends before the exported head; `other`: it fits, but is not the row that was
    exported as head."""


def moment(at: datetime) -> str:
    """Write a time as the store keeps it: UTC, microseconds, sortable as text."""
    return _utc_moment(at if at.tzinfo is UTC else at.astimezone(UTC))


@lru_cache(maxsize=256)
def _utc_moment(at: datetime) -> str:
    """One time stands in many columns. Only in UTC are equal times the same, in autumn too."""
    return at.isoformat(timespec="microseconds")[:26] + "Z"


def first_head(node: str) -> Head:
    """Return the head of a chain without rows."""
    return Head(node=node, sequence=0, hash=START)


def linked(head: Head, records: Iterable[AuditRecord], key: bytes) -> tuple[list[dict[str, Any]], Head]:
    """Return `records` as the rows that follow `head`, by the names of `AuditRow`, and the new head."""
    rows, sequence, previous = [], head.sequence, head.hash
    for record in records:
        sequence += 1
        columns = (
            head.node,
            sequence,
            moment(record.at),
            record.actor,
            record.action,
            record.object,
            record.outcome,
            record.reason,
            orjson.dumps(record.detail).decode(),
        )
        hash_ = _hash(key, previous, columns)
        rows.append(dict(zip(_NAMES, (*columns, previous, hash_), strict=True)))
        previous = hash_
    return rows, Head(node=head.node, sequence=sequence, hash=previous)


def head_of(row: AuditRow) -> Head:
    """Return `row` as the head of its chain."""
    return Head(node=row.node, sequence=row.sequence, hash=row.hash)


def first_bad(rows: Iterable[AuditRow], key: bytes, node: str, *heads: Head) -> BadRow | None:
    """Return the first row that does not fit, or None if all do.

    `rows`: all rows of `node`, by sequence. `heads`, exported earlier or sealed elsewhere, must
    be among them.
    """
    at = first_head(node)
    expected = sorted({(head.sequence, head.hash) for head in heads if head.sequence})
    met = 0
    for row in rows:
        if row.sequence != at.sequence + 1 or row.node != node:
            return BadRow(node=node, sequence=at.sequence + 1, fault="missing")
        if row.previous != at.hash or not hmac.compare_digest(row.hash, _hash(key, at.hash, _columns(row))):
            return BadRow(node=node, sequence=row.sequence, fault="changed")
        at = head_of(row)
        while met < len(expected) and expected[met][0] == at.sequence:
            if expected[met][1] != at.hash:
                return BadRow(node=node, sequence=at.sequence, fault="other")
            met += 1
    return None if met == len(expected) else BadRow(node=node, sequence=at.sequence + 1, fault="cut")


def _columns(row: AuditRow) -> tuple[str | int | None, ...]:
    return (
        row.node,
        row.sequence,
        row.at,
        row.actor,
        row.action,
        row.object,
        row.outcome,
        row.reason,
        row.detail,
    )


def _hash(key: bytes, previous: str, columns: tuple[str | int | None, ...]) -> str:
    """HMAC over a JSON array: unlike joined text, no two lists of columns look the same."""
    return hmac.digest(key, orjson.dumps((previous, *columns)), "sha256").hex()
