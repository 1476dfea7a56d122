"""An HTML page of a notebook with outputs: no code, charts that need no network, no addresses of people."""

import json
import re
from datetime import datetime
from html import escape
from typing import Any

import vl_convert
from nbconvert import HTMLExporter
from nbconvert.preprocessors import Preprocessor

CHART = "application/vnd.vegalite.v5+json"
VEGA_LITE = "5.20"
"""The version that Altair writes, of those that vl-convert has."""
ADDRESS = re.compile(r"[^\s@\"'<>(),;:\\]+@[^\s@\"'<>(),;:\\]+\.[^\s@\"'<>(),;:.\\]+")
HIDDEN = "[address]"
CSS = """
:root { color-scheme: light dark; --text: #222; --page: #fff; --line: #8884; }
@media (prefers-color-scheme: dark) { :root { --text: #eee; --page: #333; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); margin: 0; }
main { max-width: 960px; margin: 0 auto; padding: 1rem 1.5rem 4rem; }
h1 { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1.5rem; }
h1:first-of-type { border: 0; margin-top: 0; }
.chart, .jp-RenderedHTMLCommon, .output_html { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; }
caption { text-align: left; opacity: .7; }
td, th { padding: .25rem .6rem; border-bottom: 1px solid var(--line); }
.anchor-link, .prompt { display: none; }
footer { margin-top: 4rem; opacity: .7; font-size: 13px; }
"""
DRAW = """
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
for (const one of document.querySelectorAll("script.chart-data")) {
  const place = one.parentElement.insertBefore(document.createElement("div"), one);
  window.vegaEmbed(place, JSON.parse(one.textContent),
    {mode: "vega-lite", theme: dark ? "dark" : undefined, actions: false, renderer: "svg"});
}
"""


class _Shareable(Preprocessor):
    """Outputs as HTML: charts as data for the script of the page; what was written to stderr is left out."""

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        """One cell of the notebook. The signature is nbconvert's."""
        if cell.cell_type == "code":
            cell.outputs = [_shareable(output) for output in cell.outputs if output.get("name") != "stderr"]
        return cell, resources


def _shareable(output: Any) -> Any:
    if spec := output.get("data", {}).get(CHART):
        text = json.dumps(spec, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
        output.data = {
            "text/html": f'<div class="chart"><script class="chart-data" type="text/plain">{text}</script></div>'
        }
    return output


def page(notebook: Any, made: datetime, title: str) -> str:
    """The page of a notebook that was run. Addresses in it are replaced; everything is in the page itself.

    Args:
        notebook: with the outputs of its cells.
        made: when its numbers were read.
        title: of the page.
    """
    exporter = HTMLExporter(template_name="basic", exclude_input=True, exclude_anchor_links=True)
    exporter.register_preprocessor(_Shareable, enabled=True)
    body, _ = exporter.from_notebook_node(notebook)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{CSS}</style></head>\n<body><main>\n'
        f"{ADDRESS.sub(HIDDEN, body)}\n<footer>{made:%Y-%m-%d %H:%M} UTC, drip-flows</footer></main>\n"
        f'<script type="module">{_library()}{DRAW}</script></body></html>\n'
    )


def _library() -> str:
    """Vega, Vega-Lite and vega-embed, which draw the charts."""
    bundle: Any = vl_convert.javascript_bundle  # its stub asks for a snippet, which the function does not
    return str(bundle(vl_version=VEGA_LITE)).replace("</script", "<\\/script")


def number_of_charts(notebook: Any) -> int:
    """Charts in the outputs of a notebook."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return sum(CHART in output.get("data", {}) for output in outputs)
