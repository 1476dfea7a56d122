"""The report shows the charts of the notebooks without code, without the network and without people."""

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest

from flows.report import ARTIFACT_KEY, report
from flows.reporting.notebooks import Choice, Report, ReportFailed
from flows.reporting.notebooks.execution import run_notebooks
from flows.reporting.notebooks.page import HIDDEN, page
from tests.browser import chromium
from tests.browser import page as browser
from tests.command import assert_plain_error, drip_flows
from tests.conftest import Warehouse
from tests.prefect_runs import artifacts, newest_run

PERSONAL = ("email", "first_name || ' ' || last_name", "phone", "ip_address", "address1", "visitor_uuid")
CHART = re.compile(r'<script class="chart-data"[^>]*>(.*?)</script>', re.DOTALL)


class Loaded(HTMLParser):
    """What a browser would load for a page: the addresses in `src` and in `href` of links to style sheets."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag loads."""
        self.addresses += [str(value) for name, value in attrs if name == "src" or (name, tag) == ("href", "link")]


def test_the_flow_writes_a_page_to_share(
    there: Warehouse, prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    output = tmp_path / "new" / "report.html"
    state: Any = report(accounts=["1000001", "1000003"], since="2020-01-01", output=str(output), return_state=True)
    written = state.result(raise_on_failure=False)
    assert isinstance(written, Report), written
    text = output.read_text()
    content = text.split('<script type="module">')[0]
    specs = [json.loads(spec) for spec in CHART.findall(content)]
    assert len(specs) == written.charts > 20
    assert {row["account_id"] for spec in specs for rows in spec["datasets"].values() for row in rows
            if "account_id" in row} == {"1000001", "1000003"}  # fmt: skip
    assert "Can the numbers be trusted" in content
    assert not re.search(r"import pandas|use_accounts|ACCOUNTS =|Traceback", content)
    assert Loaded(text).addresses == []
    known = [value for column in PERSONAL for value in there.column(f"SELECT DISTINCT {column} FROM subscribers")]
    assert len(known) > 500
    assert not [value for value in known if value and len(value) > 5 and value in content]
    link = artifacts(newest_run("drip-report"))[ARTIFACT_KEY]
    assert output.as_uri() in str(link.data)
    if chromium():
        with browser(output.as_uri(), tmp_path / "browser") as tab:
            tab.until(f"document.querySelectorAll('.chart svg').length === {len(specs)}")


def test_addresses_are_replaced_wherever_they_are() -> None:
    output = nbformat.v4.new_output("display_data", {"text/html": "<td>Hello jo.doe+x@example.co.uk, you</td>"})
    warning = nbformat.v4.new_output("stream", name="stderr", text="read /somewhere")
    cell = nbformat.v4.new_code_cell("1", outputs=[output, warning])
    made = page(nbformat.v4.new_notebook(cells=[cell]), datetime(2026, 1, 1, tzinfo=UTC), "A <title>")
    assert f"<td>Hello {HIDDEN}, you</td>" in made
    assert "/somewhere" not in made
    assert "A &lt;title&gt;" in made


def test_a_cell_that_fails_is_named_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    parameters = nbformat.v4.new_code_cell("ACCOUNTS = None", metadata={"tags": ["parameters"]})
    cells = [parameters, nbformat.v4.new_code_cell("raise ValueError(ACCOUNTS[0] + str(UNTIL))")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path := tmp_path / "mine.ipynb")
    seen: list[tuple[str, int, int]] = []
    with pytest.raises(ReportFailed) as failed:
        run_notebooks([path], Choice(accounts=["7"]), lambda *step: seen.append(step))
    assert str(failed.value) == "mine: ValueError: 7None"
    assert seen == [("mine", 1, 2), ("mine", 2, 2)]


def test_what_cannot_start_says_why(there: Warehouse) -> None:
    assert_plain_error(drip_flows("report", "--since", "yesterday's"), "since", "2026-01-31")
    there.path.unlink()
    assert_plain_error(drip_flows("report"), "drip-flows sync")
