"""The README's pictures: charts of the notebooks, drawn from the configured database."""

from pathlib import Path

from flows import charts, metrics
from flows.dataset import load
from tests.conftest import PROJECT

FOLDER = PROJECT / "docs"


def draw(folder: Path) -> list[Path]:
    """Draw the pictures into a folder, as SVG with text elements. Returns their paths."""
    accounts = load("accounts", columns=["id", "name"])
    subscribers = load("subscribers", columns=["account_id", "id", "status", "created_at"])
    charts.use_accounts(accounts, subscribers)
    pictures = {
        "growth": charts.audience_growth(metrics.audience_growth(subscribers)),
        "status": charts.status_mix(metrics.status_mix(subscribers)),
        "tags": charts.tag_overlap(metrics.tag_overlap(load("subscriber_tags"))),
        "broadcasts": charts.calendar(metrics.calendar(load("broadcasts"))),
    }
    for name, chart in pictures.items():
        chart.save(folder / f"{name}.svg")
    return [folder / f"{name}.svg" for name in pictures]


if __name__ == "__main__":
    draw(FOLDER)
