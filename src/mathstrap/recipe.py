"""Read a typed recipe: defaults < YAML < key=value; unknown keys are refused with a suggestion.

Converts text to any options dataclass; the options are defined beside the code that uses them.
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
from mathstrap.patterns import regex
from mathstrap.redact import key_in, public

T = TypeVar("T")
MOST_VALUES = 20_000  # with aliases expanded, because a few of them can stand for gigabytes
EXPONENT = regex(r"[-+]?(?:\d++(?:\.\d*+)?|\.\d++)[eE][-+]?\d+")


def recipe_names() -> list[str]:
    """Return the names of the recipes shipped with the package, sorted."""
    folder = resources.files("mathstrap") / "recipes"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def recipe_text(name_or_path: str) -> tuple[str, str]:
    """Return (where, text) of a recipe given by path or by the name of a shipped one.

    A folder is never a recipe: `mathstrap train sft-tiny` makes a folder of that name, and resumes by the same command.
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
    """Return the text of a recipe file; raises RecipeError if it cannot be read as UTF-8."""
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

    A missing `name` becomes that of the file; an override that names another backend drops what the recipe set for the
    first one. Raises RecipeError with the file, the key, the wrong value and the expected one.
    """
    where, text = recipe_text(name_or_path)
    values = parse_yaml(text, where)
    drop_options_of_another_backend(values, overrides)
    drop_lists_of_other_sources(values, overrides)
    for override in overrides:
        apply_override(values, override)
    if "name" in option_names(kind) and not values.get("name"):
        values["name"] = Path(where).stem
    return build_recipe(kind, values, where)


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Return the mapping of a YAML text; empty text is an empty mapping."""
    values = parse_value(text, where)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise RecipeError(f"{where}: found a {type(values).__name__} at the top, expected `key: value` lines.")
    return values


