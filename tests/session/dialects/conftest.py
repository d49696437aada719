"""A profile to search for longer than the suite may: pytest --hypothesis-profile=search."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "search",
    max_examples=2_000,
    stateful_step_count=80,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
