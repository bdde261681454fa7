"""The curves of a run as a small SVG picture.

Written here rather than by matplotlib, which takes 0.1 s and 25 kB for the same picture: a report has hundreds.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from glassliquid.evaluation.fate import Fate
from glassliquid.tracking.history import Curve

WIDTHS = (420, 300, 200)
"""Of the panels for accuracy, losses and learning rate [pixels]."""
HEIGHT = 190
TOP, BOTTOM, LEFT, RIGHT = 22, 30, 44, 12
"""Room around the panels for titles, ticks and labels [pixels]."""
BLUE, ORANGE, RED, GREY = "#1f63be", "#d97000", "#c1121f", "#8a8a8a"
CHANCE = 0.5
COLOURS: Mapping[Fate | None, str] = {Fate.COLLAPSED: RED, Fate.NEVER_LEARNED: GREY}
"""Of the accuracy of runs that did not go well."""


Line = tuple[str, str, Curve]
"""Name, colour and points."""


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    width: int
    """With its margins [pixels]."""
    lines: Sequence[Line]
    low: float
    high: float
    ticks: Sequence[float]
    logarithmic: bool = False
    is_stepped: bool = False
    """Whether a value holds for a whole iteration, as a learning rate does."""


def run_picture(curves: Mapping[str, Curve], fate: Fate | None) -> Markup | None:
    """Validation accuracy, losses and learning rate of one training run; None if nothing of it was recorded."""
    accuracy = [("validation accuracy", COLOURS.get(fate, BLUE), curves.get("val_accuracy", ()))]
    losses = [
        ("training loss", ORANGE, _positive(curves.get("loss", ()))),
        ("validation loss", BLUE, _positive(curves.get("val_loss", ()))),
    ]
    rate = [("learning rate", GREY, _positive(curves.get("learning_rate", ())))]
    makers = (_accuracy, _logarithmic, _rate)
    present = [
        (maker, width, shown)
        for maker, width, lines in zip(makers, WIDTHS, (accuracy, losses, rate), strict=True)
        if (shown := [line for line in lines if line[2]])
    ]
    share = sum(WIDTHS) / max(sum(width for _, width, _ in present), 1)  # what is left takes the room
    return draw([maker(round(share * width), lines) for maker, width, lines in present])


def overlay_picture(curves: Sequence[tuple[Curve, Fate | None]]) -> Markup | None:
    """Validation accuracies of many runs in one panel: collapsed ones red, those that never learned grey; None if there are none."""
    lines = [("", COLOURS.get(fate, BLUE), curve) for curve, fate in curves if curve]
    return draw([_accuracy(sum(WIDTHS), lines)] if lines else [])


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


def _positive(curve: Curve) -> Curve:
    return [(step, value) for step, value in curve if value > 0]


def _accuracy(width: int, lines: Sequence[Line]) -> Panel:
    lowest = min(value for _, _, curve in lines for _, value in curve)
    low = min(0.45, math.floor(lowest * 20) / 20)
    return Panel(width, lines, low, 1.0, [tick for tick in (0, 0.25, CHANCE, 0.75, 0.9, 1) if tick >= low])


def _logarithmic(width: int, lines: Sequence[Line], is_stepped: bool = False) -> Panel:
    values = [value for _, _, curve in lines for _, value in curve]
    low, high = min(values) / 1.15, max(values) * 1.15
    # Where no round number lies between, as around a constant rate of 0.003: the ends of the curves.
    ticks = _logarithmic_ticks(low, high) or sorted({float(f"{end:.2g}") for end in (min(values), max(values))})
    return Panel(width, lines, low, high, ticks, logarithmic=True, is_stepped=is_stepped)


def _rate(width: int, lines: Sequence[Line]) -> Panel:
    return _logarithmic(width, lines, is_stepped=True)


def _logarithmic_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between the bounds, or fewer where these are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        ticks = [digit * 10.0**power for power in powers for digit in digits if low <= digit * 10.0**power <= high]
        if len(ticks) <= 6:
            return ticks
    return ticks[:: math.ceil(len(ticks) / 6)]


def _panel(panel: Panel, offset: int, last: int) -> str:
    left, right, bottom = offset + LEFT, offset + panel.width - RIGHT, HEIGHT - BOTTOM
    scale = math.log10 if panel.logarithmic else float

    def x(step: float) -> str:
        return f"{left + step / last * (right - left):.1f}"

    def y(value: float) -> float:
        share = (scale(value) - scale(panel.low)) / (scale(panel.high) - scale(panel.low))
        return bottom - share * (bottom - TOP)

    parts = [f'<text class="title" x="{left}" y="13">{_legend(panel)}</text>']
    for tick in panel.ticks:
        parts.append(f'<path class="grid" d="M{left} {y(tick):.1f}H{right}"/>')
        parts.append(f'<text x="{left - 5}" y="{y(tick) + 3.5:.1f}" text-anchor="end">{tick:g}</text>')
    if not panel.logarithmic:
        parts.append(f'<path class="guide" d="M{left} {y(CHANCE):.1f}H{right}"/>')
    for step in iteration_ticks(last):
        parts.append(f'<path class="grid" d="M{x(step)} {TOP}V{bottom}"/>')
        parts.append(f'<text x="{x(step)}" y="{bottom + 13}" text-anchor="middle">{step}</text>')
    parts.append(f'<text x="{round((left + right) / 2)}" y="{bottom + 26}" text-anchor="middle">iteration</text>')
    for _, colour, curve in panel.lines:
        shown = thinned(curve, panel.width)
        points = [(x(step), f"{y(value):.1f}") for step, value in (stepped(shown) if panel.is_stepped else shown)]
        parts.append(f'<polyline points="{" ".join(map(",".join, points))}" stroke="{colour}"/>')
        if len(points) == 1:
            parts.append(f'<circle cx="{points[0][0]}" cy="{points[0][1]}" r="2.5" fill="{colour}"/>')
    return "".join(parts)


def iteration_ticks(last: int) -> list[int]:
    """Iterations to mark: 0 and every 1, 2 or 5 times a power of ten, three to six of them where there are so many."""
    power = 10 ** max(len(str(last)) - 2, 0)
    step = next(size * power for size in (1, 2, 5, 10, 20, 50) if last / (size * power) <= 5)
    return list(range(0, last + 1, step))


def stepped(curve: Curve) -> Curve:
    """The corners of a line on which each value holds from the iteration before to its own."""
    corners = [((before, value), (step, value)) for (before, _), (step, value) in itertools.pairwise(curve)]
    return [*curve[:1], *(point for pair in corners for point in pair)]


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
    names = [f'<tspan fill="{colour}">{name}</tspan>' for name, colour, _ in panel.lines if name]
    return ", ".join(names) or "validation accuracy"
