"""Clocks and ids that are handed in."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from adapter.relay.clock import CountedIds, RandomIds, SetClock, SystemClock


def test_counted_ids_are_the_same_at_every_run():
    """Two rows of one prefix give the same ids in the same order."""
    one, other = CountedIds(7), CountedIds(7)

    assert [one.new() for _ in range(3)] == [other.new() for _ in range(3)]


def test_no_two_counted_ids_are_alike():
    """Whatever the prefix, no row repeats an id of another, and each is a UUID of version 4."""
    prefixes = [0, 1, 4095, 4096, 4097, 8192, 65_536, 2**47]
    given = [ids.new() for ids in map(CountedIds, prefixes) for _ in range(3)]

    assert len(set(given)) == len(given)
    assert {uuid.UUID(each).version for each in given} == {4}


def test_a_random_id_is_a_uuid():
    """Ids of the running system are UUIDs of version 4, each another."""
    one, other = RandomIds().new(), RandomIds().new()

    assert uuid.UUID(one).version == 4
    assert one != other


def test_a_set_clock_stands_until_it_is_moved():
    """A simulation decides what time it is."""
    clock = SetClock(datetime(2026, 3, 1, tzinfo=UTC))
    clock.move(timedelta(minutes=5))

    assert clock.now() == datetime(2026, 3, 1, 0, 5, tzinfo=UTC)


def test_the_machines_clock_knows_its_zone():
    """No time in the program is without a zone."""
    assert SystemClock().now().utcoffset() == timedelta(0)
