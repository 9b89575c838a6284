"""Let a module be called: `mathstrap.audit(rows)` is `mathstrap.audit.audit(rows)`."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class CalledByName(ModuleType):
    """A module that is called as the function in it that has its own name.

    `mathstrap.verify` has to be the package, because importing anything below it binds the package to that name; and
    users expect `mathstrap.verify("1/2", "0.5")` to work. Python allows a module to have a class of its own for this.
    The alternative, renaming five public packages, would break every program that imports from them.
    """

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the function."""
        return function_of(self)(*arguments, **named)

    @property
    def __signature__(self) -> Any:
        """What `inspect.signature` and the tooltips of a notebook show."""
        import inspect

        return inspect.signature(function_of(self))


def function_of(module: ModuleType) -> Any:
    """Return the function of a module that has its name."""
    return vars(module)[module.__name__.rpartition(".")[2]]


def call_by_name(module: str) -> None:
    """Let a module that is being imported be called; the last line of the module."""
    sys.modules[module].__class__ = CalledByName
