"""Print sentences, broken between words on a narrow terminal; piped output stays one line each."""

from __future__ import annotations

import shutil
import sys
import textwrap

import typer

MOST_WIDTH = 100  # longer lines are hard to read, however wide the window


def say(text: str, *, err: bool = False) -> None:
    """Print lines, wrapped on a terminal; a line that begins with spaces is a command to copy and is not wrapped."""
    for line in fitted(text, err=err).split("\n"):
        typer.echo(line, err=err)


def fitted(text: str, *, err: bool = False) -> str:
    """Return the lines as `say` prints them."""
    if not (sys.stderr if err else sys.stdout).isatty():
        return text
    width = min(shutil.get_terminal_size().columns, MOST_WIDTH)
    return "\n".join(line if line.startswith(" ") else wrapped(line, width) for line in text.split("\n"))


def indented(line: str, pad: str) -> str:
    """Return a line with a left margin, which its continuation lines on a terminal keep."""
    if not sys.stdout.isatty():
        return pad + line
    width = max(shutil.get_terminal_size().columns, len(pad) + 20)
    return textwrap.fill(
        line, width, initial_indent=pad, subsequent_indent=pad, break_long_words=False, break_on_hyphens=False,
        replace_whitespace=False, drop_whitespace=True,
    ) or pad  # fmt: skip


def hanging(line: str, pad: str) -> str:
    """Return a line; on a narrow terminal, its continuation lines get a left margin."""
    if not sys.stdout.isatty():
        return line
    width = max(shutil.get_terminal_size().columns, len(pad) + 20)
    margin = textwrap.wrap(
        line, width, subsequent_indent=pad, break_long_words=False, break_on_hyphens=False, drop_whitespace=True,
        replace_whitespace=False,
    )  # fmt: skip
    return "\n".join(margin)


def wrapped(line: str, width: int) -> str:
    """Return one line broken between words; a path or an address longer than the width is not broken."""
    return textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
