"""The disclosure rules: which event may go to whose register, on which ground, at which level, and for what.

A table that the deployer's lawyer signs. A basis that is no Consent of the patient (statute, purchased
service) must be named by the agreement of the two organisations as well, so that a line in the table alone
opens nothing.

Beside the lines of events the table has one line for each role of a recipient, the kind of organisation it
is: `*` for event, basis, register, level and needs, and the purposes that the role may receive anything for.
What a lawyer signs and a data-protection officer reads is so one file.
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING

from adapter.errors import ConfigurationError
from adapter.outcome import Issue
from adapter.relay import event
from adapter.relay.directory import RecipientClass, Register
from adapter.relay.message import Level

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Basis(StrEnum):
    """On what ground content may be disclosed."""

    LUOVUTUSLUPA = "luovutuslupa"
    EXPLICIT_CONSENT = "explicit-consent"
    REFERRAL_CONSENT = "referral-consent"
    STATUTORY = "statutory"
    PURCHASED_SERVICE = "purchased-service"
    PATIENT_REQUEST = "patient-request"


class Needs(StrEnum):
    """What has to stand beside a rule for it to permit."""

    CONSENT = "consent"
    """A Consent of the patient on that basis."""
    AGREEMENT = "agreement"
    """The basis named by the agreement of the two organisations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of the table: this event may go to this register on this basis."""

    event: str
    basis: Basis
    register: Register
    level: Level
    """The most."""
    purposes: frozenset[str]
    needs: Needs
    senders: frozenset[Register] = frozenset()
    """Registers that the sender may keep; empty for any. A permit for one never opens another."""
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A line about one kind of recipient: what it may receive for, whatever the event and basis."""

    recipient: RecipientClass
    purposes: frozenset[str]
    """v3-ActReason."""
    comment: str = ""


COLUMNS = ("event", "basis", "register", "level", "purposes", "needs", "senders", "recipient", "comment")
OPTIONAL = ("senders", "recipient", "comment")
"""Columns that a table may lack."""
ANY = "*"
"""What stands in the columns that a line of a role says nothing of."""
_OF_NO_ROLE = ("event", "basis", "register", "level", "needs")


@dataclass(frozen=True)
class Rules:
    """The table, as the deployer's lawyer signed it."""

    rows: Sequence[Rule]
    roles: Sequence[Role] = ()
    """A role that has no line receives nothing."""

    def find(self, event: str, basis: Basis, register: Register, sender: Register) -> Rule | None:
        """Return the line for event, basis and recipient's register, or None: then it may not go.

        `sender`: whose register it comes from. A line that is not about that register is no line.
        """
        for row in self.rows:
            if (row.event, row.basis, row.register) == (event, basis, register):
                return row if not row.senders or sender in row.senders else None
        return None

    def knows(self, event: str, basis: Basis) -> bool:
        """Return True if the event may go to some register on that basis."""
        return any((row.event, row.basis) == (event, basis) for row in self.rows)

    def speaks_of(self, event: str, register: Register) -> bool:
        """Return True if the event may go to that register on some basis."""
        return any((row.event, row.register) == (event, register) for row in self.rows)

    def has_purpose(self, event: str, register: Register, purpose: str) -> bool:
        """Return True if the event may go to that register for that purpose."""
        return any(
            (row.event, row.register) == (event, register) and purpose in row.purposes for row in self.rows
        )

    def receives_for(self, recipient: RecipientClass, purpose: str) -> bool:
        """Return True if that kind of recipient may receive for that purpose, whatever it is."""
        return any(role.recipient is recipient and purpose in role.purposes for role in self.roles)

    @cached_property
    def version(self) -> str:
        """Which version of the table this is: 32 hex digits of the SHA-256 of what it says."""
        return hashlib.sha256(self.as_csv().encode()).hexdigest()[:32]

    def as_csv(self) -> str:
        """Write the whole table as one CSV, for the one who has to sign or audit it."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in self.rows:
            purposes = " ".join(sorted(row.purposes))
            senders = " ".join(sorted(row.senders))
            writer.writerow(
                (row.event, row.basis, row.register, row.level, purposes, row.needs, senders, "", row.comment)
            )
        for role in self.roles:
            purposes = " ".join(sorted(role.purposes))
            writer.writerow((ANY, ANY, ANY, ANY, purposes, ANY, "", role.recipient, role.comment))
        return out.getvalue()


def read(source: str) -> Rules:
    """Read the table from its CSV.

    A table without any line of a role has the shipped ones: those that were signed before there were any.
    Raises ConfigurationError (CO300) with every fault: a missing column, a value that is none of the known
    ones, two lines for the same three or for the same role, a line that would let something go to an
    employer.
    """
    rows: list[Rule] = []
    roles: list[Role] = []
    found: list[Issue] = []
    table = csv.DictReader(io.StringIO(source.lstrip("\ufeff")))
    if not set(COLUMNS) - set(OPTIONAL) <= set(table.fieldnames or ()):
        found.append(Issue("CO301", params={"columns": ", ".join(COLUMNS)}, line=1))
    else:
        for row in table:
            is_role = row["event"] == ANY
            line_faults = list((_role_faults if is_role else _row_faults)(row, table.line_num))
            found.extend(line_faults)
            if not line_faults and is_role:
                roles.append(_role(row))
            elif not line_faults:
                rows.append(_rule(row))
    seen: set[tuple[str, ...]] = set()
    for key in (
        *((each.event, each.basis, each.register) for each in rows),
        *((e.recipient,) for e in roles),
    ):
        if key in seen:
            found.append(Issue("CO303", params={"rule": " + ".join(key)}))
        seen.add(key)
    if found:
        raise ConfigurationError("CO300", params={"count": len(found)}, issues=found)
    return Rules(tuple(rows), tuple(roles) or shipped().roles)


@cache
def shipped() -> Rules:
    """Return the table that travels with the package: a proposal for the deployer's lawyer."""
    return read((files("adapter.relay") / "tables" / "disclosure-rules.csv").read_text("utf-8"))


