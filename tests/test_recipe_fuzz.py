"""Whatever a recipe holds, it is a recipe or a sentence; what a run keeps of one reads back as the same."""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bounded import examples
from mathstrap.cli.eval import build_options
from mathstrap.errors import RecipeError
from mathstrap.evaluate import EvalOptions
from mathstrap.pipeline.options import RunRecipe
from mathstrap.recipe import (
    build_recipe,
    load_recipe,
    option_names,
    parse_yaml,
    recipe_text,
    recipe_values,
    recipe_yaml,
)  # fmt: skip
from mathstrap.redact import public
from mathstrap.study.options import StudyRecipe
from mathstrap.train import TrainRecipe

KINDS = (RunRecipe, EvalOptions, TrainRecipe, StudyRecipe)
# Keys and values of the real options, half-right ones, and YAML's own traps.
WORDS = [
    "seeds", "source", "limit", "teacher", "backend", "settings", "methods", "own", "fobar", "draws", "mix", "counts",
    "budget", "max_usd", "data", "path", "arms", "train", "evaluation", "bundled:gsm8k", "embedded", "1", "-3", "2.5",
    ".inf", "-.inf", ".nan", "1e400", "null", "~", "true", "yes", "2024-01-01", "2001-13-40", "0x_", "0b1", "1:20",
    "<<", "=", "!!int x", "!!bool x", "!!binary QQ==", "!!set {a}", "!!python/object:os.system x", "&a", "*a", "'", '"',
    '"\\ud83d"', '"\\0"', "|", ">", "?", "{", "}", "[", "]", ",", ": ", "- ", "\n", "\n  ", "#", "%", "@", "`", "---",
    "...", "\t", "é", "\U0001f600", "9" * 5000,
]  # fmt: skip
soup = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS), max_size=14).map("".join))
keys = st.lists(st.sampled_from([*WORDS[:19], "", "0"]), max_size=4).map(".".join)
overrides = st.lists(st.one_of(soup, st.builds("{}={}".format, keys, soup)), max_size=3)


@examples(200)
@given(soup, overrides, st.sampled_from(KINDS))
def test_any_text_and_any_overrides_are_a_recipe_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, text: str, changes: list[str], kind: type
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "replace"))
    try:
        recipe = load_recipe(kind, str(path), changes)
    except RecipeError as error:
        assert str(error)  # noqa: PT017
        return
    same_again(recipe, kind, is_public=public(recipe_values(recipe)) == recipe_values(recipe))


@examples(60)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_recipe_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.yaml"
    path.write_bytes(content)
    try:
        load_recipe(TrainRecipe, str(path))
    except RecipeError:
        return


@examples(60)
@given(st.one_of(st.text(max_size=30), st.text("a./\0\n-", max_size=400)))
def test_any_name_of_a_recipe_is_found_or_a_sentence(name: str) -> None:
    try:
        recipe_text(name)
    except RecipeError:
        return


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds: &a [*a]", "contains itself"),
        ("seeds: &a {limit: *a}", "contains itself"),
        ("[" * 1000, "nested too deep"),
        ("[" * 65 + "]" * 65, "nested too deep"),
        ("{a: " * 1000, "nested too deep"),
        ("a: !!timestamp x", "could not determine a constructor"),
        ("a: !!int x", "cannot be read as what it claims to be"),
        ("a: !!bool x", "cannot be read as what it claims to be"),
        ("a: !!int ''", "cannot be read as what it claims to be"),
        ("a: 0x_", "cannot be read as what it claims to be"),
        ("a: " + "9" * 5000, "cannot be read as what it claims to be"),
        ('a: "\\U0011ffff"', "cannot be read as what it claims to be"),
        ('a: "\\ud83d"', "half a character"),
        ('a: "\\0"', "zero byte"),
        ("budget: {max_usd: .nan}", "not a number"),
        ("1: 2", "the key 1 is not a text"),
        ("? [a]\n: 2", "the key is not a text"),
        ("a: {x: 1, x: 2}", "appears twice"),
        ("a: &a [" + "1, " * 12_000 + "1]\nb: [*a, *a]", "more than 20,000 values"),
        ("a0: &a0 [x]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)), "values"),
    ],
)
def test_what_yaml_takes_and_no_recipe_can_hold_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        load_recipe(RunRecipe, str(path))
    if "\n" not in text and not text.startswith(("1", "a:", "budget", "seeds")):
        with pytest.raises(RecipeError, match=message):
            load_recipe(RunRecipe, "demo", [f"seeds.source={text}"])


