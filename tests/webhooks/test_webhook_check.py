"""A webhook of the receiver that is gone, elsewhere or disabled: the sync and the freshness check say so."""

from pathlib import Path
from typing import Any

from flows.reporting.freshness import Limits, check_freshness
from flows.reporting.summary import facts
from flows.sandbox import World
from tests.command import drip_flows
from tests.conftest import Warehouse
from tests.webhooks.conftest import ACCOUNT

CHANGES: dict[str, Any] = {
    "disabled": lambda hooks, made: hooks.update(made, enabled=False),
    "posts elsewhere": lambda hooks, made: hooks.update(made, enabled=True, post_url="https://elsewhere.example.com/x"),
    "is gone": lambda hooks, made: hooks.delete([made]),
}
"""By what the report says, a change in the API. They are made one after another."""


def test_a_webhook_that_does_not_post_to_us(sync: Any, warehouse: Warehouse, world: World, spool_folder: Path) -> None:
    made = drip_flows("webhooks", "register", "--account", ACCOUNT, "--public-url", "https://x.example.com", "--yes")
    assert made.exit_code == 0, made.output
    report = sync(resources=["webhooks"])
    assert (report.webhook_problems, "Webhooks" in facts(report)) == ({}, False)
    assert not check_freshness(Limits(shrink=1.0), None, ["webhooks"], warehouse.destination).problems  # type: ignore[arg-type]
    for words, change in CHANGES.items():
        change(world.account(ACCOUNT).records["webhooks"], "7000002")
        report = sync(resources=["webhooks"])
        assert words in report.webhook_problems[ACCOUNT]
        assert words in facts(report)["Webhooks"]
        (problem,) = check_freshness(Limits(shrink=1.0), None, ["webhooks"], warehouse.destination).problems  # type: ignore[arg-type]
        assert (problem.account, problem.resource, words in problem.text) == (ACCOUNT, "webhooks", True)
    assert sync(resources=["tags"]).webhook_problems == {}
