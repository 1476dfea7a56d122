"""Starts JupyterLab like `make lab`, and runs a whole notebook in it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.browser import Page, page

TOKEN = "of-this-test"
OPTIONS = ("--no-browser", "--port=0", f"--IdentityProvider.token={TOKEN}", "--expose-app-in-browser")
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension/plugin.jupyterlab-settings": {"autosave": False},
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false", "checkForUpdates": False},
}
"""Settings: render all cells, including invisible ones, do not save, and do not ask whether to fetch news."""
OPENED = "[...jupyterapp.shell.widgets('main')].find(one => one.context?.path === '{name}')"
IDLE = "{opened}.sessionContext.session.kernel.status === 'idle'"
CHARTS = """
    [...document.querySelectorAll('.jp-OutputArea-output .vega-embed')].map(chart => ({
        drawn: chart.querySelectorAll('svg path, svg text').length || !!chart.querySelector('canvas'),
        width: chart.getBoundingClientRect().width,
    }))
"""
ERRORS = """[...document.querySelectorAll('.jp-RenderedText[data-mime-type$="stderr"]')].map(one => one.innerText)"""


@contextmanager
def lab(folder: Path) -> Iterator[tuple[str, str]]:
    """A JupyterLab with the project's notebooks, which keeps its own files in `folder`: its URL and what it said."""
    for name, values in SETTINGS.items():
        path = folder / "settings" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    own = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "IPYTHONDIR": str(folder / "ipython")}
    own |= {"JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces")}
    words = [sys.executable, "-m", "flows.cli.lab", *OPTIONS]
    with subprocess.Popen(words, env=os.environ | own, stderr=subprocess.PIPE, text=True) as server:
        try:
            yield _address(server)
        finally:
            server.terminate()


def _address(server: "subprocess.Popen[str]") -> tuple[str, str]:
    assert server.stderr
    said: list[str] = []
    for line in server.stderr:
        said.append(line)
        if "http://127.0.0.1:" in line:
            port = line.split("http://127.0.0.1:")[1].split("/")[0]
            return f"http://127.0.0.1:{port}", "".join(said)
    raise AssertionError("".join(said))


@contextmanager
def run_notebook(address: str, name: str, folder: Path) -> Iterator[Page]:
    """Open the notebook in a browser and run all its cells."""
    with page(f"{address}/lab/tree/{name}?reset&token={TOKEN}", folder) as tab:
        opened = OPENED.format(name=name)
        tab.until(IDLE.format(opened=opened))
        tab.run(f"jupyterapp.shell.activateById({opened}.id)")
        tab.run("jupyterapp.commands.execute('notebook:run-all-cells')")
        tab.until(IDLE.format(opened=opened))
        yield tab


def charts(tab: Page) -> list[dict[str, Any]]:
    """The visible charts."""
    found: list[dict[str, Any]] = tab.run(CHARTS)
    return found
