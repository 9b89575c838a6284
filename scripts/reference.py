"""Write docs/reference/: the command line from the typer app, the recipes from the option classes and their docstrings.

    python scripts/reference.py            # writes the pages
    python scripts/reference.py --check    # says which pages differ, and leaves with 1 if one does

A class documents its keys in its docstring: a line `key    meaning`, indented lines continue it.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
import typer
from pages import ROOT, write

from mathstrap.audit.defects import DEFECTS
from mathstrap.cli import app
from mathstrap.evaluate import EvalOptions
from mathstrap.iterate import IterateRecipe
from mathstrap.pipeline.options import RunRecipe
from mathstrap.recipe import item_types, option_names
from mathstrap.study import StudyRecipe
from mathstrap.train import TrainRecipe
from mathstrap.types import REASONS

MADE = "<!-- Made by scripts/reference.py from the code; edit the docstrings there. -->\n"
KEY_LINE = re.compile(r"^((?:[a-z_0-9]+)(?:, [a-z_0-9]+)*)  +(\S.*)$")


def cli_page() -> str:
    """Return the page of the command line."""
    root = typer.main.get_command(app)
    lines = [
        MADE,
        "# Command line",
        "",
        "```sh",
        "mathstrap --help",
        "```",
        "",
        "Errors are one sentence on standard error and exit code 1; a wrong option gives 2. A run or evaluation that "
        "is not complete yet (a budget was spent, requests failed, Ctrl-C) leaves with 3: the same command goes on. "
        "A run that stopped because its first replies were worthless leaves with 4: change the key it names first.",
        "",
        "`mathstrap --install-completion` teaches the shell to complete verbs and options.", "",
    ]  # fmt: skip
    for name, command in sorted(root.commands.items()):
        arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
        options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
        usage = " ".join(["mathstrap", name, "[OPTIONS]", *(usage_of(argument) for argument in arguments)])
        lines += [
            f"## {name}",
            "",
            "```text",
            usage,
            "```",
            "",
            inspect.cleandoc(command.help or "").replace("\n", " "),
            "",
        ]
        rows = [(f"`{usage_of(argument)}`", argument.help or "") for argument in arguments]
        hints = typing.get_type_hints(command.callback)
        rows += [(option_name(option, hints[option.name]), option_help(option)) for option in options]
        lines += ["| | |", "| --- | --- |", *(f"| {cell(left)} | {cell(right)} |" for left, right in rows), ""]
    return "\n".join(lines)


def usage_of(argument: Any) -> str:
    """Return an argument as the usage line shows it."""
    name = argument.metavar or argument.name.upper()
    name = name if argument.required or name.startswith("[") else f"[{name}]"
    return f"{name}..." if argument.nargs == -1 and "..." not in name else name


def option_name(option: Any, hint: Any) -> str:
    """Return an option's names and what it takes."""
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    kind = next((name for name in ("int", "float", "Path") if name in str(hint)), "text").upper()
    return names if option.is_flag else f"{names} {option.metavar or kind}"


def option_help(option: Any) -> str:
    """Return what an option does, with its default where that says something."""
    text = option.help or ""
    default = option.default
    if option.is_flag or option.required or default in (None, "", [], (), -1, -1.0) or callable(default):
        return text
    return f"{text} Default: `{default}`."


def recipes_page() -> str:
    """Return the page of recipes: every key of a run, a training and an evaluation."""
    lines = [
        MADE, "# Recipes", "", "```sh", "mathstrap init my.yaml", "mathstrap recipes --schema", "```", "",
        "A recipe is YAML. Defaults come first, then the file, then `key=value` on the command line, with dots between "
        "the levels: `seeds.limit=20`. `key=` is an empty text, `key=null` no value at all. Unknown keys are refused "
        "with the closest known one; the resolved recipe is kept in the run directory. The schema above makes editors "
        "complete and check the keys.", "",
    ]  # fmt: skip
    seen: dict[Any, list[str]] = {}
    kinds = (
        ("Bootstrapping: `mathstrap run`", RunRecipe),
        ("Training: `mathstrap train`", TrainRecipe),
        ("Evaluation: `mathstrap eval --recipe`", EvalOptions),
        ("A study: `mathstrap study`", StudyRecipe),
        ("Rounds: `mathstrap iterate`", IterateRecipe),
    )
    for title, kind in kinds:
        before = set(seen)
        for path, section in sections(kind):
            paths = seen.setdefault(section, [])
            paths += [path] if path not in paths else []
        lines += [f"## {title}", ""]
        for section in [section for section in seen if section not in before]:
            lines += section_lines(seen[section], section)
    return "\n".join(lines)


def sections(kind: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted path, class) of a recipe and of every section in it, in order."""
    yield path, kind
    hints = typing.get_type_hints(kind)
    for name in option_names(kind):
        for inner in inner_options(hints[name]):
            below = f"{path}.{name}".lstrip(".") + (".NAME" if typing.get_origin(hints[name]) is dict else "")
            yield from sections(inner, below)


def inner_options(hint: Any) -> list[Any]:
    """Return the option classes inside a type."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        found = [argument for argument in typing.get_args(hint) if option_names(argument)]
    else:
        found = [hint] if option_names(hint) else []
    return list(dict.fromkeys([*found, *(item for item in item_types(hint) if option_names(item))]))


