"""The curves of a run as a small SVG picture.

Written here rather than by matplotlib, which takes 0.1 s and 25 kB for the same picture: a report has hundreds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from glassliquid.tracking.history import Curve

WIDTHS = (420, 300, 200)
"""Of the panels for accuracy, losses and learning rate [pixels]."""
HEIGHT = 190
TOP, BOTTOM, LEFT, RIGHT = 22, 30, 44, 12
"""Room around the panels for titles, ticks and labels [pixels]."""
BLUE, ORANGE, RED, GREY = "#1f63be", "#d97000", "#c1121f", "#8a8a8a"
CHANCE = 0.5


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes."""

    title: str
    width: int
    """With its margins [pixels]."""
    lines: Sequence[tuple[str, str, Curve]]
    """Name, colour and points."""
    low: float
    high: float
    ticks: Sequence[float]
    logarithmic: bool = False
    guide: float | None = None
    """A dashed horizontal line here."""


def run_picture(curves: Mapping[str, Curve], collapsed: bool) -> Markup | None:
    """Validation accuracy, losses and learning rate of one training; None if nothing of it was recorded."""
    panels: list[Panel | None] = []
    if curves.get("val_accuracy"):
        colour = RED if collapsed else BLUE
        panels.append(_accuracy(WIDTHS[0], [("validation accuracy", colour, curves["val_accuracy"])]))
    losses = [("training loss", ORANGE, "loss"), ("validation loss", BLUE, "val_loss")]
    panels.append(_logarithmic(WIDTHS[1], [(n, c, curves[key]) for n, c, key in losses if curves.get(key)]))
    panels.append(_logarithmic(WIDTHS[2], [("learning rate", GREY, curves.get("learning_rate", []))]))
    present = [panel for panel in panels if panel is not None]
    if present and len(present) < len(panels):  # what is left takes the room
        share = sum(WIDTHS) / sum(panel.width for panel in present)
        present = [replace(panel, width=round(share * panel.width)) for panel in present]
    return draw(present)


def overlay_picture(curves: Sequence[tuple[Curve, bool]]) -> Markup | None:
    """Validation accuracies of many runs in one panel, the collapsed ones red; None if there are none."""
    lines = [("", RED if collapsed else BLUE, curve) for curve, collapsed in curves if curve]
    return draw([_accuracy(sum(WIDTHS), lines)]) if lines else None


def draw(panels: Sequence[Panel]) -> Markup | None:
    """Panels side by side as one SVG element; None if there are none."""
    if not panels:
        return None
    # One range of iterations for all panels, from zero.
    last = max(step for panel in panels for _, _, curve in panel.lines for step, _ in curve)
    parts, offset = [], 0
    for panel in panels:
        parts.append(_panel(panel, offset, max(last, 1)))
        offset += panel.width
    return Markup(
        f'<svg class="curve" viewBox="0 0 {offset} {HEIGHT}" width="{offset}" role="img" '
        f'aria-label="curves of the run">{"".join(parts)}</svg>'
    )


def _accuracy(width: int, lines: Sequence[tuple[str, str, Curve]]) -> Panel:
    lowest = min((value for _, _, curve in lines for _, value in curve), default=CHANCE)
    low = min(0.45, math.floor(lowest * 20) / 20)
    ticks = [tick for tick in (0, 0.25, 0.5, 0.75, 0.9, 1) if tick >= low]
    return Panel(title="accuracy", width=width, lines=lines, low=low, high=1.01, ticks=ticks, guide=CHANCE)


def _logarithmic(width: int, lines: Sequence[tuple[str, str, Curve]]) -> Panel | None:
    values = [value for _, _, curve in lines for _, value in curve if value > 0]
    if not values:
        return None
    low, high = min(values) / 1.15, max(values) * 1.15
    return Panel(
        title=", ".join(name for name, _, curve in lines if curve),
        width=width,
        lines=[(name, colour, [(x, y) for x, y in curve if y > 0]) for name, colour, curve in lines],
        low=low,
        high=high,
        ticks=_logarithmic_ticks(low, high),
        logarithmic=True,
    )


def _logarithmic_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between the bounds, or fewer where these are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        ticks = [digit * 10.0**power for power in powers for digit in digits if low <= digit * 10.0**power <= high]
        if len(ticks) <= 6:
            return ticks
    return ticks[:: math.ceil(len(ticks) / 6)]


def _panel(panel: Panel, offset: int, last: int) -> str:
    left, right = offset + LEFT, offset + panel.width - RIGHT
    scale = math.log10 if panel.logarithmic else float

    def x(step: float) -> float:
        return left + step / last * (right - left)

    def y(value: float) -> float:
        share = (scale(value) - scale(panel.low)) / (scale(panel.high) - scale(panel.low))
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts = [f'<text class="title" x="{left}" y="13">{_legend(panel)}</text>']
    for tick in panel.ticks:
        parts.append(f'<path class="grid" d="M{left} {y(tick):.1f}H{right}"/>')
        parts.append(f'<text x="{left - 5}" y="{y(tick) + 3.5:.1f}" text-anchor="end">{tick:g}</text>')
    if panel.guide is not None:
        parts.append(f'<path class="guide" d="M{left} {y(panel.guide):.1f}H{right}"/>')
    for anchor, place, step in (("start", left, 0), ("end", right, last)):
        parts.append(f'<text x="{place}" y="{HEIGHT - BOTTOM + 14}" text-anchor="{anchor}">{step}</text>')
    middle = (left + right) / 2
    parts.append(f'<text x="{middle:.0f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">iteration</text>')
    for _, colour, curve in panel.lines:
        if not curve:
            continue
        shown = thinned(curve, panel.width)
        points = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in shown)
        parts.append(f'<polyline points="{points}" stroke="{colour}"/>')
        if len(shown) == 1:
            parts.append(f'<circle cx="{x(shown[0][0]):.1f}" cy="{y(shown[0][1]):.1f}" r="2.5" fill="{colour}"/>')
    return "".join(parts)


def thinned(curve: Curve, most: int) -> Curve:
    """A curve of at most `most` points: of each stretch the lowest and the highest, so that no fall is lost."""
    if len(curve) <= most:
        return curve
    length = math.ceil(2 * len(curve) / most)
    stretches = (curve[start : start + length] for start in range(0, len(curve), length))
    extremes = ({min(part, key=_value), max(part, key=_value)} for part in stretches)
    return [point for pair in extremes for point in sorted(pair)]


def _value(point: tuple[int, float]) -> float:
    return point[1]


def _legend(panel: Panel) -> str:
    names = [(name, colour) for name, colour, curve in panel.lines if name and curve]
    if not names:
        return "validation accuracy"
    return ", ".join(f'<tspan fill="{colour}">{name}</tspan>' for name, colour in names)
