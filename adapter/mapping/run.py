"""One run of one map: what it knows, what it found, what it made."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha1
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from adapter.errors import TooCostly
from adapter.mapping.nodes import Item, Watched, looked_at
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
    from adapter.mapping.nodes import Origin, SourceTree

SILTA_NAMESPACE = UUID("5b3f0a4e-8a0c-5d8e-9a37-6f1d2c4b7e90")
"""Namespace of every deterministic id. RFC 9562, version 5."""
CALLS_AT_MOST = 500_000
DEPTH_AT_MOST = 150


class Made(dict[str, Item]):
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


@dataclass(slots=True)
class Write:
    """A value put into the target: where, from what, by which rule."""

    node: Made
    key: str
    index: int | None
    origins: tuple[Origin, ...]
    mark: RuleMark
    context: Origin | None
    row: str | None = None
    below: tuple[str | int, ...] = ()
    """The way inside of a copied value."""


_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def _as_uuid(digest: str) -> str:
    """Write the hexadecimal SHA-1 of namespace and name as a UUID of version 5. RFC 9562, 5.5."""
    variant = _VARIANT[digest[16]]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def place_in(source: SourceTree, origin: Origin) -> str:
    """Name a place of a source in the sender's words."""
    node, key, index = origin
    if key == "c1" and len(node) == 1:
        # A field of one component is called by its own name: PR1-3, not PR1-3.1.
        key = None
    return source.place(node.steps(), key, index)


class Run:
    """What the closures of a map share while they run."""

    __slots__ = (
        "_digest",
        "answers",
        "asked",
        "calls",
        "clashing",
        "concept_maps",
        "constants",
        "counters",
        "created",
        "depth",
        "ends",
        "heard",
        "issues",
        "log",
        "marks",
        "met",
        "of_old",
        "ordered",
        "row",
        "said",
        "seen",
        "source",
        "source_id",
        "steps",
        "told",
        "writes",
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
        self.counters: dict[str, int] = {}
        self.calls = 0
        self.depth = 0
        self.answers: dict[tuple[object, str], bool] = {}
        """What conditions said of a text, where nothing else decides."""
        self.ends: list[int] = []
        """Of each call of a group, by its number, how many there were when it was over."""
        self.told: set[int] = set()
        """Numbers of the calls within which there was an issue."""
        self.heard: list[tuple[str, RuleMark, dict[str, Item]]] = []
        """Every issue that arose, also one that was noted at its place before."""
        self.of_old: Run | None = None
        """The run that this one repeats: calls that had no issue there are passed over."""
        self.clashing: frozenset[str] = frozenset()
        """Names of groups none of whose calls is passed over."""
        self.said: list[tuple[str, str]] = []
        self.log: list[Origin] = []
        self.writes: list[Write] | None = None
        """What went into the target, in a traced build only."""
        self.created: list[tuple[Made, Origin]] = []
        """Made nodes, each with what the rule was reading; in a traced build only."""
        self.met: list[Origin] = []
        """Leaves that conditions looked at."""
        self.asked: list[tuple[Callable[..., Item], Item, tuple[int, ...], list[Item]]] = []
        """Conditions decided without a note of what they look at: of a value, with what slots held."""
        self.marks: dict[int, RuleMark] = {}
        """The rules that ran, by identity: to hash one takes longer than most rules."""
        self.row: str | None = None
        self.source: SourceTree | None = None
        self.seen: set[tuple[str, str | None]] = set()
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

    def repeat(self, other: Run) -> None:
        """Run again, for the places of its issues, what another run has had issues in."""
        self.of_old = other
        # Where two calls write one element, the issue is in the second, and needs the first.
        self.clashing = frozenset(mark.group for code, mark, _ in other.heard if code == "MP305")

    def enter(self) -> int:
        """Count a call of a group and return its number, from 0.

        Raises TooCostly (MP403) when a map goes in circles or makes too much of its source.
        """
        number = self.calls
        self.calls += 1
        self.depth += 1
        self.ends.append(0)
        if self.calls > CALLS_AT_MOST or self.depth > DEPTH_AT_MOST:
            raise TooCostly("MP403")
        return number

    def leave(self, number: int, heard: int) -> None:
        """Note that a call is over, before which there were so many issues."""
        self.depth -= 1
        self.ends[number] = self.calls
        if len(self.heard) != heard:
            self.told.add(number)

    def passes_over(self, number: int, group: str) -> bool:
        """True if this run repeats another, and the call had no issue there; then it is over."""
        old = self.of_old
        if old is None or number in old.told or group in self.clashing or number >= len(old.ends):
            return False
        self.depth -= 1
        self.calls = old.ends[number]
        self.ends += [0] * (self.calls - len(self.ends))
        self.log.clear()
        return True

    def hears_as(self, other: Run) -> bool:
        """True if the same issues arose in both runs, in whatever order."""
        mine, others = (
            sorted(f"{code} {mark} {params}" for code, mark, params in run.heard) for run in (self, other)
        )
        return mine == others

    def tested(self) -> list[Origin]:
        """Return the leaves that conditions looked at; what was asked without a note is asked again."""
        for ask, value, slots, values in self.asked:
            frame: list[Item] = [None] * (max(slots, default=0) + 1)
            frame[0] = self
            for slot, there in zip(slots, values, strict=True):
                frame[slot] = there
            self.log.clear()
            ask(frame, value)
            self.met.extend(looked_at(self.log))
        self.asked.clear()
        return self.met

    def place_of(self, origin: Origin | None, value: Item) -> str | None:
        """Name a place of the source in the sender's words: of `origin`, else of the node `value`.

        None in a plain build, which does not know places.
        """
        if origin is None and isinstance(value, Watched):
            origin = (value, None, None)
        if origin is None or self.source is None or not isinstance(origin[0], Watched):
            return None
        return place_in(self.source, origin)

    def place_issues(self, since: int, origins: tuple[Origin, ...], context: Origin | None) -> None:
        """Give the issues noted after the first `since` the place that they lack."""
        if len(self.issues) == since:
            return
        place = self.place_of(origins[-1] if origins else context, None)
        for at in range(since, len(self.issues)):
            if self.issues[at].source_field is None:
                self.issues[at] = replace(self.issues[at], source_field=place)

    def fault(self, code: str, mark: RuleMark, field_: str | None, **params: str | int | None) -> None:
        """Note an issue at a rule, once for each place of the source."""
        self.heard.append((code, mark, params))
        key = (f"{code}/{mark.file}:{mark.line}:{mark.column}", field_)
        if field_ is not None and key in self.seen:
            return
        self.seen.add(key)
        self.issues.append(
            Issue(
                code,
                mark.file,
                {"rule": mark.rule, **params},
                source_field=field_,
                line=mark.line,
                column=mark.column,
            )
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
