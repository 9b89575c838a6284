"""Read a typed recipe: defaults < YAML < key=value, unknown keys refused with a suggestion.

Knows how to turn text into any options dataclass; the options themselves live beside the code that uses them.
"""

from __future__ import annotations

import dataclasses
import os
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from mathstrap.errors import RecipeError, suggest
from mathstrap.redact import key_in, public

T = TypeVar("T")
MOST_VALUES = 20_000
EXPONENT = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def recipe_names() -> list[str]:
    """Return the names of the recipes shipped with the package, sorted."""
    folder = resources.files("mathstrap") / "recipes"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def recipe_text(name_or_path: str) -> tuple[str, str]:
    """Return (where, text) of a recipe given by path or by the name of a shipped one.

    A folder is not a recipe: `mathstrap train sft-tiny` makes one of that name, and resumes by the same command.
    """
    path = Path(name_or_path)
    is_there = os.path.exists(name_or_path) and not os.path.isdir(name_or_path)  # noqa: PTH110, PTH112 Path raises for a long name
    if path.suffix in {".yaml", ".yml"} or is_there:
        return str(path), read_yaml_file(path)
    if name_or_path in recipe_names():
        text = (resources.files("mathstrap") / "recipes" / f"{name_or_path}.yaml").read_text(encoding="utf-8")
        return f"{name_or_path}.yaml", text
    raise RecipeError(
        f"{name_or_path}: no such recipe file, and no shipped recipe of that name."
        f"{suggest(name_or_path, recipe_names())} Run `mathstrap recipes` to list them."
    )


def read_yaml_file(path: Path) -> str:
    """Return the text of a recipe file; raises RecipeError where it cannot be read as UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such file. Run `mathstrap init` to write a starter recipe.") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 at byte {error.start}. Save the file as UTF-8.") from None
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path}: cannot be read: {getattr(error, 'strerror', error)}.") from None


def load_recipe(kind: type[T], name_or_path: str, overrides: Sequence[str] = ()) -> T:
    """Return `kind` filled from a recipe file and `dotted.key=value` overrides (values are read as YAML).

    Options with a `name` take the file's where the recipe gives none; an override that names another backend leaves the
    recipe's `settings` of the first one out. Raises RecipeError naming the file, the key, what
    was found and what was expected.
    """
    where, text = recipe_text(name_or_path)
    values = parse_yaml(text, where)
    drop_settings_of_another_backend(values, overrides)
    drop_lists_of_other_sources(values, overrides)
    for override in overrides:
        apply_override(values, override)
    if "name" in option_names(kind) and not values.get("name"):
        values["name"] = Path(where).stem
    return build_recipe(kind, values, where)


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Return the mapping a YAML text holds; empty text is an empty mapping."""
    values = parse_value(text, where)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise RecipeError(f"{where}: found a {type(values).__name__} at the top, expected `key: value` lines.")
    return values


def parse_value(text: str, where: str) -> Any:
    """Return the value a YAML text holds: null, texts, numbers, true and false, lists and mappings of texts to values.

    Raises RecipeError for anything else: other tags, keys that appear twice or are not texts, values that hold
    themselves, NaN, and texts that no file could hold.
    """
    import yaml

    loader = None
    try:
        loader = yaml_loader()(text)
        node = loader.get_single_node()
        if node is None:
            return None
        check_nodes(node, where, {})
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise YamlError(f"{where}{line}: {problem}. Expected `key: value` lines.") from None
    except RecursionError:
        raise RecipeError(f"{where}: nested too deep. A recipe needs a few levels.") from None
    except (ValueError, LookupError) as error:
        if isinstance(error, RecipeError):
            raise
        raise RecipeError(f"{where}: a value cannot be read as what it claims to be ({error}).") from None
    finally:
        if loader is not None:
            loader.dispose()


class YamlError(RecipeError):
    """A text is not YAML at all."""


DEEPEST_BRACKETS = 64


