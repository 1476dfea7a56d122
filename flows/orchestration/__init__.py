"""Prefect: tasks, fan-out, the shared rate limit, artifacts, deployment, secret blocks."""