_KNOWN: dict[str, tuple[str, ...]] = {
    "event": tuple(event.MEANINGS_OF_EVENT),
    "basis": tuple(Basis),
    "register": tuple(each for each in Register if each not in (Register.EMPLOYER, Register.UNKNOWN)),
    "level": tuple(Level),
    "needs": tuple(Needs),
}
_RECEIVING = tuple(
    each for each in RecipientClass if each not in (RecipientClass.EMPLOYER, RecipientClass.UNKNOWN)
)


def _role_faults(row: dict[str, str], line: int) -> Iterator[Issue]:
    for column in _OF_NO_ROLE:
        if row[column] != ANY:
            yield Issue("CO302", params={"column": column, "known": ANY}, line=line)
    if row.get("recipient") not in _RECEIVING:
        yield Issue("CO302", params={"column": "recipient", "known": ", ".join(_RECEIVING)}, line=line)
    if not (row["purposes"] or "").split():
        yield Issue("CO304", line=line)


def _role(row: dict[str, str]) -> Role:
    return Role(
        recipient=RecipientClass(row["recipient"]),
        purposes=frozenset(row["purposes"].split()),
        comment=row.get("comment") or "",
    )


def _row_faults(row: dict[str, str], line: int) -> Iterator[Issue]:
    for column, known in _KNOWN.items():
        if row[column] not in known:
            yield Issue("CO302", params={"column": column, "known": ", ".join(known)}, line=line)
    for each in (row.get("senders") or "").split():
        if each not in _KNOWN["register"]:
            named = ", ".join(_KNOWN["register"])
            yield Issue("CO302", params={"column": "senders", "known": named}, line=line)
    if row.get("recipient"):
        yield Issue("CO302", params={"column": "recipient", "known": '""'}, line=line)
    if not (row["purposes"] or "").split():
        yield Issue("CO304", line=line)


def _rule(row: dict[str, str]) -> Rule:
    return Rule(
        event=row["event"],
        basis=Basis(row["basis"]),
        register=Register(row["register"]),
        level=Level(row["level"]),
        purposes=frozenset(row["purposes"].split()),
        needs=Needs(row["needs"]),
        senders=frozenset(Register(each) for each in (row.get("senders") or "").split()),
        comment=row.get("comment") or "",
    )
