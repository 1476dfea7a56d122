"""What a reader sees of a chart: its legend, its order, its width, its colours."""

import re
from itertools import combinations
from typing import Any

import altair as alt
import numpy as np
import vl_convert

PAGE = {None: "#FFFFFF", "dark": "#333333"}
"""The background by theme, in JupyterLab and in the report."""
WIDEST = 800
"""Pixels that JupyterLab has for a chart, beside the file browser, in a window of 1280."""
COLOUR_BLIND = {
    "none": np.eye(3),
    "red": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "green": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
"""How much of red, green and blue is seen of each, by the cone that is missing (Machado, Oliveira, Fernandes 2009)."""


def main_layer(spec: dict[str, Any]) -> dict[str, Any]:
    """The chart itself, or the first of its layers."""
    return spec if "encoding" in spec else dict(spec["layer"][0])


def rows_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that a chart draws; of a chart in layers, those of the first."""
    drawn = spec if "data" in spec else spec["layer"][0]
    return list(spec["datasets"][drawn["data"]["name"]])


def spec_of(chart: alt.Chart | dict[str, Any]) -> dict[str, Any]:
    """The specification of a chart, which takes time to make and can be given in its place."""
    return chart if isinstance(chart, dict) else dict(chart.to_dict())


def colours(chart: Any) -> dict[str, str]:
    """The legend: the colours of the entries, in their order."""
    scale = main_layer(spec_of(chart))["encoding"]["color"]["scale"]
    return dict(zip(scale["domain"], scale["range"], strict=True))


def svg_of(chart: alt.Chart | dict[str, Any], theme: Any = None) -> str:
    """The chart as JupyterLab draws it in a light (None) or dark theme."""
    return str(vl_convert.vegalite_to_svg(spec_of(chart), vl_version="5.20", theme=theme))


def width_of(picture: str) -> float:
    """Pixels of an SVG."""
    found = re.search(r'width="([\d.]+)"', picture)
    assert found
    return float(found[1])


def contrast(one: str, other: str) -> float:
    """The ratio of two colours' luminances, from 1 to 21."""
    dark, light = sorted(float(_linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def least_difference(palette: list[str], missing: str) -> float:
    """How far apart the two nearest colours are to a reader who lacks a cone: 100 from black to white (Oklab)."""
    seen = [_oklab(np.clip(COLOUR_BLIND[missing] @ _linear(colour), 0, 1)) for colour in palette]
    return min(float(np.linalg.norm(one - other)) for one, other in combinations(seen, 2))


def _linear(colour: str) -> Any:
    channels = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def _oklab(linear: Any) -> Any:
    cones = np.array(
        [[0.41222147, 0.53633254, 0.05144599], [0.2119035, 0.68069955, 0.10739696], [0.08830246, 0.28171884, 0.6299787]]
    )
    lab = np.array(
        [
            [0.21045426, 0.79361779, -0.00407205],
            [1.9779985, -2.4285922, 0.45059371],
            [0.02590404, 0.78277177, -0.80867577],
        ]
    )
    return 100 * lab @ np.cbrt(cones @ linear)
