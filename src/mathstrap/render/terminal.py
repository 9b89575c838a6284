"""Neutralise control characters before text reaches the terminal, so that only our own styles control it.

Text of a server, a model, a file or its name may hold escapes that rename the window, clear it, or reorder a line.
Two paths lead to a terminal: plain writes, which have no escapes of ours, and rich's, which adds styles to text.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mathstrap.render.hostile import screened

if TYPE_CHECKING:
    from rich.console import Console


class Screened:
    """A terminal's stream that spells out control characters."""

    def __init__(self, stream: Any) -> None:
        self.unscreened = stream

    def write(self, text: str) -> int:
        """Write a text; a carriage return at its beginning is kept, because progress overwrites its line with it."""
        if text.startswith("\r"):
            self.unscreened.write("\r")
            text = text[1:]
        self.unscreened.write(screened(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unscreened, name)


def screen_output() -> None:
    """Screen standard output and standard error where they are terminals; pipes and files get the text unchanged."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, Screened) and stream.isatty():
            setattr(sys, name, Screened(stream))


def terminal(file: Any = None, *, stderr: bool = False, **options: Any) -> Console:
    """Return a rich console for foreign texts: without markup, and with every text screened before styling.

    `file` defaults to standard output, or with `stderr` to standard error.
    """
    stream = file or (sys.stderr if stderr else sys.stdout)
    options = {"highlight": False, "markup": False, "emoji": False, **options}
    console: Console = _console_class()(file=getattr(stream, "unscreened", stream), **options)
    return console


@functools.cache
def _console_class() -> Any:
    from rich.console import Console
    from rich.segment import Segment

    class ScreenedConsole(Console):
        def render(self, renderable: Any, options: Any = None) -> Any:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(screened(segment.text), segment.style)

    return ScreenedConsole
