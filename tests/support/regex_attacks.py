"""Every regular expression of the package, and strings made to keep it busy: the body of a repeat, again and again."""

from __future__ import annotations

import ast
import importlib
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from mathstrap.patterns import LatePattern

SOURCE = Path(__file__).resolve().parents[2] / "src" / "mathstrap"
# What makes the patterns of modules; they are compiled at their first use.
LATE = "regex"
CALLS = {"compile", "search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer"}
LETTERS = {
    codes.CATEGORY_DIGIT: "1", codes.CATEGORY_NOT_DIGIT: "a", codes.CATEGORY_SPACE: " ", codes.CATEGORY_NOT_SPACE: "a",
    codes.CATEGORY_WORD: "a", codes.CATEGORY_NOT_WORD: " ",
}  # fmt: skip
MANY = 8  # a repeat that may go on longer than this is attacked


def patterns() -> dict[str, re.Pattern[Any]]:
    """Return every pattern that a module compiles when it is imported, or writes as a constant, by where it stands."""
    found: dict[str, re.Pattern[Any]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        where = path.relative_to(SOURCE).with_suffix("").as_posix()
        text = path.read_text()
        if "import re" not in text and f"import {LATE}" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if not (isinstance(node, ast.Call) and node.args and is_of_patterns(node.func)):
                continue
            try:
                pattern = ast.literal_eval(node.args[0])
                flags = flags_of(node)
            except ValueError:
                continue
            if isinstance(pattern, str | bytes):
                found[f"{where}:{node.lineno}"] = re.compile(pattern, flags)
        if "__main__" in where:
            continue
        name = "mathstrap." + where.replace("/", ".").removesuffix(".__init__")
        try:
            module = importlib.import_module(name)
        except ImportError:  # an optional package
            continue
        for attribute, value in vars(module).items():
            for place, pattern in compiled_in(attribute, value):
                if pattern not in found.values():
                    found[f"{where}:{place}"] = pattern
    return found


def is_of_patterns(function: ast.expr) -> bool:
    """Say whether a function of `re`, or the one for patterns that are compiled late, is called."""
    if isinstance(function, ast.Name):
        return function.id == LATE
    return isinstance(function, ast.Attribute) and ast.unparse(function.value) == "re" and function.attr in CALLS


def compiled_in(name: str, value: Any) -> Iterator[tuple[str, re.Pattern[Any]]]:
    if isinstance(value, re.Pattern | LatePattern):
        yield name, re.compile(value.pattern, value.flags)
    elif isinstance(value, tuple | list) and len(value) < 500:
        for place, part in enumerate(value):
            yield from compiled_in(f"{name}[{place}]", part)
    elif isinstance(value, dict) and len(value) < 500:
        for key, part in value.items():
            yield from compiled_in(f"{name}[{str(key)[:20]!r}]", part)


def flags_of(call: ast.Call) -> int:
    flags = 0
    for node in [*call.args[1:], *(word.value for word in call.keywords if word.arg == "flags")]:
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute) and ast.unparse(part.value) == "re" and part.attr.isupper():
                flags |= int(getattr(re, part.attr))
    return flags


def sample(tree: Any, rng: random.Random) -> str:
    """Return a string that the parts of a pattern match, about."""
    out = []
    for code, value in tree:
        if code is codes.LITERAL:
            out.append(chr(value))
        elif code is codes.NOT_LITERAL:
            out.append("a" if value != ord("a") else "b")
        elif code is codes.ANY:
            out.append("a")
        elif code is codes.IN:
            out.append(letter_of(value, rng))
        elif code is codes.BRANCH:
            out.append(sample(rng.choice(value[1]), rng))
        elif code in (codes.MAX_REPEAT, codes.MIN_REPEAT, getattr(codes, "POSSESSIVE_REPEAT", None)):
            low, high, inner = value
            out.append("".join(sample(inner, rng) for _ in range(min(max(low, 1), high))))
        elif code is codes.SUBPATTERN:
            out.append(sample(value[3], rng))
        elif code is getattr(codes, "ATOMIC_GROUP", None):
            out.append(sample(value, rng))
        elif code is codes.ASSERT and value[0] > 0:
            out.append("")
    return "".join(out)


def letter_of(items: Any, rng: random.Random) -> str:
    negated = bool(items) and items[0][0] is codes.NEGATE
    choices = []
    for code, value in items:
        if code is codes.LITERAL:
            choices.append(chr(value))
        elif code is codes.RANGE:
            choices.append(chr(value[0]))
        elif code is codes.CATEGORY:
            choices.append(LETTERS.get(value, "a"))
    if not negated:
        return rng.choice(choices) if choices else "a"
    return next((letter for letter in "a 1-x\n.{" if letter not in choices), "\u00e9")


def repeats(tree: Any, rng: random.Random, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield (what comes before a long repeat, one turn of it), for every repeat of a pattern."""
    for place, (code, value) in enumerate(tree):
        start = before + sample(tree[:place], rng)
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            if value[1] > MANY:
                yield start, sample(value[2], rng)
            yield from repeats(value[2], rng, start)
        elif code is codes.SUBPATTERN:
            yield from repeats(value[3], rng, start)
        elif code is codes.BRANCH:
            for branch in value[1]:
                yield from repeats(branch, rng, start)
        elif code is getattr(codes, "ATOMIC_GROUP", None):
            yield from repeats(value, rng, start)
        elif code in (codes.ASSERT, codes.ASSERT_NOT):
            yield from repeats(value[1], rng, start)


def attacks(pattern: re.Pattern[Any], rng: random.Random) -> Iterator[tuple[str, str, str]]:
    """Yield (head, turn, tail): strings `head + turn * n + tail` that begin a match and then fail."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    tree = parser.parse(text, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags)
    seen = set()
    for head, turn in repeats(tree, rng):
        for body in dict.fromkeys((turn, head + turn)):
            for start in (head, ""):
                for tail in ("\x00", "!\n"):
                    if body and (start, body, tail) not in seen:
                        seen.add((start, body, tail))
                        yield start, body, tail


def seconds(pattern: re.Pattern[Any], text: str) -> float:
    """Return the processor seconds of a search through a whole text; every match counts, as in `sub`."""
    subject: Any = text if isinstance(pattern.pattern, str) else text.encode("utf-8", "replace")
    begun = time.thread_time()
    for _ in pattern.finditer(subject):
        pass
    return time.thread_time() - begun
