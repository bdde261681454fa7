"""Settings: declared once, checked when made, stored with a version and read back from any older one."""

import re
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import pytest

from glassliquid.errors import UserError
from glassliquid.settings import Absent, Choice, Field, FromText, fields_of, restored, settings, stored, whole_numbers


@settings
class Example:
    """Settings of every kind."""

    VERSION: ClassVar[int] = 3
    UPGRADES: ClassVar[dict[int, Any]] = {1: lambda old: {**old, "rate": old["rate"] / 10}}

    batch_size: Annotated[int, Field(ge=1, le=1000)] = 80
    """Images in a batch."""
    patience: Annotated[int | None, Field(ge=1), Absent("none")] = None
    """Stop after this many validations."""
    rate: Annotated[float, Field(gt=0)] = 0.001
    """Rate."""
    augment: bool = True
    """Whether images are turned."""
    network: Annotated[str, Choice(lambda: ("small", "large"))] = "small"
    """Which network."""
    thresholds: tuple[tuple[float, float | None], ...] = ((0.9, None),)
    """Pairs."""
    sizes: Annotated[tuple[int, ...] | None, FromText(whole_numbers, "sizes such as 8,16, or all"), Absent("all")] = (
        None
    )
    """Sizes."""

    def __post_init__(self) -> None:
        if self.batch_size == 13:
            raise UserError("batch_size is 13: pass another number.")


def test_the_sentence_below_a_field_is_its_description() -> None:
    assert fields_of(Example)["batch_size"].description == "Images in a batch."


def test_text_of_a_command_line_becomes_values() -> None:
    made = Example(batch_size="50.0", patience="none", augment="false", rate="0.01")  # type: ignore[arg-type]
    assert (made.batch_size, made.patience, made.augment, made.rate) == (50, None, False, 0.01)
    assert type(made.batch_size) is int


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"batch_size": "0"}, "batch_size is 0, outside the allowed range 1 to 1000: pass a value in that range."),
        ({"batch_size": "many"}, "batch_size is 'many': pass a whole number."),
        ({"batch_size": "1.5"}, "batch_size is '1.5': pass a whole number."),
        ({"patience": "auto"}, "patience is 'auto': pass a whole number or none."),
        ({"rate": "0"}, "rate is 0, but it must be greater than zero: pass a positive number."),
        ({"rate": "nan"}, "rate is 'nan': pass a number such as 0.001."),
        ({"augment": "perhaps"}, "augment is 'perhaps': pass true or false."),
        ({"network": "huge"}, "network is 'huge', which is not known: choose one of small, large."),
        ({"batch_size": 13}, "batch_size is 13: pass another number."),
        ({"batch_size": "9" * 5000}, f"batch_size is '{'9' * 199}: pass a whole number."),
        ({"sizes": "8,many"}, "sizes is '8,many': pass sizes such as 8,16, or all."),
    ],
)
def test_a_wrong_value_is_refused_in_a_sentence(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(sentence)}$"):
        Example(**given)


def test_a_replaced_value_is_checked_too() -> None:
    with pytest.raises(UserError, match="outside the allowed range"):
        replace(Example(), batch_size=0)


def test_stored_settings_come_back_equal_and_carry_their_version() -> None:
    example = Example(batch_size=7, patience=3, thresholds=((0.5, None), (0.9, 0.1)), sizes="8,16")  # type: ignore[arg-type]
    value = stored(example)
    assert value["version"] == 3
    assert value["thresholds"] == [[0.5, None], [0.9, 0.1]]
    assert value["sizes"] == [8, 16]
    assert restored(Example, value, "The settings") == example


def test_older_forms_are_upgraded_step_by_step_and_new_fields_get_their_defaults() -> None:
    # Version 1 counted the rate in tenths and knew no patience; it carries no version, as files did before there were any.
    assert restored(Example, {"batch_size": 7, "rate": 0.5}, "The settings") == Example(batch_size=7, rate=0.05)
    assert restored(Example, {"version": 2, "rate": 0.5}, "The settings") == Example(rate=0.5)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"version": 4},
            "The settings are of version 4, but this program reads only up to 3: use the newer version of glassliquid",
        ),
        ({"version": True}, "are damaged (their version is 'True')"),
        ({"momentum": 0.9}, "The settings have 'momentum', which this version of glassliquid does not know"),
        ({"batch_size": "80"}, "are damaged (batch_size is '80': pass a whole number)"),
        ({"batch_size": True}, "are damaged (batch_size is True: pass a whole number)"),
        ({"rate": float("nan")}, "are damaged (rate is nan"),
        ({"thresholds": [[0.9]]}, "are damaged (thresholds.0.1 is missing"),
        ({"batch_size": 13}, "are damaged (batch_size is 13: pass another number)"),
        # What a command line has for None and for a list is no value in a file.
        ({"patience": "none"}, "are damaged (patience is 'none': pass a whole number or none)"),
        ({"sizes": "8,16"}, "are damaged (sizes is '8,16': Input should be a valid array)"),
        ({"batch_size": 10**5000}, "are damaged (Exceeds the limit"),
    ],
)
def test_a_damaged_or_newer_form_is_refused_in_a_sentence(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=re.escape(sentence)):
        restored(Example, {**stored(Example()), **changed}, "The settings")


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(UserError, match="not a table of values"):
        restored(Example, [1, 2], "The settings")


def test_a_list_that_a_command_line_writes_as_text_comes_back_from_a_file():
    text = FromText(lambda text: tuple(map(int, text.split(","))), "indices such as 5,200")

    @settings
    class Listed:
        """Settings with a list."""

        indices: Annotated[tuple[int, ...], text] = (5,)
        """Indices."""

    assert Listed(indices="5,200").indices == (5, 200)
    assert restored(Listed, stored(Listed(indices="5,200")), "The settings").indices == (5, 200)
    with pytest.raises(UserError, match="damaged"):
        restored(Listed, {"indices": "5,200"}, "The settings")
