"""One evaluation: its variables, its clock, its callbacks, and what it may still cost.

Every loop of the engine pays for the items it visits, every text for the characters it makes, so that a
short expression over a small resource cannot keep a server busy. The clock is looked at once in `SLICE`
steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypedDict

from adapter.fhirpath.faults import too_costly
from adapter.fhirpath.temporal import from_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from adapter.fhirpath.temporal import Temporal
    from adapter.fhirpath.values import Item, Json

MOMENT, BUNDLE = -1, -2
"""Where a run remembers its moment and the entries of its Bundle; the compiler's own slots count from 1."""
SLICE = 2_000
"""Steps between two looks at the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one evaluation may cost."""

    steps: int = 20_000_000
    """Items visited and characters made; some millions are a second."""
    seconds: float = 10.0
    """Wall time, by `clock`."""
    output: int = 1_000_000
    """Items of the result, or of any collection on the way there."""
    text: int = 10_000_000
    """Characters of one string."""
    clock: Callable[[], float] = monotonic


DEFAULT_BUDGET = Budget()


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What FHIRPath asks of the world around it; each may be absent.

    A callback that is absent where an expression needs it raises Unsupported FP305. Returning None means
    "cannot say", which FHIRPath answers with an empty collection.
    """

    member_of: Callable[[Json, str], bool | None] | None = None
    """Is this code, Coding or CodeableConcept in the value set with this canonical?"""
    subsumes: Callable[[Json, Json], bool | None] | None = None
    """Does the first Coding or CodeableConcept subsume the second?"""
    conforms_to: Callable[[Json, str], bool | None] | None = None
    """Does this resource or element conform to the profile with this canonical?"""
    resolve: Callable[[str], Json | None] | None = None
    """Find the resource of a reference that is in neither the Bundle nor the contained resources."""
    element_definition: Callable[[Json], Json | None] | None = None
    """The ElementDefinition of an element. R4 elementDefinition()."""
    slice: Callable[[list[Json], str, str], list[Json]] | None = None
    """Items that belong to a slice: items, structure, slice name. R4 slice()."""
    trace: Callable[[str, list[Json]], None] | None = None
    """Told of each trace(): its name and the values; nothing is logged without it."""


NO_SERVICES = Services()


class Terms(TypedDict, total=False):
    """What a caller may say of one evaluation, beside the resource and the environment."""

    services: Services
    budget: Budget
    now: datetime | None
    """The moment that now(), today() and timeOfDay() give."""


def now_in_utc() -> datetime:
    """The system's time: what now(), today() and timeOfDay() use if the caller names no moment."""
    return datetime.now(UTC)


class Run:
    """The state of one evaluation.

    One is made for every call, so what most evaluations never touch is a default of the class.
    """

    resource: Item
    context: Item
    """What the expression was asked of, unless the environment says otherwise; as `root`."""
    root: Item
    variables: dict[int, list[Item]]
    memory: dict[int, Any]
    environment: Mapping[str, Any] = MappingProxyType({})
    services = NO_SERVICES
    budget = DEFAULT_BUDGET
    moment: datetime | None = None
    left = SLICE
    index = 0
    total: list[Item] = []  # noqa: RUF012 (replaced, never changed)
    spent = 0
    deadline: float | None = None

    def __init__(self, resource: Item) -> None:
        self.resource = resource

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Make what was not set when it is first asked for."""
        if name in ("root", "context"):
            made: Any = self.resource
        elif name in ("variables", "memory"):
            made = {}
        else:
            raise AttributeError(name)
        setattr(self, name, made)
        return made

    def within(
        self,
        environment: Mapping[str, Any],
        services: Services = NO_SERVICES,
        budget: Budget = DEFAULT_BUDGET,
        now: datetime | None = None,
    ) -> None:
        """Set what the caller gave beside the resource."""
        self.services, self.budget, self.moment = services, budget, now
        if environment:
            this = self.resource
            self.environment = environment
            self.resource = environment.get("resource", this)
            self.root = environment.get("rootResource", self.resource)
            self.context = environment.get("context", this)

    def pay(self) -> None:
        """Settle a slice of steps, and look at the clock. Raises TooCostly FP401 or FP402."""
        budget = self.budget
        self.spent += SLICE - self.left
        self.left = SLICE
        if self.spent > budget.steps:
            raise too_costly("FP401", limit=budget.steps)
        now = budget.clock()
        if self.deadline is None:
            self.deadline = now + budget.seconds
        elif now > self.deadline:
            raise too_costly("FP402", limit=str(budget.seconds))

    def charge(self, steps: int) -> None:
        """Pay for `steps`, whatever they are."""
        self.left -= steps
        if self.left < 0:
            self.pay()

    def hold(self, count: int) -> None:
        """Pay for a collection of `count` items, and refuse one that is too long. Raises FP403."""
        if count > self.budget.output:
            raise too_costly("FP403", limit=self.budget.output)
        self.charge(count)

    def counted(self, items: list[Item]) -> Iterator[Item]:
        """Go through items with `$index` at the place of each; after them it is what it was before."""
        before = self.index
        try:
            for self.index, item in enumerate(items):
                yield item
        finally:
            self.index = before

    def write(self, length: int) -> None:
        """Pay for a text of `length` characters, and refuse one that is too long. Raises FP403."""
        if length > self.budget.text:
            raise too_costly("FP403", limit=self.budget.text)
        self.charge(length >> 4)

    def now(self) -> Temporal:
        """The moment of this evaluation: the same at every mention."""
        known: Temporal | None = self.memory.get(MOMENT)
        if known is None:
            known = self.memory[MOMENT] = from_datetime(self.moment or now_in_utc())
        return known
