"""Names and units in figures."""

import pytest
from matplotlib.mathtext import MathTextParser

from glassliquid.physics.fields import FIELDS
from glassliquid.plots.axes import with_formulas


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_figures_show_symbols_where_tables_have_letters(field):
    shown = with_formulas(f"{field} [{field.unit}]")
    outside = "".join(shown.split("$")[::2])
    assert not [letters for letters in ("_", "^", "psi") if letters in outside]
    MathTextParser("path").parse(shown)  # raises at a formula that matplotlib cannot set


def test_the_square_of_a_length_is_a_square():
    assert with_formulas("area [sigma_AA^2], |psi6|") == r"area [$\sigma_{AA}^2$], |$\psi_6$|"
