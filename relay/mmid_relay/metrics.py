"""What Prometheus is told. No label holds a device's name, and each has few values."""

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

# A time of creation beside each counter is for others than Prometheus.
disable_created_metrics()  # type: ignore[no-untyped-call]

REQUESTS = Counter(
    "mmid_relay_requests_total",
    "Requests answered, by path, result and the vendor's code",
    ["path", "result", "vendor_code"],
)
UPSTREAM_SECONDS = Histogram(
    "mmid_relay_upstream_seconds",
    "What a vendor took to answer, or to fail",
    ["vendor", "outcome"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)
LIMITED = Counter("mmid_relay_limited_total", "Requests refused by a limit", ["limit"])
CIRCUIT_OPEN = Gauge("mmid_relay_circuit_open", "1 while a vendor is not asked", ["vendor"])
REPEATS = Counter("mmid_relay_repeats_total", "Registrations answered without asking again")
STORE_FAILURES = Counter("mmid_relay_store_failures_total", "The shared store did not answer")
REVOCATIONS_STALE = Gauge(
    "mmid_relay_revocations_stale", "1 while devices.revoked_file cannot be read"
)

# Codes are the vendors' words: however many they invent, a label stays small.
_MOST_CODES = 60
_codes: set[str] = set()


def code_label(code: str) -> str:
    """Return a vendor's code as a label: the first 60 by name, all others together."""
    if len(_codes) < _MOST_CODES:
        _codes.add(code)
    return code if code in _codes else "other"