def section_lines(paths: list[str], kind: Any) -> list[str]:
    """Return the heading, the words and the table of one section; a heading lists every place that takes it."""
    hints = typing.get_type_hints(kind)
    prose, meanings = meaning_of(kind)
    heading = [f"### {', '.join(f'`{path}`' for path in paths)}", ""] if paths[0] else []
    rows = [
        f"| `{name}` | {cell(type_text(hints[name]))} | {cell(default_text(kind, name))} | {cell(meanings[name])} |"
        for name in option_names(kind)
    ]
    return [*heading, prose, "", "| key | takes | default | |", "| --- | --- | --- | --- |", *rows, ""]


def meaning_of(kind: Any) -> tuple[str, dict[str, str]]:
    """Return a class's prose and the meaning of each of its keys; raises KeyError where a key has none."""
    names, hints = option_names(kind), typing.get_type_hints(kind)
    prose, found = "", dict[str, str]()
    for part in reversed(kind.__mro__):
        if part.__module__.startswith("mathstrap"):
            prose, own = read_docstring(inspect.cleandoc(part.__doc__ or ""), names)
            found |= own
    for name in names:
        if name not in found:
            inner = inner_options(hints[name])
            if not inner:
                raise KeyError(f"{kind.__name__}.{name} has no meaning: add a line to the docstring")
            found[name] = meaning_of(inner[0])[0].split("\n")[0]
    return prose, {name: text[:1].upper() + text[1:].rstrip(".") + "." for name, text in found.items()}


def read_docstring(text: str, names: list[str]) -> tuple[str, dict[str, str]]:
    """Split a docstring into its prose and the meaning of each key."""
    prose: list[str] = []
    meanings: dict[str, str] = {}
    current: list[str] = []
    for line in text.splitlines():
        match = KEY_LINE.match(line)
        if match and set(match[1].split(", ")) <= set(names):
            current = match[1].split(", ")
            meanings.update(dict.fromkeys(current, match[2]))
        elif current and line.startswith("  "):
            meanings.update({name: f"{meanings[name]} {line.strip()}" for name in current})
        else:
            current = []
            prose.append(line)
    return "\n".join(prose).strip(), meanings


def type_text(hint: Any) -> str:
    """Return a type as a reader of YAML names it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return ", ".join(f"`{value}`" if value else "empty" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_text(argument) for argument in arguments)
    if origin is tuple:
        return f"list of {type_text(arguments[0])}"
    if origin is dict:
        return "mapping" if arguments[1] is Any else f"mapping to {type_text(arguments[1])}"
    if option_names(hint):
        return "section"
    return {bool: "true, false", int: "integer", float: "number", str: "text", type(None): "null", Any: "any"}[hint]


def default_text(kind: Any, name: str) -> str:
    """Return a key's default as YAML shows it; empty for a section, and for what has none."""
    if issubclass(kind, msgspec.Struct):
        field = next(field for field in msgspec.structs.fields(kind) if field.name == name)
        value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    else:
        found = next(field for field in dataclasses.fields(kind) if field.name == name)
        if found.default is not dataclasses.MISSING:
            value = found.default
        elif found.default_factory is not dataclasses.MISSING:
            value = found.default_factory()
        else:
            return "required"
    if option_names(value):
        plain = msgspec.to_builtins(value)
        changed = {key: plain[key] for key in plain if plain[key] != msgspec.to_builtins(type(value)()).get(key)}
        return f"`{msgspec.json.encode(changed).decode()}`" if changed and len(changed) < 4 else ""
    return f"`{msgspec.json.encode(msgspec.to_builtins(value)).decode()}`"


def cell(text: str) -> str:
    """Return text fit for a cell of a Markdown table."""
    return " ".join(text.replace("|", "\\|").split())


def reasons_page() -> str:
    """Return the page of everything that a row may be left out or flagged for."""
    defects = [
        (f"`{name}`", defect.sentence, "yes" if defect.drops else "no, reported") for name, defect in DEFECTS.items()
    ]
    lines = [
        MADE, "# Reasons and defects", "", "```sh", "mathstrap stats runs/demo", "```", "",
        "What falls out of a run has one of these reasons:", "", "| reason | means |", "| --- | --- |",
        *(f"| `{name}` | {cell(sentence)} |" for name, sentence in REASONS.items()), "",
        "`mathstrap audit` looks for these defects, and drops rows for most of them:", "",
        "| defect | a row has it if | dropped |", "| --- | --- | --- |",
        *(f"| {name} | {cell(sentence)} | {dropped} |" for name, sentence, dropped in defects),
    ]  # fmt: skip
    return "\n".join(lines)


def pages() -> dict[str, str]:
    """Return file name -> text of every page of the reference."""
    made = {"cli.md": cli_page(), "recipes.md": recipes_page(), "reasons.md": reasons_page()}
    return {name: text.rstrip() + "\n" for name, text in made.items()}


if __name__ == "__main__":
    sys.exit(write({ROOT / "docs" / "reference" / name: text for name, text in pages().items()}))
