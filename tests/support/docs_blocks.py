"""Read the documentation's fenced blocks, and say which command of them is run, how, and which is not."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHELL = {"sh", "bash", "shell", "console"}
COMMANDS = {"mathstrap", "pip", "make", "python", "pytest", "git", "export", "cd", "torchrun"}

_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>not run)(?:: (?P<why>[^\n]*?))? -->\n\s*)?"
    r"^(?P<indent> *)```(?P<language>[a-z]*)[^\n]*\n(?P<text>.*?)^(?P=indent)```[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_INDENTED = re.compile(rf"^    (?:\$ )?(?:{'|'.join(COMMANDS - {'cd', 'export'})}) \S", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block of a page; `mark` is "" or "not run", `why` the reason that stands with it."""

    page: str
    line: int
    language: str
    text: str
    mark: str = ""
    why: str = ""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def read_page(path: Path) -> list[Block]:
    """Return the blocks of a page that a reader would run: shell, Python, and bare fences that hold commands."""
    whole = path.read_text(encoding="utf-8")
    blocks = []
    for match in _BLOCK.finditer(whole):
        language, text = match["language"], match["text"]
        if not language:
            first = text.split(None, 1)[0] if text.strip() else ""
            language = "sh" if first in COMMANDS else ""
        if language in SHELL or language == "python":
            line = whole.count("\n", 0, match.start("language")) + 1
            blocks.append(
                Block(
                    page=str(path.relative_to(ROOT)), line=line, language=language, text=text,
                    mark=match["mark"] or "", why=match["why"] or "",
                )
            )  # fmt: skip
    return blocks


def stray_commands(path: Path) -> list[str]:
    """Return the commands of a page that stand in no fence, where no test would find them."""
    whole = _BLOCK.sub("", path.read_text(encoding="utf-8"))
    return [f"{path.relative_to(ROOT)}: {match[0].strip()}" for match in _INDENTED.finditer(whole)]


def commands_of(block: Block) -> list[str]:
    """Return the commands of a shell block, one each; of `console`, lines without `$` are output."""
    text = block.text
    if block.language == "console":
        kept, going_on = [], False
        for line in text.splitlines():
            if line.startswith("$ ") or going_on:
                kept.append(line.removeprefix("$ "))
                going_on = line.endswith("\\")
        text = "\n".join(kept)
    found, held = [], ""
    for line in text.replace("\\\n", " ").splitlines():
        held = f"{held}\n{line}" if held else line
        try:
            words = shlex.split(held, comments=True)
        except ValueError:  # an open quote: the next line belongs to it
            continue
        if words:
            found += [part.strip() for part in held.split(" && ")] if '"' not in held else [held]
        held = ""
    assert not held, f"{block.place}: a quote is never closed"
    return [command for command in found if command]
