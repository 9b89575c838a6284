"""Recipes: precedence, suggestions and sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest
import yaml

from mathstrap.backends import check_options
from mathstrap.errors import RecipeError, suggest
from mathstrap.pipeline.options import RunRecipe
from mathstrap.recipe import build_recipe, load_recipe, recipe_values, recipe_yaml
from mathstrap.study import StudyRecipe


@dataclass(frozen=True, kw_only=True)
class Oven:
    degrees: int = 180
    fan: bool = False
    heat: Literal["both", "top"] | None = None


@dataclass(frozen=True, kw_only=True)
class Cake:
    name: str = "plain"
    size: Literal["small", "large"] = "small"
    oven: Oven = field(default_factory=Oven)
    topping: Oven | None = None
    layers: dict[str, Oven] = field(default_factory=dict)
    tins: tuple[Oven, ...] = ()


def test_yaml_overrides_defaults_and_key_value_overrides_yaml(tmp_path):
    path = tmp_path / "cake.yaml"
    path.write_text("name: lemon\noven: {degrees: 200}\n")
    cake = load_recipe(Cake, str(path), ["oven.degrees=220", "oven.fan=true"])
    assert (cake.name, cake.size, cake.oven.degrees, cake.oven.fan) == ("lemon", "small", 220, True)


@pytest.mark.parametrize("written", ["1e-4", "1E-4", "1.0e-4", "0.0001", ".1e-3", "+1e-4"])
def test_a_number_with_an_exponent_needs_no_point_and_a_text_that_looks_like_one_stays_a_text(tmp_path, written):
    from mathstrap.train import TrainRecipe

    path = tmp_path / "sft.yaml"
    path.write_text(f"lr: {written}\n")
    assert load_recipe(TrainRecipe, str(path)).lr == load_recipe(TrainRecipe, "sft-tiny", [f"lr={written}"]).lr == 1e-4
    path.write_text(recipe_yaml(TrainRecipe(out=written)))
    assert load_recipe(TrainRecipe, str(path)).out == written


def test_an_empty_recipe_is_all_defaults(tmp_path):
    path = tmp_path / "cake.yaml"
    path.write_text("")
    assert load_recipe(Cake, str(path)) == Cake(name="cake")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ovne: {}", 'no such key "ovne". Did you mean "oven"?'),
        ("oven: {degree: 3}", 'oven: no such key "degree". Did you mean "degrees"?'),
        ("topping: {degree: 3}", 'topping: no such key "degree"'),
        ("layers: {top: {degree: 3}}", 'layers.top: no such key "degree"'),
        ("tins: [{degree: 3}]", 'tins.0: no such key "degree"'),
        ("oven: {degrees: hot}", "oven.degrees: expected `int`, got `str`"),
        ("size: medium", "size: found 'medium', expected one of small, large."),
        ("oven: {heat: bottom}", "oven.heat: found 'bottom', expected one of both, top."),
        ("tins: [{heat: x}]", "tins[0].heat: found 'x', expected one of both, top."),
        ("layers: {a: {heat: x}}", "layers.a.heat: found 'x', expected one of both, top."),
        ("oven: 3", "oven: expected `object`, got `int`"),
        ("- a\n- b", "found a list at the top, expected `key: value` lines"),
        ("name: [unclosed", "cake.yaml:1"),
        ("name: a\nname: b", 'the key "name" appears twice'),
    ],
)
def test_a_wrong_recipe_says_where_and_what(tmp_path, text, message):
    path = tmp_path / "cake.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(Cake, str(path))
    assert message in str(caught.value)
    assert "cake.yaml" in str(caught.value)


def test_an_override_without_a_value_is_refused(tmp_path):
    path = tmp_path / "cake.yaml"
    path.write_text("")
    with pytest.raises(RecipeError, match="expected key=value"):
        load_recipe(Cake, str(path), ["oven.degrees"])


def test_nothing_after_the_sign_is_an_empty_text_and_null_is_no_value(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("teacher: {base_url: 'http://localhost:8000/v1'}\ndedup: {}\n")
    recipe = load_recipe(RunRecipe, str(path), ["teacher.base_url=", "dedup=null"])
    assert recipe.teacher.base_url == ""
    assert recipe.dedup is None
    with pytest.raises(RecipeError, match=r"seeds\.limit"):
        load_recipe(RunRecipe, str(path), ["seeds.limit="])


@pytest.mark.parametrize(
    ("overrides", "want"),
    [
        (["seeds.limit=3"], [("gsm8k", 3), ("math", 3)]),  # and not the default source with a limit of 3
        (["seeds.source=bundled:gsm8k"], [("bundled:gsm8k", None)]),
        (["seeds.limit=3", "seeds.source=bundled:gsm8k"], [("bundled:gsm8k", 3)]),
        (["seeds=[{source: math}]", "seeds.limit=3"], [("math", 3)]),
    ],
)
def test_an_override_goes_into_each_source_of_a_list_and_another_source_replaces_it(tmp_path, overrides, want):
    path = tmp_path / "run.yaml"
    path.write_text("seeds: [{source: gsm8k, limit: 24}, {source: math}]\n")
    seeds = load_recipe(RunRecipe, str(path), overrides).seeds
    assert [(one.source, one.limit) for one in (seeds if isinstance(seeds, tuple) else (seeds,))] == want


def test_an_override_with_a_wrong_key_is_refused_with_a_suggestion(tmp_path):
    path = tmp_path / "cake.yaml"
    path.write_text("")
    with pytest.raises(RecipeError, match='Did you mean "degrees"'):
        load_recipe(Cake, str(path), ["oven.degres=3"])


def test_an_unknown_recipe_name_lists_where_to_look():
    with pytest.raises(RecipeError, match="mathstrap recipes"):
        load_recipe(Cake, "no-such-recipe")


def test_a_folder_of_a_recipes_name_does_not_hide_the_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    assert load_recipe(RunRecipe, "demo").name == "demo"
    (tmp_path / "other").mkdir()
    with pytest.raises(RecipeError, match="no such recipe file, and no shipped recipe"):
        load_recipe(RunRecipe, "other")


def test_a_missing_file_and_a_wrong_encoding_are_sentences(tmp_path):
    with pytest.raises(RecipeError, match="no such file"):
        load_recipe(Cake, str(tmp_path / "missing.yaml"))
    path = tmp_path / "latin.yaml"
    path.write_bytes("name: caf\xe9".encode("latin-1"))
    with pytest.raises(RecipeError, match="not UTF-8 at byte 9"):
        load_recipe(Cake, str(path))


def test_the_resolved_recipe_reads_back_as_itself():
    cake = Cake(name="a: b", oven=Oven(degrees=7), tins=(Oven(), Oven(fan=True)))
    import yaml

    assert build_recipe(Cake, yaml.safe_load(recipe_yaml(cake)), "round trip") == cake
    assert recipe_values(cake)["oven"] == {"degrees": 7, "fan": False, "heat": None}


def test_a_recipe_without_a_name_takes_its_files(tmp_path):
    path = tmp_path / "lemon.yaml"
    path.write_text("size: large")

    @dataclass(frozen=True, kw_only=True)
    class Tart:
        name: str = ""
        size: str = "small"

    assert load_recipe(Tart, str(path)).name == "lemon"
    assert load_recipe(Tart, str(path), ["name=other"]).name == "other"


def test_another_backend_leaves_the_settings_of_the_recipes_one_behind(tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text("teacher: {backend: embedded, settings: {precision: bf16}}\n")
    same = load_recipe(RunRecipe, str(path), ["teacher.backend=embedded"])
    assert same.teacher.settings == {"precision": "bf16"}
    other = load_recipe(RunRecipe, str(path), ["teacher.settings.max_n=4", "teacher.backend=openai"])
    assert other.teacher.settings == {"max_n": 4}


SERVER = ["bootstrap.teacher.backend=openai", "bootstrap.teacher.base_url=http://127.0.0.1:9/v1"]


@pytest.mark.parametrize("name", ["operators", "study-cpu", "study-more"])
def test_a_studys_local_teacher_is_replaced_by_a_server_with_what_belongs_to_it(name):
    local = load_recipe(StudyRecipe, name).bootstrap.teacher
    assert local.settings
    assert local.model_path
    served = load_recipe(StudyRecipe, name, [*SERVER, "bootstrap.teacher.model=qwen3:4b"]).bootstrap.teacher
    check_options(served)
    assert (served.settings, served.model_path) == ({}, "")
    # Weights are kept where no other model is named: the new backend may read them as well.
    assert load_recipe(StudyRecipe, name, ["bootstrap.teacher.backend=hf"]).bootstrap.teacher.model_path


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sampling.draws=0", "sampling.draws: found 0, expected 1 or more."),
        ("sampling.weights={fobar: -1}", "sampling.weights.fobar: found -1.0, expected 0 or more."),
        ("mix.targets=[{count: 1}, {count: -2}]", "mix.targets[1].count: all has -2, expected 0 or more."),
        ("curate.difficulty={min_draws: 0}", "curate.difficulty.min_draws: found 0, expected 1 or more."),
        ("export.rewards.window={min_draws: 0}", "export.rewards.window.min_draws: found 0, expected 1 or more."),
        ("export.validation_share=1", "export.validation_share: found 1.0, expected 0 or more, below 1."),
        ("dedup.num_perm=7", "dedup.num_perm: found 7, expected a multiple of "),
        ("seeds=[{limit: 1}, {limit: 0}]", "seeds[1].limit: found 0, expected 1 or more, or null for all."),
        ("decontaminate.judge=true", "decontaminate.judge: decides on neighbours; "),
        ("decontaminate.judging.top_p=0", "decontaminate.judging.top_p: found 0.0, expected a number above 0, "),
        ("engine={teacher_cpus: -1}", "engine.teacher_cpus: found -1.0, expected 0 or more."),
        ("methods.renumber.of=[renumber]", "methods.renumber.of: renumber is applied to seeds alone."),
        ("methods.own={puns: {code: a.py:b, draws: 0}}", "methods.own.puns.draws: found 0, expected 1 or more; "),
        ("methods.own={puns: {code: a.py:b, draws: x}}", "methods.own.puns.draws: expected `int`, got `str`."),
        ("teachers={one: {}, two: {weight: -1}}", "teachers.two.weight: found -1.0, expected a number above 0."),
        ("teachers={a: {endpoints: [{}]}}", "teachers.a.endpoints[0]: object missing required field `url`."),
    ],
)
def test_a_value_that_makes_no_sense_names_its_dotted_key(tmp_path, override, message):
    path = tmp_path / "run.yaml"
    path.write_text("")
    with pytest.raises(RecipeError) as caught:
        load_recipe(RunRecipe, str(path), [override])
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    "override",
    [
        "teacher.api_key_env=gsk_0123456789abcdefghijABCDEFGHIJ",
        "teacher.api_key_env=hf_0123456789abcdefghijABCDEFGHIJklmn",
        "teacher.api_key_env=AIzaSyA0123456789abcdefghijklmnopqrstuv",
        "teacher.base_url=https://example.org/v1?key=sk-0123456789abcdefghij",
        "teacher.extra_body={nested: {anything: sk-proj-0123456789abcdefghij}}",
        "teacher.extra_body={gsk_0123456789abcdefghijABCDEFGHIJ: 1}",
        "name=ghp_0123456789abcdefghijABCDEFGHIJ0123",
    ],
)
def test_a_key_in_a_setting_is_refused_and_not_repeated(override):
    with pytest.raises(RecipeError, match="shaped like a key") as caught:
        load_recipe(RunRecipe, "demo", [override])
    assert "0123456789abcdef" not in str(caught.value)


def test_many_known_names_are_not_all_listed():
    assert suggest("zzz", [f"seed-{number:04}" for number in range(2000)]).endswith("seed-0004 and 1,995 more.")


def test_what_is_not_the_default_is_written_alone():
    recipe = build_recipe(
        RunRecipe,
        {"name": "x", "seeds": [{"source": "a.csv"}, {"source": "b.csv", "limit": 3}], "solving": {"temperature": 0.1}},
        "x",
    )
    found = yaml.safe_load(recipe_yaml(recipe, changes_only=True))
    assert found == {
        "name": "x", "seeds": [{"source": "a.csv"}, {"source": "b.csv", "limit": 3}], "solving": {"temperature": 0.1},
    }  # fmt: skip
    assert recipe_yaml(RunRecipe(), changes_only=True) == "{}\n"
