"""The tree of exceptions: every branch has an issue-type, and says itself without a traceback."""

from __future__ import annotations

import pytest

from adapter import errors
from adapter.errors import AdapterError
from adapter.outcome import catalogue


def tree(branch: type[AdapterError] = AdapterError) -> list[type[AdapterError]]:
    """Every class below `branch`, itself included."""
    return [branch, *(leaf for child in branch.__subclasses__() for leaf in tree(child))]


@pytest.mark.parametrize("kind", tree(), ids=lambda kind: kind.__name__)
def test_an_error_says_code_and_place(kind):
    """The text of an error begins with its code and says where."""
    code = next(iter(catalogue()))

    said = str(kind(code, at="Bundle.entry[0]", line=3))

    assert said.startswith(f"{code} Bundle.entry[0] line 3: ")


def test_the_drawing_shows_the_whole_tree():
    """The tree drawn at the top of the file names every class of it."""
    assert all(kind.__name__ in errors.__doc__ for kind in tree())


def test_only_passing_trouble_is_worth_a_repeat():
    """Exactly the two delivery errors that may pass allow the same call again."""
    assert {kind.__name__ for kind in tree() if kind.retry} == {"TransientDelivery", "AmbiguousDelivery"}
