# /// script
# requires-python = ">=3.11"
# dependencies = ["httpx", "matplotlib", "pillow"]
# ///
"""Draws the dashboard from a Prometheus, without a Grafana: `uv run deploy/grafana/draw.py --out docs/dashboard.png`.

Every expression is asked as Grafana would ask it. One that Prometheus does not understand is an error; panels without
data are named.
"""

import argparse
import json
import time
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from math import isnan, nan
from pathlib import Path
from typing import Any

import httpx
import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

DASHBOARD = Path(__file__).parent / "dashboards" / "badges.json"
COLUMNS = 24
WIDTH, ROW_HEIGHT = 16.0, 0.28
DOTS, PALETTE = 90, 96
STEPS = 240
PAPER, INK, FAINT = "#ffffff", "#24292e", "#d8dce0"
COLOURS = {"green": "#3a9d5d", "orange": "#e08a2e", "red": "#d0453e"}
MOST_NAMED = 9
KILO = 1000
MINUTE = 60

Series = tuple[str, list[datetime], list[float]]
"""Its name, the same times for all, and its values; not a number where there is none."""

Panel = dict[str, Any]


def main() -> None:
    """Ask, draw, and name what has no data."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate-interval", default="1m", help="four scrapes, as Grafana has it")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    panels = json.loads(DASHBOARD.read_text())["panels"]
    mpl.rcParams.update({"font.size": 7, "axes.edgecolor": FAINT, "text.color": INK, "axes.labelcolor": INK})
    height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels)
    figure = plt.figure(figsize=(WIDTH, height * ROW_HEIGHT), facecolor=PAPER)
    with httpx.Client(base_url=chosen.prometheus, timeout=30) as client:
        for panel in panels:
            if panel["type"] == "row":
                figure.text(0.012, 1 - (panel["gridPos"]["y"] + 0.75) / height, panel["title"], size=12, weight="bold")
                continue
            series = ask(client, panel, minutes=chosen.minutes, rate_interval=chosen.rate_interval)
            if not series:
                print(f"no data: {panel['title']}")  # noqa: T201 - what a script is asked for
            axes = place(figure, panel["gridPos"], height)
            (draw_number if panel["type"] == "stat" else draw_lines)(axes, panel, series)
    drawn = BytesIO()
    figure.savefig(drawn, dpi=DOTS, facecolor=PAPER)
    Image.open(drawn).convert("RGB").quantize(PALETTE).save(chosen.out, optimize=True)


def ask(client: httpx.Client, panel: Panel, *, minutes: float, rate_interval: str) -> Sequence[Series]:
    """Return the series of each expression, named by its legend."""
    end = time.time()
    found = []
    for target in panel["targets"]:
        query = target["expr"].replace("$__rate_interval", rate_interval)
        span: dict[str, float] = {"start": end - minutes * 60, "end": end, "step": minutes * 60 / STEPS}
        if target.get("instant"):
            span = {"start": end, "end": end, "step": 1}
        answer = client.get("/api/v1/query_range", params={"query": query, **span}).json()
        if answer["status"] != "success":
            raise SystemExit(f"{panel['title']}: {answer['error']}: {query}")
        for result in answer["data"]["result"]:
            name = target.get("legendFormat", "")
            for label, value in result["metric"].items():
                name = name.replace("{{" + label + "}}", value)
            values = {round((at - span["start"]) / span["step"]): float(value) for at, value in result["values"]}
            numbers = range(round((end - span["start"]) / span["step"]) + 1)
            times = [datetime.fromtimestamp(span["start"] + n * span["step"]).astimezone() for n in numbers]
            found.append((name, times, [values.get(n, nan) for n in numbers]))
    return found


def place(figure: Figure, grid: dict[str, int], height: int) -> Axes:
    """Return axes where Grafana would put the panel."""
    left, width = grid["x"] / COLUMNS, grid["w"] / COLUMNS
    bottom, tall = 1 - (grid["y"] + grid["h"]) / height, grid["h"] / height
    unit = 1 / height
    return figure.add_axes((left + 0.028, bottom + 2.1 * unit, width - 0.04, tall - 3.2 * unit))


def draw_number(axes: Axes, panel: Panel, series: Sequence[Series]) -> None:
    """The last value, on the colour of its threshold."""
    defaults = panel["fieldConfig"]["defaults"]
    value = series[0][2][-1] if series else None
    colour = FAINT
    for step in defaults["thresholds"]["steps"]:
        if value is not None and (step["value"] is None or value >= step["value"]):
            colour = COLOURS[step["color"]]
    box = axes.get_position()
    axes.set_position((box.x0 - 0.018, box.y0 - 0.014, box.width + 0.026, box.height + 0.026))
    axes.set_facecolor(colour)
    axes.set(xticks=[], yticks=[])
    texts = {
        name: text["text"] for mapping in defaults.get("mappings", []) for name, text in mapping["options"].items()
    }
    shown = defaults["noValue"] if value is None else texts.get(f"{value:g}", scaled(value, defaults["unit"]))
    axes.text(0.5, 0.42, shown, transform=axes.transAxes, size=18, color=PAPER, ha="center", va="center")
    axes.text(0.03, 0.86, panel["title"], transform=axes.transAxes, size=8, color=PAPER, va="center", weight="bold")


def draw_lines(axes: Axes, panel: Panel, series: Sequence[Series]) -> None:
    """Lines or stacked areas, the names below."""
    defaults = panel["fieldConfig"]["defaults"]
    axes.set_title(panel["title"], loc="left", size=8.5, weight="bold", color=INK)
    axes.grid(visible=True, color=FAINT, linewidth=0.4)
    axes.tick_params(length=0)
    axes.spines[["top", "right"]].set_visible(False)
    if "stacking" in defaults["custom"] and series:
        heights = [[0.0 if isnan(value) else value for value in values] for _, _, values in series]
        labels = [name for name, _, _ in series]
        axes.stackplot(series[0][1], heights, labels=labels, alpha=0.75, linewidth=0, step="mid")
    else:
        for name, times, values in series:
            axes.plot(times, values, label=name, linewidth=1.1)
    axes.set_ylim(bottom=0, top=defaults.get("max", max((axes.get_ylim()[1] * 1.05, 1e-9))))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: scaled(value, defaults["unit"])))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M", tz=datetime.now().astimezone().tzinfo))
    if series:
        columns = max(1, 90 // (max(len(name) for name, _, _ in series) + 8))
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(
            handles[:MOST_NAMED], labels[:MOST_NAMED], loc="upper left", bbox_to_anchor=(-0.02, -0.09), frameon=False,
            fontsize=6, ncols=columns, labelspacing=0.15, borderpad=0, columnspacing=1.0, handlelength=1.2,
        )  # fmt: skip
    else:
        axes.set_xticks([])
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", color="#8a9199", size=9)


def scaled(value: float, unit: str) -> str:
    """The number with its unit, short."""
    if unit == "s":
        in_seconds = f"{value * KILO:.3g} ms" if 0 < value < 1 else f"{value:.3g} s"
        return f"{value / MINUTE:.3g} min" if value > 2 * MINUTE else in_seconds
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "bytes":
        return f"{value / 2**20:.0f} MB"
    per = "/s" if unit in {"reqps", "ops"} else ""
    return f"{value / KILO:.3g} k{per}" if value >= KILO else f"{value:.3g}{per}"


if __name__ == "__main__":
    main()
