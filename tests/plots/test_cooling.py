"""The cooling: two ensembles told apart in grey, and legends that lie on no curve."""

import io

import numpy as np

from glassliquid.physics.protocol import INTERVALS, temperature
from glassliquid.plots.cooling import Cooled, Mark, cooling_figure
from glassliquid.trajectories.trajectory import CoolingCurve


def test_two_ensembles_differ_in_dashes_and_no_legend_lies_on_a_panel():
    t = np.array([temperature(index) for index in range(INTERVALS + 1)])
    curves = [CoolingCurve(t, 1.1 * t - shift, 5 * t) for shift in (4.0, 4.1)]
    energies = np.array([[-3.7, -3.8, -3.83]] * 2)
    slow = Cooled("slow", curves, (0, 100, 200), energies, Mark(0.35, "measured $T_g$ = 0.35 (0.33 to 0.37)"))
    fast = Cooled("fast", curves, (0, 100, 200), energies + 0.01)
    figure = cooling_figure([slow, fast], "energies", (120.3, -3.826))
    figure.savefig(io.BytesIO(), bbox_inches="tight")
    for axes in figure.axes:
        assert axes.get_lines()[0].get_linestyle() != axes.get_lines()[1].get_linestyle()
        if (legend := axes.get_legend()) is not None:
            assert legend.get_window_extent().x0 >= axes.get_window_extent().x1
    labels = [text.get_text() for text in figure.axes[-1].get_legend().get_texts()]
    assert "equal energy: index 120.3,\n$e_{IS}$ = -3.8260" in labels