def parse_value(text: str, where: str) -> Any:
    """Return the value of a YAML text: null, strings, numbers, booleans, lists, and mappings with strings as keys.

    Raises RecipeError for anything else: other tags, keys that occur twice or are not strings, values that contain
    themselves, NaN, and strings that cannot be written to a file.
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
        raise RecipeError(f"{where}: nested too deeply. A recipe needs a few levels.") from None
    except (ValueError, LookupError) as error:
        if isinstance(error, RecipeError):
            raise
        raise RecipeError(f"{where}: a value cannot be read as what it claims to be ({error}).") from None
    finally:
        if loader is not None:
            loader.dispose()


class YamlError(RecipeError):
    """A text is not YAML."""


DEEPEST_BRACKETS = 64


@lru_cache(maxsize=1)
def yaml_loader() -> Any:
    """Return the safe loader without dates, sets and bytes, which no option takes; a date stays a string."""
    import yaml

    class Loader(yaml.SafeLoader):
        def fetch_flow_collection_start(self, token_class: Any) -> None:
            # The scanner checks all open brackets at every token: 2,700 of them take two seconds.
            if self.flow_level >= DEEPEST_BRACKETS:
                raise RecursionError
            super().fetch_flow_collection_start(token_class)

    gone = {f"tag:yaml.org,2002:{name}" for name in ("timestamp", "value", "binary", "set", "omap", "pairs")}
    Loader.yaml_implicit_resolvers = {
        first: [(tag, shape) for tag, shape in resolvers if tag not in gone]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.yaml_constructors = {
        tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items() if tag not in gone
    }
    # YAML 1.1 reads 1e-4 as a text: it wants 1.0e-4. Everybody writes a learning rate without the point.
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(EXPONENT.pattern + "$"), list("+-.0123456789"))
    return Loader


# Not msgspec.yaml: it uses PyYAML's plain loader, which accepts duplicate keys and expands a few aliases to gigabytes.
# msgspec checks the types of the values afterwards.
def check_nodes(node: Any, where: str, sizes: dict[int, int]) -> int:
    """Return the number of values in a YAML node, aliases counted each time; raises RecipeError as parse_value does.

    `sizes` maps counted nodes to their sizes, and those being counted to 0.
    """
    known_size = sizes.get(id(node))
    here = f"{where}:{node.start_mark.line + 1}"
    if known_size == 0:
        raise RecipeError(f"{here}: a value contains itself through an alias. Write it out.")
    if known_size is not None:
        return known_size
    sizes[id(node)] = 0
    size = 1
    if isinstance(node.value, str):
        if "\0" in node.value or any("\ud800" <= letter <= "\udfff" for letter in node.value):
            raise RecipeError(f"{here}: a text contains a zero byte or half a character. Take it out.")
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


def drop_options_of_another_backend(values: dict[str, Any], overrides: Sequence[str]) -> None:
    """Remove a section's settings, in place, if an override gives the section another backend.

    Where the overrides name a model for it as well, the weights of the first backend (`model_path`) go too.
    """
    keys = {override.partition("=")[0].strip() for override in overrides}
    for override in overrides:
        key, _, backend = (part.strip() for part in override.partition("="))
        *parents, last = key.split(".")
        section: Any = values
        for parent in parents:
            section = section.get(parent) if isinstance(section, dict) else None
        if last != "backend" or not isinstance(section, dict) or section.get("backend", backend) == backend:
            continue
        section.pop("settings", None)
        if ".".join([*parents, "model"]) in keys:
            section.pop("model_path", None)


def drop_lists_of_other_sources(values: dict[str, Any], overrides: Sequence[str]) -> None:
    """Remove a list of sections, in place, if an override names one source, which replaces all of them."""
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
    try:  # nothing after the equals sign is an empty string, as in a shell; None is written `null`
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
    """Merge nested settings into nested values, in place: mappings are merged, other values replaced."""
    for key, value in settings.items():
        here = values.get(key)
        if isinstance(value, Mapping) and isinstance(here, dict):
            merge(here, value)
        else:
            values[key] = dict(value) if isinstance(value, Mapping) else value


def build_recipe(kind: type[T], values: dict[str, Any], where: str) -> T:
    """Check a nested mapping against an options dataclass and return the dataclass.

    An options class checks further conditions in `__post_init__`, and raises RecipeError("key: what is wrong").
    """
    import msgspec

    setting = key_in(values)
    if setting:  # refused before anything is written, because recipes are stored with runs, shown and published
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
        if fault:  # an options class names its own key, and msgspec the section, which the class does not know
            raise RecipeError(f"{where}: {key}{'.' if key else ''}{fault}") from None
        choices = choices_at(kind, path)
        if choices and message.startswith("Invalid enum value "):
            message = f"found {message.removeprefix('Invalid enum value ')}, expected one of {', '.join(choices)}"
        raise RecipeError(f"{where}: {key or 'recipe'}: {lower_first(message)}.") from None
    return recipe


def named_path(kind: Any, values: Any, path: str) -> str:
    """Return a path of msgspec with the name of the wrong entry: `tins.round.size` for `tins[...].size`."""
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
    """Return the type of an option of `kind`, or of its items if `part` is in brackets."""
    if part.startswith("["):
        return item_types(kind)[0]
    return typing.get_type_hints(options_type(kind))[part]


def choices_at(kind: Any, path: str) -> list[str]:
    """Return the choices of the option at a path such as `oven.size` or `tins[...].size`; empty for free values."""
    for part in re.findall(r"\[[^\]]*\]|[^.\[]+", path):
        kind = type_below(kind, part)
    return choices_of(kind)


def choices_of(kind: Any) -> list[str]:
    """Return the names that a `Literal`, or a union with some, allows."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [choice for argument in typing.get_args(kind) for choice in choices_of(argument)]
    return [str(choice) for choice in typing.get_args(kind)] if typing.get_origin(kind) is typing.Literal else []


def lower_first(message: str) -> str:
    """Return the message with a lower-case first letter, for use after a colon."""
    return message[:1].lower() + message[1:]


def refuse_unknown_keys(kind: Any, values: Any, where: str, path: str) -> None:
    """Raise RecipeError for the first key that is not an option of `kind`, with the closest name."""
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
    """Return the dataclass or Struct inside `kind`, looking through `X | None`; None if there is not exactly one."""
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
    """Return a recipe as plain nested values, defaults included; `public` removes its secrets before it is written."""
    import msgspec

    # msgspec omits a dataclass's fields that were not set; `asdict` includes the defaults.
    values = msgspec.to_builtins(dataclasses.asdict(recipe))
    assert isinstance(values, dict), "a recipe is a dataclass"
    return values


def changed(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that differ from the defaults, nested as they are."""
    differences: dict[str, Any] = {}
    for key, value in values.items():
        default = defaults.get(key)
        if isinstance(value, dict) and isinstance(default, dict):
            if inner := changed(value, default):
                differences[key] = inner
        elif isinstance(value, list | tuple) and isinstance(default, dict):  # several sections; the default is one
            differences[key] = [changed(item, default) if isinstance(item, dict) else item for item in value]
        elif key not in defaults or value != default:
            differences[key] = value
    return differences


def recipe_yaml(recipe: Any, *, changes_only: bool = False) -> str:
    """Return the resolved recipe as YAML, keys in the order of the options, without possible secrets.

    With `changes_only`, only the differences from the defaults, with short lists and mappings on one line each.
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes texts of several lines as blocks, and texts that a block would lose or spoil as escaped strings."""

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
