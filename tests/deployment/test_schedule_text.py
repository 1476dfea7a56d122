"""Schedules are described in words, as Prefect keeps them."""

from datetime import timedelta
from typing import Any

import pytest
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule

from flows.orchestration.schedule_text import schedule_text


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (CronSchedule(cron="17 * * * *"), "hourly, at 17 minutes past"),
        (CronSchedule(cron="5 3 * * *", timezone="Europe/Berlin"), "daily, 03:05 Europe/Berlin"),
        (CronSchedule(cron="*/5 * * * *"), "every 5 minutes"),
        (CronSchedule(cron="0 6 * * 1"), "0 6 * * 1 UTC"),
        (IntervalSchedule(interval=timedelta(hours=6)), "every 6 hours"),
        (IntervalSchedule(interval=timedelta(hours=1)), "every hour"),
        (IntervalSchedule(interval=timedelta(minutes=90)), "every 1.5 hours"),
    ],
)
def test_each_kind(rule: Any, words: str) -> None:
    assert schedule_text([DeploymentSchedule(schedule=rule, active=True)]) == words
    assert schedule_text([DeploymentSchedule(schedule=rule, active=False)]) == f"{words} (paused)"


def test_none() -> None:
    assert schedule_text([]) == "on request"
