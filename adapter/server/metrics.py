"""`/metrics`: how many things are in which state, and how each partner does, for Prometheus.

Numbers and names of states, and ids of organisations; nothing of a message or a person. What is counted
stands in the store, so the figures are the same after a restart. Not behind a token, like `/healthz`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from adapter import __version__

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from prometheus_client.metrics_core import Metric
    from starlette.requests import Request

    from adapter.server.doors import Doors


def endpoint(doors: Doors) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint that Prometheus scrapes."""

    async def metrics(_request: Request) -> Response:
        body = await doors.work(lambda: generate_latest(_registry(doors)))
        return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return metrics


def _registry(doors: Doors) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Store(doors))
    return registry


class _Store:
    """The figures of one moment, read from the store."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    def describe(self) -> list[Metric]:
        """Name nothing beforehand: what is collected says it."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every figure. Raises StoreError if the store does not answer."""
        store = self._doors.relay.store
        version = GaugeMetricFamily("silta_info", "Version and mode.", labels=("version", "mode"))
        version.add_metric((__version__, self._doors.relay.mode.value), 1)
        yield version
        yield GaugeMetricFamily(
            "silta_delivery_runs", "1 while the delivery loop runs.", value=self._doors.is_delivering()
        )
        yield GaugeMetricFamily(
            "silta_held", "1 while a hold stands and nothing leaves.", value=store.hold() is not None
        )
        for what, states in store.counts().items():
            family = GaugeMetricFamily(
                f"silta_{what}", f"How many {what} are in which state.", labels=("state",)
            )
            for state, number in sorted(states.items()):
                family.add_metric((state,), number)
            yield family
        yield from self._partners()
        yield from self._alarms()
        yield from self._reloads()
        commits, operations = store.commits
        yield CounterMetricFamily("silta_store_commits", "Commits since the start.", value=commits)
        yield CounterMetricFamily("silta_store_operations", "Operations they held.", value=operations)

    def _alarms(self) -> Iterator[Metric]:
        family = GaugeMetricFamily("silta_alarms", "Alarms that stand.", labels=("alarm",))
        counted = Counter(code for code, _, _ in self._doors.relay.store.alarms())
        for code, number in sorted(counted.items()):
            family.add_metric((code,), number)
        yield family

    def _reloads(self) -> Iterator[Metric]:
        if self._doors.reloader is not None:
            family = CounterMetricFamily(
                "silta_map_reloads", "Looks for new versions of maps since the start.", labels=("outcome",)
            )
            for outcome, number in self._doors.reloader.counts.items():
                family.add_metric((outcome,), number)
            yield family

    def _partners(self) -> Iterator[Metric]:
        waiting, failures, paused = (
            GaugeMetricFamily(f"silta_partner_{name}", text, labels=("organisation",))
            for name, text in (
                ("waiting", "Copies that wait to be sent to the partner."),
                ("failures", "Failures in a row on the way to the partner."),
                ("paused", "1 while the route to the partner rests."),
            )
        )
        now = self._doors.relay.clock.now()
        for party in self._doors.relay.store.parties():
            waiting.add_metric((party.key,), party.waiting)
            failures.add_metric((party.key,), party.failures)
            paused.add_metric((party.key,), party.paused_until is not None and party.paused_until > now)
        yield from (waiting, failures, paused)
