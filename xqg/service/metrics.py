"""The metrics of the service, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The metrics of one service, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        names = ["method", "route", "status"]
        self._requests = Counter("xqg_requests", "Requests answered", names, registry=self._registry)
        self._seconds = Histogram(
            "xqg_request_seconds", "Time to the answer", ["method", "route"], buckets=SECONDS, registry=self._registry
        )
        self._ended = Counter("xqg_jobs_ended", "Jobs that ended", ["state"], registry=self._registry)
        self._passages = Counter(
            "xqg_passages", "Passages of jobs that ended, by what became of them", ["outcome"], registry=self._registry
        )
        self._jobs = Gauge("xqg_jobs", "Jobs in the queue's records", ["state"], registry=self._registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. :param route: its template, so that there are few of them."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def job_ended(self, state: str, counts: Mapping[str, Any]) -> None:
        """Count a job and its passages."""
        self._ended.labels(state).inc()
        for outcome in ("upserted", "skipped", "rejected", "deleted"):
            self._passages.labels(outcome).inc(counts.get(outcome, 0))

    def text(self, jobs: Callable[[], Mapping[str, int]]) -> bytes:
        """All metrics in Prometheus's text format."""
        for state, number in jobs().items():
            self._jobs.labels(state).set(number)
        return generate_latest(self._registry)
