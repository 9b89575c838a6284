"""Regular expressions that are compiled when they are first used: a command pays for those it needs, of about 600."""

from __future__ import annotations

import re
from typing import Any, AnyStr, Generic, cast

_METHODS = ("search", "match", "fullmatch", "finditer", "findall", "sub", "subn", "split")


def regex(text: AnyStr, flags: int | re.RegexFlag = 0) -> re.Pattern[AnyStr]:
    """Return a pattern as `re.compile` does, but compiled at the first use of one of its methods.

    It is for the constants of a module that a command may never need. What nearly every answer is searched for stays
    with `re.compile`, because each call of a late pattern's method takes about 40 ns longer. Call the pattern's own
    methods: the functions of `re`, `isinstance` and `match.re` know only compiled patterns. A text that is not a
    regular expression raises re.error at the first use.
    """
    return cast("re.Pattern[AnyStr]", LatePattern(text, flags))


class LatePattern(Generic[AnyStr]):
    """The text of a pattern, and from the first use on the methods of the compiled one."""

    def __init__(self, text: AnyStr, flags: int | re.RegexFlag) -> None:
        self.pattern: AnyStr = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        # Called only for what the instance does not have yet, so later uses go to the compiled pattern directly.
        if name.startswith("__"):
            raise AttributeError(name)
        compiled = re.compile(self.pattern, self._flags)
        for method in _METHODS:
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return regex, (self.pattern, self._flags)

    def __repr__(self) -> str:
        return f"regex({self.pattern!r}, {self._flags!r})"
