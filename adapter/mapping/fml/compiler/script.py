"""The Python text of one group, and the objects that its names stand for.

A group that runs as closures spends most of its time in calls from one closure to the next. A build writes
each group as one function instead, as template engines do: variables of the map are local variables, loops
are loops, what a rule does stands where the rule stands. The text is made when a group first runs.

Nothing that stands in a map gets into the text. All of it is fixed words, names that are numbered here, and
numbers; an element, a code, a table is an object behind such a name.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from adapter.mapping.notes import BY_NAME, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

LOOPS_AT_MOST: Final = 12
"""Python forbids more than twenty blocks inside each other; what is deeper goes to a function of its own."""


class Script:
    """One function while it is written."""

    def __init__(
        self, inputs: Sequence[int], size: int, *, otherwise: Callable[..., None] | None = None,
        is_inner: bool = False, is_traced: bool = False,
    ) -> None:  # fmt: skip
        """Begin a function of inputs in these slots.

        `otherwise` is what runs where one of them has no value; without it the function has to look itself. A
        traced one is given with each input its origin, and notes where everything comes from.
        """
        self.size = size
        self.is_traced = is_traced
        self.loops = 0
        self._inputs = inputs
        self._otherwise = otherwise
        self._is_inner = is_inner
        self._is_framed = self._is_sharing = is_inner
        self._lines: list[str] = []
        self._depth = 1
        self._objects: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self._fresh = 0
        self._lists: dict[str, str] = {}
        self._origins: dict[int, tuple[int, str] | int] = {}
        self._known: list[dict[object, str]] = [{}]
        self._sure: list[set[int]] = [set() if otherwise is None else set(inputs)]

    def name(self, value: object) -> str:
        """Return the name that stands for an object."""
        known = self._names.get(id(value))
        if known is None:
            known = self._names[id(value)] = f"k{len(self._names)}"
            self._objects[known] = value
        return known

    def fresh(self) -> str:
        """Return the name of a local variable that nothing else uses."""
        self._fresh += 1
        return f"x{self._fresh}"

    def line(self, text: str) -> None:
        """Write a line."""
        self._lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Write the head of a block; what follows is in it."""
        self.line(head)
        self._depth += 1
        self._known.append({})
        self._sure.append(set())
        before = len(self._lines)
        yield
        if len(self._lines) == before:
            self.line("pass")
        self._depth -= 1
        self._known.pop()
        self._sure.pop()

    @contextmanager
    def loop(self, head: str) -> Iterator[None]:
        """Write the head of a loop."""
        self.loops += 1
        with self.block(head):
            yield
        self.loops -= 1

    def once(self, what: object, text: Callable[[], str]) -> str:
        """Return the local variable that holds `what`, which is worked out where it is first needed.

        It is known in the block where that is, and in those inside of it.
        """
        for block in self._known:
            if what in block:
                return block[what]
        known = self.fresh()
        self.line(f"{known} = {text()}")
        self._known[-1][what] = known
        return known

    def is_sure(self, slot: int) -> bool:
        """True if a variable has a value here, whatever the source."""
        return any(slot in block for block in self._sure)

    def make_sure(self, slot: int) -> None:
        """Say that a variable has a value from here to the end of the block."""
        self._sure[-1].add(slot)

    def adding(self, name: str) -> str:
        """Return the name of what adds to a list of the run."""
        return self._lists.setdefault(name, f"add_{name}")

    def comes_from(self, slot: int, origin: tuple[int, str] | int) -> None:
        """Say where a leaf in a variable stands, for a plain build: under a key of one, or as another."""
        self._origins[slot] = origin

    def origin(self, slot: int) -> str:
        """Return the text of where the leaf in a variable stands; in a plain build it is a guess."""
        if self.is_traced:
            return f"o{slot}"
        known = self._origins.get(slot)
        if known is None:
            return self.name(UNKNOWN)
        if isinstance(known, int):
            return self.origin(known)
        context, key = known
        return f"(v{context}, {self.name(key)}, None, {self.name(BY_NAME)})"

    def frame(self, slots: Iterable[int]) -> str:
        """Bring variables into the frame, for a closure that reads them there; return its name."""
        self._is_framed = True
        for slot in slots:
            self.line(f"frame[{slot}] = v{slot}")
        return "frame"

    def shared(self, slot: int) -> str:
        """Return where the element stands that rules of the group share."""
        self._is_sharing = True
        return f"shared[{slot}]"

    def nest(self, write: Callable[[Script], None]) -> None:
        """Let a rule write itself here, or to a function of its own where too many loops are around it."""
        if self.loops < LOOPS_AT_MOST:
            write(self)
            return
        slots = range(1, self.size)
        inner = Script(slots, self.size, is_inner=True, is_traced=self.is_traced)
        inner._origins = self._origins
        write(inner)
        self._is_framed = self._is_sharing = True
        seen = ", ".join(["run", *_named(slots, is_traced=self.is_traced), "frame", "shared"])
        self.line(f"{self.name(inner.function())}({seen})")

    def function(self) -> Callable[..., None]:
        """Return the function: it takes the run, then the inputs; one inside of another takes all it has."""
        outer = ["frame", "shared"] if self._is_inner else []
        named = ["run", *_named(self._inputs, is_traced=self.is_traced), *outer]
        head = [f"def group({', '.join(named)}):"]
        if self._otherwise is not None:
            absent = " or ".join(f"v{slot} is None" for slot in self._inputs)
            head.append(f"    if {absent}:")
            head.append(f"        return {self.name(self._otherwise)}({', '.join(named)})")
        given = set(self._inputs)
        others = _named([slot for slot in range(1, self.size) if slot not in given], is_traced=self.is_traced)
        if others:
            head.append(f"    {' = '.join(others)} = None")
        if self._is_framed and not self._is_inner:
            head.append(f"    frame = [None] * {self.size}")
            head.append("    frame[0] = run")
        if self._is_sharing and not self._is_inner:
            head.append(f"    shared = [None] * {self.size}")
        head += [f"    {add} = run.{name}.append" for name, add in self._lists.items()]
        if not self._is_inner:
            head.append("    run.enter()")
            self._lines.append("    run.depth -= 1")
        text = "\n".join([*head, *(self._lines or ["    pass"]), ""])
        room: dict[str, Any] = dict(self._objects)
        exec(compile(text, "<group>", "exec"), room)  # noqa: S102  - fixed words and numbered names only
        made: Callable[..., None] = room["group"]
        return made


def _named(slots: Iterable[int], *, is_traced: bool) -> list[str]:
    """Return the names of variables, in a traced build each with that of its origin."""
    return [name for slot in slots for name in ((f"v{slot}", f"o{slot}") if is_traced else (f"v{slot}",))]