@lru_cache(maxsize=1)
def yaml_loader() -> Any:
    """Return the safe loader without dates, sets and bytes, which no option takes: a date is the text that it is."""
    import yaml

    class Loader(yaml.SafeLoader):
        def fetch_flow_collection_start(self, token_class: Any) -> None:
            # The scanner looks through all open brackets at every token: 2,700 of them cost two seconds.
            if self.flow_level >= DEEPEST_BRACKETS:
                raise RecursionError
            super().fetch_flow_collection_start(token_class)

    gone = {f"tag:yaml.org,2002:{name}" for name in ("timestamp", "value", "binary", "set", "omap", "pairs")}
    Loader.yaml_implicit_resolvers = {
        first: [(tag, shape) for tag, shape in found if tag not in gone]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.yaml_constructors = {
        tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items() if tag not in gone
    }
    # YAML 1.1 reads 1e-4 as a text: it wants 1.0e-4. Everybody writes a learning rate without the point.
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(EXPONENT.pattern + "$"), list("+-.0123456789"))
    return Loader


# Not msgspec.yaml: PyYAML's plain loader, which it uses, takes keys that appear twice and grows a few aliases to
# gigabytes. msgspec checks the types afterwards, of values that passed here.
def check_nodes(node: Any, where: str, sizes: dict[int, int]) -> int:
    """Return how many values a YAML node stands for, aliases counted each time; raises RecipeError as parse_value does.

    `sizes` holds the nodes that were counted, and 0 for those being counted.
    """
    held = sizes.get(id(node))
    here = f"{where}:{node.start_mark.line + 1}"
    if held == 0:
        raise RecipeError(f"{here}: a value holds itself through an alias. Write it out.")
    if held is not None:
        return held
    sizes[id(node)] = 0
    size = 1
    if isinstance(node.value, str):
        if "\0" in node.value or any("\ud800" <= letter <= "\udfff" for letter in node.value):
            raise RecipeError(f"{here}: a text holds a zero byte or half a character. Take it out.")
        if node.tag.endswith(":float") and node.value.lower() == ".nan":
            raise RecipeError(f"{here}: .nan is not a number. Leave the key out for its default.")
    keys: set[str] = set()
    for child in node.value if isinstance(node.value, list) else ():
        key, value = child if isinstance(child, tuple) else (None, child)
        if key is not None:
            if not isinstance(key.value, str) or not key.tag.endswith((":str", ":merge")):
                shown = f" {key.value}" if isinstance(key.value, str) else ""
                raise RecipeError(f"{here}: the key{shown} is not a text. Put it in quotes, or write another.")
            if key.value in keys:
                raise RecipeError(f'{where}:{key.start_mark.line + 1}: the key "{key.value}" appears twice. Keep one.')
            keys.add(key.value)
            check_nodes(key, where, sizes)
        size += check_nodes(value, where, sizes)
    if size > MOST_VALUES:
        raise RecipeError(f"{here}: more than {MOST_VALUES:,} values, aliases counted each time. Write less.")
    sizes[id(node)] = size
    return size


def drop_settings_of_another_backend(values: dict[str, Any], overrides: Sequence[str]) -> None:
    """Take the settings of a section out, in place, where an override gives the section another backend."""
    for override in overrides:
        key, _, backend = override.partition("=")
        section = values.get(key.strip().removesuffix(".backend")) if key.strip().endswith(".backend") else None
        if isinstance(section, dict) and section.get("backend", backend) != backend:
            section.pop("settings", None)


def drop_lists_of_other_sources(values: dict[str, Any], overrides: Sequence[str]) -> None:
    """Take a list of sections out, in place, where an override names one source: it takes the place of all of them."""
    for override in overrides:
        *parents, last = override.partition("=")[0].strip().split(".")
        here: Any = values
        for parent in parents[:-1]:
            here = here.get(parent) if isinstance(here, dict) else None
        if last == "source" and parents and isinstance(here, dict) and isinstance(here.get(parents[-1]), list):
            here[parents[-1]] = {}


def apply_override(values: dict[str, Any], override: str) -> None:
    """Set one `dotted.key=value` in a nested mapping, in place; in a list of mappings, in each of them."""
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f'"{override}": expected key=value, for example seeds.limit=20.')
    try:  # nothing after the sign is an empty text, as in a shell; nothing at all is written `null`
        value = parse_value(text, override) if text.strip() else ""
    except YamlError:
        value = text
    _set(values, key.strip().split("."), value)