def test_a_date_is_the_text_that_it_is(tmp_path: Path) -> None:
    path = tmp_path / "dated.yaml"
    path.write_text("name: 2024-01-01\nteacher: {settings: {since: 2001-13-40}}\n")
    recipe = load_recipe(RunRecipe, str(path))
    assert (recipe.name, recipe.teacher.settings) == ("2024-01-01", {"since": "2001-13-40"})
    same_again(recipe, RunRecipe)


def test_line_breaks_of_every_kind_survive_being_kept() -> None:
    names = ["\x85", "a\u2028b", "\u2029", "\ufeff", "a\nb\n", " a ", "\r\n", "\x7f\x1b"]
    same_again(build_recipe(EvalOptions, {"benchmarks": names}, "odd"), EvalOptions)


def test_a_section_of_an_evaluation_that_is_no_mapping_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "eval.yaml"
    path.write_text("teacher: embedded\n")
    for teacher in ({"backend": "embedded"}, {"model": "m"}):
        with pytest.raises(RecipeError, match=r"teacher: (found a str|expected `object`)"):
            build_options({}, {}, teacher, str(path), [])


texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12).filter(
    lambda text: "://" not in text
)
loose = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(texts.filter(lambda text: not text.lower().rstrip("s").endswith(SECRETS)), inner, max_size=3),
    max_leaves=6,
)
SECRETS = ("key", "token", "secret", "password", "credential", "authorization")


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return plain values that fit a type: of an options class, any of its keys."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if option_names(kind):
        hints = typing.get_type_hints(kind)
        named = {name: st.deferred(lambda hint=hints[name]: values_of(hint)) for name in option_names(kind)}
        needed = required(kind)
        some = st.lists(st.sampled_from(sorted(named)), max_size=5, unique=True)
        return some.flatmap(lambda names: st.fixed_dictionaries({name: named[name] for name in (*needed, *names)}))
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values_of(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=2)
    if origin is dict:
        return st.dictionaries(texts.filter(bool), values_of(arguments[1]), max_size=2)
    plain = {str: texts, int: st.integers(-3, 9), float: st.floats(0, 1) | st.integers(0, 3), bool: st.booleans()}
    return st.none() if kind is type(None) else plain.get(kind, loose)


def required(kind: Any) -> list[str]:
    if not dataclasses.is_dataclass(kind):
        return []
    missing = dataclasses.MISSING
    return [f.name for f in dataclasses.fields(kind) if f.default is missing and f.default_factory is missing]


def same_again(recipe: Any, kind: type, *, is_public: bool = True) -> None:
    """Check that what a run keeps of a recipe reads back as the same recipe, and that every file can hold it."""
    text = recipe_yaml(recipe)
    again = build_recipe(kind, parse_yaml(text, "again"), "again")
    assert recipe_yaml(again) == text
    assert again == recipe or not is_public
    msgspec.json.encode(recipe_values(recipe))


@examples(50)
@given(st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(st.just(kind), values_of(kind))))
def test_a_recipe_reads_back_as_itself(drawn: tuple[type, dict[str, Any]]) -> None:
    kind, values = drawn
    try:
        recipe = build_recipe(kind, values, "drawn")
    except RecipeError:
        return
    kept = public(recipe_values(recipe)) == recipe_values(recipe)
    same_again(recipe, kind, is_public=kept)
