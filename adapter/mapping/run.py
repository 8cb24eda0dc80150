"""One run of one map: what it knows, what it found, what it made."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha1
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from adapter.errors import TooCostly
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import tzinfo
    from hashlib import _Hash as Hash

    from adapter.mapping.accounting import Accounting
    from adapter.mapping.conceptmap import ConceptMaps
    from adapter.mapping.debug import DebugTrace
    from adapter.mapping.lineage import Lineage
    from adapter.mapping.models import Shape
    from adapter.mapping.nodes import Item
    from adapter.mapping.notes import At, Note

SILTA_NAMESPACE = UUID("5b3f0a4e-8a0c-5d8e-9a37-6f1d2c4b7e90")
"""Namespace of every deterministic id. RFC 9562, version 5."""
CALLS_AT_MOST = 500_000
DEPTH_AT_MOST = 150


class Made(dict[str, "Item"]):
    """A part of the target while it is made; a primitive is one with `value`."""

    __slots__ = ("shape",)

    def __init__(self, shape: Shape | None) -> None:
        self.shape = shape

    @classmethod
    def of(cls, shape: Shape | None) -> Made:
        """Begin a value of a type; a resource says its type from the start."""
        made = cls(shape)
        if shape is not None and shape.kind == "resource":
            made["resourceType"] = shape.name
        return made


class RunFault(Exception):
    """A transform cannot do what it is told with what it is given."""

    def __init__(self, code: str, **params: str | int) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


@dataclass(frozen=True, slots=True)
class RuleMark:
    """Where in a map something happens: for issues, lineage and coverage."""

    file: str
    line: int
    column: int
    group: str
    rule: str
    map: str

    @property
    def words(self) -> str:
        """The place as `file:line`."""
        return f"{self.file}:{self.line}"

    @property
    def path(self) -> str:
        """Group and rule, for ids: the same as long as the rule keeps its name."""
        return f"{self.group}/{self.rule}"


_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def _as_uuid(digest: str) -> str:
    """Write the hexadecimal SHA-1 of namespace and name as a UUID of version 5. RFC 9562, 5.5."""
    variant = _VARIANT[digest[16]]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


class Run:
    """What the groups of a map share while they run."""

    __slots__ = (
        "_digest",
        "answers",
        "asked",
        "calls",
        "concept_maps",
        "constants",
        "counters",
        "created",
        "depth",
        "issues",
        "marks",
        "met",
        "notes",
        "ordered",
        "places",
        "row",
        "said",
        "source_id",
        "steps",
        "zone",
    )  # fmt: skip

    def __init__(
        self, concept_maps: ConceptMaps, constants: dict[str, Item], zone: tzinfo, source_id: str
    ) -> None:
        self.concept_maps = concept_maps
        self.constants = constants
        self.zone = zone
        self.source_id = source_id
        self._digest: Hash | None = None
        """What every id of this source begins with, digested once."""
        self.issues: list[Issue] = []
        self.places: list[tuple[RuleMark, At | Note | int]] = []
        """Of each issue the rule, and what tells its place: itself, or the note of this number."""
        self.counters: dict[str, int] = {}
        self.calls = 0
        self.depth = 0
        self.answers: dict[tuple[object, str], bool] = {}
        """What conditions said of a text, where nothing else decides."""
        self.said: list[tuple[str, str]] = []
        self.notes: list[Note] = []
        """What went into the target and of what it was made; in a plain build only of what failed."""
        self.created: list[tuple[Made, Item, Item]] = []
        """Made nodes, each with what the rule was reading, and its origin; in a traced build only."""
        self.met: list[Item] = []
        """Origins of leaves that rules looked at; in a traced build only."""
        self.asked: list[tuple[Callable[..., Item], Item, tuple[int, ...], tuple[Item, ...]]] = []
        """Conditions, each of a value and with what slots held; in a traced build only."""
        self.marks: dict[int, RuleMark] = {}
        """The rules that ran, by identity: to hash one takes longer than most rules."""
        self.row: str | None = None
        self.ordered: list[tuple[Made, str]] = []
        """Lists of the target with an end that some rule keeps for itself, by node and key."""
        self.steps: DebugTrace | None = None
        """Takes every step, in a build for debugging only."""

    def uuid(self, map_name: str, where: str) -> str:
        """Return the next id of this place in the map, the same in every run over the same source."""
        key = f"{map_name}/{where}"
        if self._digest is None:
            self._digest = sha1(uuid5(SILTA_NAMESPACE, self.source_id).bytes, usedforsecurity=False)
        count = self.counters[key] = self.counters.get(key, 0) + 1
        digest = self._digest.copy()
        digest.update(f"{key}/{count}".encode())
        return _as_uuid(digest.hexdigest())

    def enter(self) -> None:
        """Count a call of a group.

        Raises TooCostly (MP403) when a map goes in circles or makes too much of its source.
        """
        self.calls += 1
        self.depth += 1
        if self.calls > CALLS_AT_MOST or self.depth > DEPTH_AT_MOST:
            raise TooCostly("MP403")

    def fault(
        self, code: str, mark: RuleMark, at: At | Note | None = None, **params: str | int | None
    ) -> None:
        """Note an issue at a rule; `at` tells where in the source it is, else the rule's next note does."""
        self.places.append((mark, len(self.notes) if at is None else at))
        self.issues.append(
            Issue(code, mark.file, {"rule": mark.rule, **params}, line=mark.line, column=mark.column)
        )


@dataclass(slots=True, kw_only=True)  # not frozen: that alone takes as long as a dozen rules
class Outcome:
    """What a run gives. Without `lineage=True` accounting and lineage are None."""

    resources: list[dict[str, Item]]
    """One for each target of the map's first group; for a notification the message Bundle."""
    issues: list[Issue] = field(default_factory=list)
    accounting: Accounting | None = None
    lineage: Lineage | None = None
    documents: list[bytes | None] = field(default_factory=list)
    """The same results in the receiver's own form: XML where the target is a logical model, else None."""
    ran: Collection[RuleMark] = ()
    """The rules that ran, where lineage was asked for, each at least once."""
    said: list[tuple[str, str]] = field(default_factory=list)
    """Rule and text of each `log`; content of the source, so never for a log file."""

    @property
    def rules(self) -> frozenset[RuleMark]:
        """The rules that ran."""
        return frozenset(self.ran)
