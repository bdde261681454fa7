"""Settings as parameters: which there are, their texts, and the settings that texts say."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import pytest

from glassliquid.errors import UserError
from glassliquid.parameters import Part, changed_texts, from_texts, parameters_of, positional, to_texts
from glassliquid.settings import Absent, Choice, Field, FromText, settings, whole_numbers


@settings
class Inner:
    rate: Annotated[float, Field(gt=0)] = 0.00001
    """Rate."""
    seed: int = 7
    """Seed."""


@settings
class Outer:
    name: str = "data"
    """Name."""
    inner: Annotated[Inner, Part(without=("seed",))] = Field(default_factory=Inner)
    """Not a parameter itself."""
    sizes: Annotated[tuple[int, ...] | None, FromText(whole_numbers, "sizes such as 8,16, or all"), Absent("all")] = (
        None
    )
    """Sizes."""
    turned: bool = True
    """Whether it is turned."""
    kind: Annotated[str, Choice(lambda: ("small", "large"))] = "small"
    """Kind."""
    folder: Annotated[Path | None, Absent("none")] = None
    """Folder."""
    since: Annotated[datetime | None, FromText(datetime.fromisoformat, "a date"), Absent("none")] = None
    """Since when."""


def test_settings_inside_settings_are_parameters_too_but_those_that_are_left_out():
    assert [each.name for each in parameters_of(Outer)] == [
        *("name", "rate", "sizes", "turned", "kind", "folder", "since"),
    ]


def test_a_parameter_says_what_it_takes_and_its_default_as_a_text():
    found = {each.name: (each.kind, each.default, each.is_number, each.sentence) for each in parameters_of(Outer)}
    assert found["name"] == ("TEXT", "data", False, "Name.")
    assert found["rate"] == ("NUMBER", "0.00001", True, "Rate.")
    assert found["sizes"] == ("LIST|all", "all", False, "Sizes.")
    assert found["turned"] == ("true|false", "true", False, "Whether it is turned.")
    assert found["kind"] == ("small|large", "small", False, "Kind.")
    assert found["folder"] == ("PATH|none", "none", False, "Folder.")


def test_only_some_of_a_class():
    assert [each.name for each in parameters_of(Outer, Part(only=("kind", "name")))] == ["name", "kind"]


def test_texts_become_settings_and_settings_the_same_texts():
    texts = {"name": "x y", "rate": "0.25", "sizes": "8,16", "turned": "false", "kind": "large", "folder": "a/b"}
    made = from_texts(Outer, {**texts, "since": "none"})
    assert made == Outer(
        name="x y", inner=Inner(rate=0.25), sizes=(8, 16), turned=False, kind="large", folder=Path("a/b")
    )
    assert to_texts(made) == {**texts, "since": "none"}
    assert changed_texts(made) == texts
    assert changed_texts(Outer()) == {}


def test_blanks_at_the_ends_do_not_count():
    assert from_texts(Outer, {"name": "models:/a@b ", "sizes": " all", "rate": " 0.5"}) == Outer(
        name="models:/a@b", inner=Inner(rate=0.5)
    )


def test_a_path_may_begin_with_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert from_texts(Outer, {"folder": "~/x"}).folder == tmp_path / "x"
    assert from_texts(Outer, {"folder": "a~/x", "name": "~/x"}) == Outer(folder=Path("a~/x"), name="~/x")
    with pytest.raises(UserError, match="folder is '~nobody-here/x', but there is no such home folder"):
        from_texts(Outer, {"folder": "~nobody-here/x"})


def test_what_is_left_out_has_its_default_even_inside():
    assert from_texts(Outer, {}) == Outer()
    assert from_texts(Outer, {"seed": "9"}) == Outer()


@pytest.mark.parametrize("number", [0.1 + 0.2, 1e-5, 1e-320, 123456789.125, 1e22, -0.5])
def test_a_number_has_no_exponent_and_loses_no_digit(number: float):
    text = positional(number)
    assert "e" not in text
    assert float(text) == number


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ({"name": "\x1b[31m"}, r"name is '\\x1b\[31m': pass a name\."),
        ({"name": " "}, "name is ' ': pass a name"),
        ({"name": "x" * 1901}, r"name is 'xxx.*xxx': pass a name"),
        ({"folder": "a\nb"}, "folder is 'a.*b': pass a name or none"),
        ({"rate": ""}, "rate is '': pass a number such as 0.001"),
        ({"rate": "many"}, "rate is 'many': pass a number such as 0.001"),
        ({"rate": "1e400"}, "rate is '1e400': pass a number such as 0.001"),
        ({"rate": "-1"}, "rate is -1, but it must be greater than zero"),
        ({"turned": "yes"}, "turned is 'yes': pass true or false"),
        ({"turned": "1"}, "turned is '1': pass true or false"),
        ({"kind": "none"}, "kind is 'none', which is not known: choose one of small, large"),
        ({"sizes": "8,,9"}, "sizes is '8,,9': pass sizes such as 8,16, or all"),
        ({"sizes": "9" * 5000}, "sizes is '9"),
        ({"since": "yesterday"}, "since is 'yesterday': pass a date"),
    ],
)
def test_what_is_no_value_is_refused_in_a_sentence(texts: dict[str, str], sentence: str):
    with pytest.raises(UserError, match=sentence):
        from_texts(Outer, texts)
