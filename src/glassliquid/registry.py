"""Registries: the things of one kind by name, each in a module of its own or a function of one module.

A module registers what it holds with `@KIND.register`. Names of modules are known without importing them, so that `--help`
and checks stay quick; a module is imported when its thing is asked for.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from glassliquid.errors import check_choice

Thing = TypeVar("Thing")


class Registry(Generic[Thing]):
    """Things of one kind, found by name.

    With a package, each of its modules is one thing, and the module's name is the thing's name: a new file is a new entry.
    Without one, things are registered as their module is imported.
    """

    def __init__(self, kind: str, package: str | None = None) -> None:
        """Make an empty registry.

        Args:
            kind: what it holds, as a parameter is called (`model`, `schedule`); used in error messages.
            package: dotted name of the package whose modules hold the things.
        """
        self.kind = kind
        self._package = package
        self._things: dict[str, Thing] = {}

    def register(self, name: str) -> Callable[[Any], Any]:
        """Decorate a class or function to register it under a name.

        Raises:
            ValueError: the name is taken, or is not that of the module in a registry of modules.
        """

        def add(thing: Any) -> Any:
            if name in self._things:
                raise ValueError(f"there is a {self.kind} called {name!r} already")
            if self._package is not None and thing.__module__ != f"{self._package}.{name}":
                raise ValueError(f"the {self.kind} {name!r} is in {thing.__module__}, not in {self._package}.{name}")
            self._things[name] = thing
            return thing

        return add

    def names(self) -> tuple[str, ...]:
        """All names: as registered, or the package's modules in alphabetical order; nothing is imported for it but the package."""
        if self._package is None:
            return tuple(self._things)
        package = importlib.import_module(self._package)
        return tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__)))

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.names())

    def get(self, name: str) -> Thing:
        """The thing of that name.

        Raises:
            UserError: there is none; the message lists the names.
            LookupError: the module of that name registers nothing under it, which is a defect of the module.
        """
        check_choice(self.kind, name, self.names())
        if name not in self._things and self._package is not None:
            importlib.import_module(f"{self._package}.{name}")
        if name not in self._things:
            raise LookupError(f"{self._package}.{name} registers no {self.kind} called {name!r}")
        return self._things[name]
