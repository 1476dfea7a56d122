"""Schedules of deployments in words."""

import re
from collections.abc import Sequence
from datetime import timedelta

from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule

HOURLY, DAILY = re.compile(r"(\d+) \* \* \* \*"), re.compile(r"(\d+) (\d+) \* \* \*")
MINUTES = re.compile(r"\*/(\d+) \* \* \* \*")


def schedule_text(schedules: Sequence[DeploymentSchedule]) -> str:
    """When a deployment runs: `hourly, at 17 minutes past`, or `on request` where it has no schedule."""
    return ", ".join(map(_in_words, schedules)) or "on request"


def _in_words(schedule: DeploymentSchedule) -> str:
    """A schedule in words; a rare one as Prefect writes it."""
    rule = schedule.schedule
    if isinstance(rule, CronSchedule):
        words = _cron(rule.cron, rule.timezone or "UTC")
    elif isinstance(rule, IntervalSchedule):
        hours = rule.interval / timedelta(hours=1)
        words = f"every {hours:g} hours" if hours != 1 else "every hour"
    else:
        words = str(rule)
    return words if schedule.active else f"{words} (paused)"


def _cron(cron: str, timezone: str) -> str:
    if found := HOURLY.fullmatch(cron):
        return f"hourly, at {found[1]} minutes past"
    if found := DAILY.fullmatch(cron):
        return f"daily, {int(found[2]):02}:{int(found[1]):02} {timezone}"
    if found := MINUTES.fullmatch(cron):
        return f"every {found[1]} minutes"
    return f"{cron} {timezone}"
