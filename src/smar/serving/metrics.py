"""What the service counts, in Prometheus' terms. Knows names and numbers; nothing of requests."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.06, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """Counters of one service; each service has its own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "smar_requests_total", "Requests answered.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "smar_request_seconds",
            "From a request's head to its reply's end.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.steps = Histogram(
            "smar_step_seconds", "Steps of a search.", ["step"], buckets=_SECONDS, registry=self.registry
        )
        self.vectors = Counter(
            "smar_searches_total",
            "Searches by the item vectors they met.",
            ["vectors"],
            registry=self.registry,
        )
        self.remembered = Counter(
            "smar_searches_remembered_total", "Searches whose hits were remembered.", registry=self.registry
        )
        self.refused = Counter("smar_refused_total", "Requests told to come again.", registry=self.registry)
        self.present = Gauge("smar_requests_present", "Requests that run or wait.", registry=self.registry)
        self.queries = Gauge(
            "smar_queries_kept",
            "Queries whose vectors are kept; frequent ones from the start.",
            registry=self.registry,
        )
        self.items = Gauge("smar_items", "Items that are searched.", registry=self.registry)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self.registry)
