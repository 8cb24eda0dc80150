"""Another master key: the old one opens nothing any more, and nothing else is different."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter.errors import StoreError
from adapter.relay.clock import SetClock
from adapter.relay.store import Store
from tests.relay.world import NOON, SUBJECT, address_of, intake, open_store, raw_rows, settle_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.relay.cluster import Cluster

NEW = bytes(range(100, 132))
NEWEST = bytes(range(200, 232))


def opened(folder: Path, key: bytes) -> Store:
    """Open the folder's store with another key than the tests' own."""
    return Store.open(address_of(folder), key=key, clock=SetClock(NOON))


@pytest.fixture
def rotated(folder: Path) -> Iterator[Store]:
    """A store with a message whose key was changed twice, the second time after it was opened again."""
    with open_store(folder) as store:
        store.commit_intake(intake(1))
        assert store.rotate_key(NEW, actor="vaara", reason="yearly") > 0
        store.commit_intake(intake(2))
    with opened(folder, NEW) as store:
        store.rotate_key(NEWEST, actor="vaara", reason="the key was seen")
    with opened(folder, NEWEST) as store:
        yield store


def test_content_of_every_time_is_read(rotated: Store) -> None:
    """What was taken in under the first and the second key opens under the third."""
    messages = rotated.messages(subject=SUBJECT)

    assert [rotated.content(each.id, "original") for each in messages] == [
        intake(number).original for number in (2, 1)
    ]


def test_a_repeat_is_still_known(rotated: Store) -> None:
    """Fingerprints go on: the same submission gets the same stored answer."""
    known = rotated.messages(subject=SUBJECT)[-1]

    assert rotated.commit_intake(intake(1)).message == known.id


def test_the_trail_is_one_and_names_who_did_it(rotated: Store) -> None:
    """One chain over all three keys, with both changes, their actor and their reasons."""
    rows = [row for row in rotated.audit_rows(object="store", limit=100) if row.action == "rotate-key"]

    assert rotated.verify_audit() is None
    assert [(row.actor, row.reason) for row in rows] == [("vaara", "yearly"), ("vaara", "the key was seen")]


@pytest.mark.parametrize("key", [bytes(range(32)), NEW], ids=["first", "second"])
def test_no_earlier_key_opens_it(rotated: Store, folder: Path, key: bytes) -> None:
    """Whoever kept an old key has nothing in hand."""
    rotated.close()

    with pytest.raises(StoreError) as caught:
        opened(folder, key)

    assert caught.value.issues[0].code == "ST103"


def test_no_key_is_left_wrapped_by_an_earlier_one(rotated: Store, folder: Path) -> None:
    """Every row names the newest master, or was forgotten."""
    masters = {
        row[0] for row in raw_rows(folder, "SELECT master FROM content_key UNION SELECT master FROM node")
    }

    assert masters == {rotated._vault.name}


def test_not_while_another_node_lives(tmp_path: Path, cluster: Cluster) -> None:
    """A node with the old key would write what nobody opens: on PostgreSQL all others have to stop first."""
    settle_on(tmp_path, address := cluster.database())
    with open_store(tmp_path) as one, open_store(tmp_path), pytest.raises(StoreError) as caught:
        one.rotate_key(NEW, actor="vaara", reason="yearly")

    assert caught.value.issues[0].code == "ST139"
    open_store(tmp_path).close()
    cluster.drop(address)
