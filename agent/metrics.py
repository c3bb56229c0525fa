"""What a runner counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from stream.events import RunEnded, RunFailed


class Metrics:
    """A registry of its own, so that two runners in a process do not clash."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._active = Gauge("lastword_runs_active", "Runs in progress.", registry=self._registry)
        self._ended = Counter(
            "lastword_runs_ended",
            "Runs that ended, by how: completed, cancelled, or an error's code.",
            ["how"],
            registry=self._registry,
        )

    def started(self) -> None:
        self._active.inc()

    def ended(self, end: RunEnded) -> None:
        how = end.code if isinstance(end, RunFailed) else end.type.removeprefix("run_")
        self._active.dec()
        self._ended.labels(how).inc()

    def exposition(self) -> bytes:
        """All values in Prometheus' text format."""
        return generate_latest(self._registry)
