"""A sync as Markdown: the artifact that an operator reads."""

from collections.abc import Iterable, Mapping, Sequence

from flows.common.scrubbing import scrub
from flows.pipeline.report import SyncReport
from flows.reporting.summary import again, facts, number, signed, tables, title

BROKEN_OFF = "What landed is kept: the next run goes on from it. The log of this run has the rest."


def summary_markdown(report: SyncReport) -> str:
    """What arrived, what changed, what failed and what to do, requests, duration."""
    if report.stopped:
        return stopped_markdown(report.stopped)
    started = f"{report.started:%Y-%m-%d %H:%M:%S} UTC"
    parts = [f"# {_headline(report)}", escaped(report.summary())]
    parts += [bullets({**facts(report), "Started": started})]
    if report.failures:
        parts += ["## What failed, and what to do", bullets({title(one): one.note for one in report.failures})]
        parts += [escaped(again(report))]
    return "\n\n".join([*parts, "## What arrived", _tables(report)]) + "\n"


def stopped_markdown(reason: str) -> str:
    """A run that could not do its work."""
    return f"# The sync could not do its work\n\n{escaped(reason)}\n\n{BROKEN_OFF}\n"


def bullets(texts: Mapping[str, str]) -> str:
    """A line for each, by its name. Unlike the cells of a table, they wrap."""
    return "\n".join(f"- **{escaped(name)}**: {escaped(text)}" for name, text in texts.items())


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(text: str) -> str:
    """Text from elsewhere in one line, without secrets or anything that Markdown or HTML would take for its own."""
    plain = " ".join(scrub(text).split()).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{letter}" if letter in "\\`*_[]|#" else letter for letter in plain)


def _headline(report: SyncReport) -> str:
    lists, bad = len(report.lists), len(report.failures)
    return f"{bad} of {lists} lists did not arrive whole" if bad else f"All {lists} lists arrived"


def _tables(report: SyncReport) -> str:
    headings = ["table", "lists whole", "rows the API has", "rows loaded", "rows now", "change since the last time",
                "quarantined"]  # fmt: skip
    rows = [
        (one.resource, f"{one.whole} of {one.lists}", number(one.api_rows), number(one.loaded), number(one.total),
         signed(one.change), number(one.quarantined) if one.quarantined else "")
        for one in tables(report)
    ]  # fmt: skip
    return table(headings, rows)