def _set(here: dict[str, Any], path: Sequence[str], value: Any) -> None:
    name, *rest = path
    if not rest:
        here[name] = value
        return
    below = here.get(name)
    if isinstance(below, list) and below and all(isinstance(item, dict) for item in below):
        for item in below:
            _set(item, rest, value)
        return
    if not isinstance(below, dict):
        below = here[name] = {}
    _set(below, rest, value)


def merge(values: dict[str, Any], settings: Mapping[str, Any]) -> None:
    """Set nested settings in nested values, in place: a mapping goes into the mapping that is there."""
    for key, value in settings.items():
        here = values.get(key)
        if isinstance(value, Mapping) and isinstance(here, dict):
            merge(here, value)
        else:
            values[key] = dict(value) if isinstance(value, Mapping) else value


def build_recipe(kind: type[T], values: dict[str, Any], where: str) -> T:
    """Check a nested mapping against an options dataclass and return the dataclass.

    An options class checks what its types cannot say in `__post_init__`, and raises RecipeError("key: what is wrong").
    """
    import msgspec

    setting = key_in(values)
    if setting:  # refused before anything is written: a recipe is kept with its run, shown, and published
        raise RecipeError(
            f"{where}: {setting}: found something shaped like a key. Keys stay out of recipes: put it into an "
            "environment variable and name the variable in teacher.api_key_env, or give a command in "
            "teacher.api_key_command."
        )
    refuse_unknown_keys(kind, values, where, "")
    try:
        recipe = msgspec.convert(values, kind, strict=True)
    except msgspec.ValidationError as error:
        fault = str(error.__cause__) if isinstance(error.__cause__, RecipeError) else ""
        message, _, path = str(error).removeprefix(fault).partition(" - at `$")
        path = path.removesuffix("`").lstrip(".")
        key = named_path(kind, values, path)
        if fault:  # an options class names its own key and msgspec the section, since no class knows where it stands
            raise RecipeError(f"{where}: {key}{'.' if key else ''}{fault}") from None
        choices = choices_at(kind, path)
        if choices and message.startswith("Invalid enum value "):
            message = f"found {message.removeprefix('Invalid enum value ')}, expected one of {', '.join(choices)}"
        raise RecipeError(f"{where}: {key or 'recipe'}: {lower_first(message)}.") from None
    return recipe


def named_path(kind: Any, values: Any, path: str) -> str:
    """Return a path of msgspec with the entry that is wrong named: `tins.round.size` for `tins[...].size`."""
    import msgspec

    named = ""
    for part in re.findall(r"\[[^\]]*\]|[^.\[]+", path):
        if part != "[...]":
            named += part if part.startswith("[") else f".{part}"
            values = values[int(part[1:-1]) if part.startswith("[") else part]
            kind = type_below(kind, part)
            continue
        kind = type_below(kind, part)
        for name, value in values.items():
            try:
                msgspec.convert(value, kind, strict=True)
            except msgspec.ValidationError:
                named, values = f"{named}.{name}", value
                break
    return named.lstrip(".")


def type_below(kind: Any, part: str) -> Any:
    """Return the type of an option of `kind`, or of its items where `part` is in brackets."""
    if part.startswith("["):
        return item_types(kind)[0]
    return typing.get_type_hints(options_type(kind))[part]


def choices_at(kind: Any, path: str) -> list[str]:
    """Return what the option at a path may be, such as `oven.size` or `tins[...].size`; empty for free values."""
    for part in re.findall(r"\[[^\]]*\]|[^.\[]+", path):
        kind = type_below(kind, part)
    return choices_of(kind)


