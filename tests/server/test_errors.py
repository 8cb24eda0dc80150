"""Every error has its HTTP status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter import errors, outcome
from adapter.errors import AdapterError, Conflict, Malformed, NotPermitted, TooCostly
from adapter.server.errors import FRAMEWORK_FINDING, STATUS_OF_ERROR, STATUS_OF_FINDING, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def tree(root: type[AdapterError]) -> Iterator[type[AdapterError]]:
    yield root
    for branch in root.__subclasses__():
        if branch.__module__ == errors.__name__:
            yield from tree(branch)


@pytest.mark.parametrize("kind", list(tree(AdapterError)), ids=lambda kind: kind.__name__)
def test_every_class_of_the_tree_has_a_row(kind: type[AdapterError]) -> None:
    """No class of `adapter.errors` gets its status by chance."""
    assert kind in STATUS_OF_ERROR


@pytest.mark.parametrize(
    "code",
    [code for code in outcome.catalogue() if code.startswith(("AC", "IN"))],
)
def test_every_finding_of_the_doors_has_a_row(code: str) -> None:
    """A door's own finding has a status of its own."""
    assert code in STATUS_OF_FINDING


@pytest.mark.parametrize("code", [*STATUS_OF_FINDING, *FRAMEWORK_FINDING.values()])
def test_every_row_is_of_a_finding(code: str) -> None:
    """The table names no finding that the catalogue does not have."""
    assert outcome.finding(code).text["en"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Malformed("FH101"), 400),
        (Conflict("ST120"), 409),
        (TooCostly("FH101"), 400),
        (TooCostly("IN101"), 413),
        (NotPermitted("AC101"), 401),
        (NotPermitted("AC104"), 403),
    ],
)
def test_a_finding_stands_above_its_class(error: AdapterError, status: int) -> None:
    """The class gives the status unless the finding knows better."""
    assert status_of(error) == status
