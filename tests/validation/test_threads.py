"""One validator, many threads: what is compiled when first met is never seen half made."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from adapter.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Iterator

THREADS = 8
MESSAGES = sorted((Path(__file__).parents[2] / "fixtures" / "messages").glob("*.json"))[:4]
WRONG = {"resourceType": "Patient", "gender": "x", "identifier": [{"use": "x"}]}


@pytest.fixture
def impatient() -> Iterator[None]:
    """Threads that take turns as often as the interpreter lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def said(validator: Validator, resource: Any) -> list[str]:
    """Return what is found in a resource."""
    return [f"{issue.code} {issue.at}" for issue in validator.validate(resource)]


@pytest.mark.usefixtures("impatient")
def test_threads_that_meet_a_new_validator_all_say_the_same(validator: Validator) -> None:
    """Eight threads ask a validator that has compiled nothing, and each gets the answer of a seasoned one."""
    resources = [*(json.loads(path.read_text("utf-8")) for path in MESSAGES), WRONG]
    expected = {number: said(validator, one) for number, one in enumerate(resources)}
    fresh, start = Validator.shipped(), Barrier(THREADS)

    def ask(turn: int) -> dict[int, list[str]]:
        start.wait()
        order = [(turn + number) % len(resources) for number in range(len(resources))]
        return {number: said(fresh, resources[number]) for number in order}

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(ask, range(THREADS)))

    assert answers == [expected] * THREADS