def choices_of(kind: Any) -> list[str]:
    """Return the names that a `Literal`, or a union with some, allows."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [choice for argument in typing.get_args(kind) for choice in choices_of(argument)]
    return [str(choice) for choice in typing.get_args(kind)] if typing.get_origin(kind) is typing.Literal else []


def lower_first(message: str) -> str:
    """Return the message with a lower-case first letter, as it stands after a colon."""
    return message[:1].lower() + message[1:]


def refuse_unknown_keys(kind: Any, values: Any, where: str, path: str) -> None:
    """Raise RecipeError at the first key that no option of `kind` has, with the closest name."""
    options = options_type(kind)
    if options is not None and isinstance(values, dict):
        hints = typing.get_type_hints(options)
        known = option_names(options)
        for key, value in values.items():
            if key not in known:
                place = f"{path.removesuffix('.')}: " if path else ""
                raise RecipeError(f'{where}: {place}no such key "{key}".{suggest(str(key), known)}')
            refuse_unknown_keys(hints[key], value, where, f"{path}{key}.")
    elif isinstance(values, dict | list):
        pairs = values.items() if isinstance(values, dict) else enumerate(values)
        for key, value in pairs:
            for item in item_types(kind):
                refuse_unknown_keys(item, value, where, f"{path}{key}.")


def options_type(kind: Any) -> Any:
    """Return the dataclass or Struct inside `kind`, looking through `X | None`; None where there is no single one."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        inside = [argument for argument in typing.get_args(kind) if option_names(argument)]
        return inside[0] if len(inside) == 1 else None
    return kind if option_names(kind) else None


def option_names(kind: Any) -> list[str]:
    """Return the field names of a dataclass or a msgspec Struct; empty for anything else."""
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return list(getattr(kind, "__struct_fields__", ()))


def option_keys(kind: Any, before: str = "") -> Iterator[str]:
    """Yield the dotted keys that take a value, in the order of the options."""
    hints = typing.get_type_hints(kind)
    for name in option_names(kind):
        section = options_type(hints[name])
        if section is None:
            yield before + name
        else:
            yield from option_keys(section, f"{before}{name}.")


def item_types(kind: Any) -> list[Any]:
    """Return the item type of `dict[str, X]` or `tuple[X, ...]`, also inside a union; empty for anything else."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return [item for argument in arguments for item in item_types(argument)]
    if origin is dict:
        return [arguments[1]]
    return [arguments[0]] if origin in (tuple, list) else []


def recipe_values(recipe: Any) -> dict[str, Any]:
    """Return a recipe as plain nested values, defaults included. What is written or shown goes through `public`."""
    import msgspec

    # msgspec leaves out what it was not given of a dataclass; `asdict` reads the defaults too.
    values = msgspec.to_builtins(dataclasses.asdict(recipe))
    assert isinstance(values, dict), "a recipe is a dataclass"
    return values


def changed(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that differ from the defaults, nested as they are."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        default = defaults.get(key)
        if isinstance(value, dict) and isinstance(default, dict):
            if inner := changed(value, default):
                found[key] = inner
        elif isinstance(value, list | tuple) and isinstance(default, dict):  # several where the default is one
            found[key] = [changed(item, default) if isinstance(item, dict) else item for item in value]
        elif key not in defaults or value != default:
            found[key] = value
    return found


def recipe_yaml(recipe: Any, *, changes_only: bool = False) -> str:
    """Return the resolved recipe as YAML, keys in the order of the options, without what may be a secret.

    With `changes_only`, what is not the default, with short lists and mappings on one line each.
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes lines as lines, and what would be lost or unreadable so (white space alone, odd breaks) as escapes."""

        def represent_text(self, text: str) -> Any:
            odd = any(letter in text for letter in "\x85\u2028\u2029\ufeff") or (text != "" and text.isspace())
            odd = odd or EXPONENT.fullmatch(text) is not None
            style = '"' if odd else "|" if "\n" in text else None
            return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

        def represent_short(self, value: Any) -> Any:
            node = self.represent_list(value) if isinstance(value, list) else self.represent_dict(value)
            node.flow_style = len(str(value)) < 72 and "\\n" not in str(value)
            return node

    Dumper.add_representer(str, Dumper.represent_text)
    values = recipe_values(recipe)
    if changes_only:
        values = changed(values, recipe_values(type(recipe)()))
        Dumper.add_representer(dict, Dumper.represent_short)
        Dumper.add_representer(list, Dumper.represent_short)
    return str(yaml.dump(public(values), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120))


def recipe_schema(kind: Any) -> dict[str, Any]:
    """Return the JSON schema of an options dataclass, for editors."""
    import msgspec

    return msgspec.json.schema(kind)
