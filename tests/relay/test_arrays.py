"""Arrays in binary: what the database reads is what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Boolean, Integer, LargeBinary, String, Text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from adapter.errors import Malformed
from adapter.relay.store.arrays import kind_of
from adapter.relay.store.postgres import PostgresGround

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.types import TypeEngine

    from tests.relay.cluster import Cluster

CASES: list[tuple[TypeEngine[Any], str, list[Any]]] = [
    (String(), "text", ["", "a", None, 'Mäkelä, "Öhman" {NULL}\\ \'', "NULL", "𝄞" * 5]),
    (Text(), "text", [None, None]),
    (Integer(), "integer", [0, 1, -1, None, 2**31 - 1, -(2**31)]),
    (Boolean(), "boolean", [True, None, False]),
    (LargeBinary(), "bytea", [b"", None, bytes(range(256)), b"\0"]),
    (String(), "text", []),
]


@pytest.fixture(scope="module")
def ground(cluster: Cluster) -> Iterator[PostgresGround]:
    """An empty database."""
    address = cluster.database(migrated=False)
    ground = PostgresGround(make_url(address))
    yield ground
    ground.abandon()
    cluster.drop(address)


@pytest.mark.parametrize(("type_", "name", "values"), CASES, ids=[str(case[2])[:20] for case in CASES])
def test_it_comes_back_as_it_was_given(
    ground: PostgresGround, type_: TypeEngine[Any], name: str, values: list[Any]
) -> None:
    """Row for row and in order: nulls, texts that look like syntax, the ends of each range."""
    asked = f"SELECT * FROM unnest(%s::{name}[]) WITH ORDINALITY AS given ORDER BY 2"  # noqa: S608

    with ground.reading.connect() as connection:
        rows = connection.exec_driver_sql(asked, (kind_of(type_).of(values),)).all()

    assert [row[0] for row in rows] == values


def test_no_text_with_a_nul_gets_in(ground: PostgresGround) -> None:
    """As anywhere else, that is the caller's fault."""
    with pytest.raises(DBAPIError) as caught, ground.reading.connect() as connection:
        connection.exec_driver_sql("SELECT %s::text[]", (kind_of(String()).of(["a", "b\0c"]),))

    assert isinstance(ground.translated(caught.value), Malformed)
