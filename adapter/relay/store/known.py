"""What decisions rest on: directory, agreements and consents in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from adapter.errors import StoreError
from adapter.relay.store import consents, references, schema
from adapter.relay.store.asking import Asking
from adapter.relay.store.values import ConsentVersion, FeedState

if TYPE_CHECKING:
    from sqlalchemy import Table

    from adapter.relay.store.prepared import Row


class Known(Asking):
    """The newest versions of what a deployment and its patients have said."""

    _reference_commits = 0
    """How many commits of this process changed directory or agreements."""
    _version: tuple[int, int] | None = None
    """The version that was asked for last, after so many of them."""

    def directory(self) -> list[dict[str, Any]]:
        """Return the resources of the directory that the files hold and that are in force."""
        return [
            _parsed(text)
            for name, text in self._references(schema.directory).items()
            if not references.is_polled(name)
        ]

    def polled_directory(self) -> dict[str, dict[str, Any]]:
        """Return what another server's directory holds, by `type/id`; ids are `FEED_PREFIX` and its own."""
        return {
            name: _parsed(text)
            for name, text in self._references(schema.directory).items()
            if references.is_polled(name)
        }

    def directory_feed(self) -> FeedState | None:
        """Return how the directory of another server does; None if there is none."""
        rows = self.rows(references.FEEDS, {})
        return references.state_of(rows[0]) if rows else None

    def directory_version(self) -> int:
        """Return a number that grows whenever directory or agreements change: a key for caches."""
        if self._ground.has_others:
            return self._asked_version()
        commits = self._reference_commits  # nobody else makes any
        if self._version is None or self._version[0] != commits:
            self._version = (commits, self._asked_version())
        return self._version[1]

    def _asked_version(self) -> int:
        return int(self.rows(references.VERSION, {})[0][0])

    def agreements(self) -> dict[str, dict[str, Any]]:
        """Return the agreements in force, by name."""
        return {name: orjson.loads(text) for name, text in self._references(schema.agreement).items()}

    def _references(self, table: Table) -> dict[str, str]:
        return {row.name: row.body for row in self.rows(references.newest(table))}

    def subject_key(self, system: str, value: str) -> str:
        """Return the keyed hash (64 hex digits) of a patient's identifier; the identifier is not kept."""
        return self._vault.subject(system, value)

    def consents_for(self, subject: str) -> list[ConsentVersion]:
        """Return the newest version of each consent of the subject."""
        return [self._consent(row) for row in self.rows(consents.FOR_SUBJECT, {"subject": subject})]

    def consents(self) -> list[ConsentVersion]:
        """Return the newest version of every consent that has not ended, withdrawn ones too."""
        return [self._consent(row) for row in self.rows(consents.IN_FORCE, {})]

    def consent(self, id: str, version: int | None = None) -> ConsentVersion | None:
        """Return one version, or the newest with content; None if there is none."""
        rows = self.rows(consents.ONE, {"the_id": id})
        found = next((row for row in rows if version in (None, row.version)), None)
        return None if found is None else self._consent(found)

    def _consent(self, row: Row) -> ConsentVersion:
        from adapter.fhir import json as fhir_json

        clear = self._vault.envelope(row.owner, row.wrapped).open(consents.PART, row.sealed)
        resource = fhir_json.read(clear)
        if not isinstance(resource, dict):
            raise StoreError("ST107", params={"owner": row.owner, "part": consents.PART})
        return ConsentVersion(
            id=row.id,
            version=row.version,
            subject=row.subject,
            resource=resource,
            received_at=row.received_at,
            filer=row.filer,
        )


def _parsed(text: str) -> dict[str, Any]:
    from adapter.fhir import json as fhir_json

    resource = fhir_json.read(text.encode())
    if not isinstance(resource, dict):
        raise StoreError("ST107", params={"owner": "directory", "part": "body"})
    return resource
