"""Registries: a name once, a missing entry an error, a module known before it is imported."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from glassliquid.errors import UserError
from glassliquid.registry import Registry


def test_what_is_registered_is_found_in_order_and_only_once() -> None:
    registry: Registry[int] = Registry("schedule")
    registry.register("constant")(1)
    registry.register("step")(2)
    assert registry.names() == ("constant", "step")
    assert registry.get("step") == 2
    with pytest.raises(ValueError, match="there is a schedule called 'step' already"):
        registry.register("step")(3)


def test_an_unknown_name_is_refused_with_those_that_exist() -> None:
    registry: Registry[int] = Registry("schedule")
    registry.register("constant")(1)
    with pytest.raises(UserError, match="schedule is 'cosine', which is not known: choose one of constant"):
        registry.get("cosine")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[type]]:
    folder = tmp_path / "things_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from glassliquid.registry import Registry\nTHINGS = Registry('thing', 'things_of_a_test')\n"
    )
    (folder / "good.py").write_text("from things_of_a_test import THINGS\n@THINGS.register('good')\nclass Good: pass\n")
    (folder / "forgotten.py").write_text("class Forgotten: pass\n")
    (folder / "misnamed.py").write_text(
        "from things_of_a_test import THINGS\n@THINGS.register('other')\nclass Other: pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from things_of_a_test import THINGS  # type: ignore[import-not-found]

    yield THINGS
    for name in [name for name in sys.modules if name.startswith("things_of_a_test")]:
        del sys.modules[name]


def test_the_modules_of_a_package_are_known_without_importing_them(package: Registry[type]) -> None:
    assert package.names() == ("forgotten", "good", "misnamed")
    assert "things_of_a_test.good" not in sys.modules
    assert package.get("good").__name__ == "Good"


def test_a_module_that_registers_nothing_is_an_error_when_it_is_asked_for(package: Registry[type]) -> None:
    with pytest.raises(LookupError, match="registers no thing called 'forgotten'"):
        package.get("forgotten")


def test_a_module_that_registers_another_name_is_an_error(package: Registry[type]) -> None:
    with pytest.raises(ValueError, match=r"the thing 'other' is in things_of_a_test\.misnamed"):
        package.get("misnamed")
