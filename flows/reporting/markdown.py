"""The report of a sync as Markdown, for the Prefect artifact."""

from collections.abc import Iterable, Mapping, Sequence

from flows.common.scrubbing import scrub
from flows.pipeline.report import SyncReport
from flows.reporting.summary import again, facts, number, signed, tables, title

INTERRUPTED = "The landed pages are kept, and the next run resumes from them. See the log of this run for details."


def summary_markdown(report: SyncReport) -> str:
    """The report as Markdown: changes, failures and how to fix them, requests, duration, and all tables."""
    if report.stopped:
        return stopped_markdown(report.stopped)
    started = f"{report.started:%Y-%m-%d %H:%M:%S} UTC"
    parts = [f"# {_headline(report)}", escaped(report.summary())]
    parts += [bullets({**facts(report), "Started": started})]
    if report.failures:
        parts += ["## Failures", bullets({title(one, report.account_names): one.note for one in report.failures})]
        parts += [escaped(again(report))]
    return "\n\n".join([*parts, "## Tables", _tables(report)]) + "\n"


def stopped_markdown(reason: str) -> str:
    """The report of a run that was stopped by an error."""
    return f"# The sync failed\n\n{escaped(reason)}\n\n{INTERRUPTED}\n"


def bullets(texts: Mapping[str, str]) -> str:
    """A bullet list of names and texts. Unlike table cells, they wrap."""
    return "\n".join(f"- **{escaped(name)}**: {escaped(text)}" for name, text in texts.items())


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(text: str) -> str:
    """External text on one line, with secrets removed and Markdown and HTML escaped."""
    plain = " ".join(scrub(text).split()).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{letter}" if letter in "\\`*_[]|#" else letter for letter in plain)


def _headline(report: SyncReport) -> str:
    lists, bad = len(report.lists), len(report.failures)
    return f"{bad} of {lists} lists are incomplete" if bad else f"All {lists} lists arrived"


def _tables(report: SyncReport) -> str:
    headings = ["table", "complete lists", "rows in the API", "rows loaded", "rows now", "change since the last sync",
                "quarantined"]  # fmt: skip
    rows = [
        (one.resource, f"{one.whole} of {one.lists}", number(one.api_rows), number(one.loaded), number(one.total),
         signed(one.change), number(one.quarantined) if one.quarantined else "")
        for one in tables(report)
    ]  # fmt: skip
    return table(headings, rows)
