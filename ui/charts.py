"""Charts over time: where a person reads values and zooms. Each can be read as a table too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from ui import cells, components, words
from ui.components import Column
from ui.lists import section
from ui.markup import draw

HEIGHT, ROWS = 260, 100
POINTS = (
    Column("When", cells.ago("at"), name="at"),
    Column("Version", cells.text("version"), name="version"),
    Column("Environment", cells.text("environment"), name="environment"),
    Column("Value", lambda row: words.number(row["value"]), name="value", numeric=True),
    Column("n", cells.text("n"), name="n", numeric=True),
)


def metric(model: Mapping[str, Any] | None) -> None:
    """The configured metrics of an opened model over time, a line an environment, with the threshold."""
    if model is None:
        return
    for series in model["series"]:
        points = series["points"]
        better = f"{series['better']} is better"
        newest = cells.ago("at")(points[-1]) if points else None
        aside = (better, "; newest value ", newest) if points else (better,)
        draw(components.heading(f"{model['name']}: {series['metric']}", *aside, level=3))
        if not points:
            components.empty("No value was measured in the last 90 days.")
            continue
        st.plotly_chart(
            _lines(series), width="stretch", key=f"metric-{series['metric']}", config={"displaylogo": False},
            alt=f"{series['metric']} over time",
        )  # fmt: skip
        with st.expander(f"{words.count(len(points), 'value')} as a table"):
            draw(section(series["metric"], points[: -ROWS - 1 : -1], POINTS))


def _lines(series: Mapping[str, Any]) -> Any:
    """plotly is imported here, so that only pages with a chart pay for it."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for environment in dict.fromkeys(point["environment"] for point in series["points"]):
        points: Sequence[Mapping[str, Any]] = [p for p in series["points"] if p["environment"] == environment]
        figure.add_scatter(
            x=[point["at"] for point in points],
            y=[point["value"] for point in points],
            customdata=[f"v{point['version']}, n {point['n']}" for point in points],
            hovertemplate="%{y:.4g}, %{customdata}",
            mode="lines+markers",
            marker={"size": 4},
            name=environment or "no environment",
        )
    if series["threshold"] is not None:
        figure.add_hline(y=series["threshold"], line_dash="dot", annotation_text=f"threshold {series['threshold']:g}")
    figure.update_layout(
        height=HEIGHT, margin={"l": 48, "r": 16, "t": 8, "b": 32}, hovermode="x unified",
        legend={"orientation": "h", "y": 1.12, "x": 0}, uirevision=series["metric"],
    )  # fmt: skip
    return figure
