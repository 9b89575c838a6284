"""Who is asked for what, under which key: changed settings, a stage's own teacher, a mix of several."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from bootstrapping import small_recipe
from mathstrap.errors import InputError, RecipeError
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline import bootstrap
from mathstrap.pipeline.keys import changes_since, start_run
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.preview import preview
from mathstrap.prompts import request
from mathstrap.recipe import build_recipe, recipe_values
from mathstrap.types import Completion, Message, Request, Sampling

USER = (Message("user", "q"),)


def recipe(**values: Any) -> RunRecipe:
    return build_recipe(RunRecipe, {"name": "test", **values}, "test.yaml")


def key(messages: tuple[Message, ...] = USER, model: str = "m", **sampling: Any) -> str:
    return request(id="a", model=model, messages=messages, sampling=Sampling(**sampling)).key


def test_the_keys_of_the_first_version_stay_valid():
    assert key() == "c3d367a6e2c7b567748b1e3e1982181b"
    messages = (Message("system", "s"), *USER)
    found = key(messages, temperature=0.0, top_p=0.9, max_tokens=33, stop=("Q:",))
    assert found == "95b1335aabb6715826fe8a2aee1f78e6"


def test_every_option_that_is_sent_changes_the_key():
    options = [
        {}, {"temperature": 0.1}, {"top_k": 20}, {"min_p": 0.05}, {"repetition_penalty": 1.1}, {"seed": 0}, {"seed": 1},
        {"reasoning_effort": "low"}, {"reasoning_effort": "high"}, {"system": "Think."}, {"extra_body": {"a": 1}},
        {"extra_body": {"a": 2}},
    ]  # fmt: skip
    keys = [key(**sampling) for sampling in options]
    assert len(set(keys)) == len(keys)
    assert key(extra_body={"a": 1, "b": 2}) == key(extra_body={"b": 2, "a": 1})


def test_a_system_text_comes_before_the_prompts_own_and_a_raw_prompt_has_no_place_for_it():
    own = (Message("system", "Be brief."), *USER)
    asked = request(id="a", model="m", messages=own, sampling=Sampling(system="Think."))
    assert asked.messages == (Message("system", "Think.\n\nBe brief."), *USER)
    with pytest.raises(InputError, match="plain text without turns"):
        request(id="a", model="m", messages=(Message("raw", "q"),), sampling=Sampling(system="Think."))


def reply_to(asked: Request) -> Completion:
    return Completion(request=asked.id, key=asked.key, text="4", finish_reason="stop")


def asked_of(values: dict[str, Any], path: Any) -> Request:
    """Start a run under a recipe and return the request that it makes of one question."""
    with RunDir.open(path) as run:
        keyed, _ = start_run(recipe(**values), run)
    member = keyed.panels["solving"].teacher_for("a#0")
    return request(id="a#0", model=member.model, messages=USER, sampling=member.sampling)


def test_replies_of_an_older_run_stay_valid_while_its_body_is_the_one_they_were_asked_with(tmp_path):
    low = {"teacher": {"model": "m", "extra_body": {"reasoning_effort": "low"}}}
    high = {"teacher": {"model": "m", "extra_body": {"reasoning_effort": "high"}}}
    old = request(id="a#0", model="m", messages=USER, sampling=Sampling())
    with RunDir.open(tmp_path / "old") as run:  # as the first version left it: a recipe, replies, no note of the body
        run.write_text("recipe.yaml", "teacher: {model: m, extra_body: {reasoning_effort: low}}\n")
        run.sink("solve").completion(reply_to(old))
    assert asked_of(low, tmp_path / "old").key == old.key
    assert asked_of(high, tmp_path / "old").key != old.key
    assert asked_of(low, tmp_path / "old").key == old.key  # and back again
    assert asked_of(low, tmp_path / "new").key != old.key
    assert asked_of(low, tmp_path / "new").key == asked_of(low, tmp_path / "new").key
    assert asked_of(low, tmp_path / "new").key != asked_of(high, tmp_path / "new").key


def test_a_changed_recipe_names_what_is_asked_otherwise():
    before = recipe_values(recipe(solving={"reasoning_effort": "low"}, teacher={"model": "m", "timeout_seconds": 10.0}))
    now = recipe(solving={"reasoning_effort": "high"}, teacher={"model": "m", "extra_body": {"a": 1}})
    found = changes_since(before, now)
    assert found == ["teacher.extra_body.a: None -> 1", "solving.reasoning_effort: 'low' -> 'high'"]
    assert changes_since({}, now) == []
    del before["solving"]["top_k"]  # an option that the older version did not have
    assert changes_since(before, recipe(solving={"reasoning_effort": "low"}, teacher={"model": "m"})) == []


def test_a_stage_has_a_teacher_of_its_own_that_takes_over_the_address_and_never_a_key():
    here = {"model": "chat", "base_url": "http://a/v1", "api_key_env": "A_KEY", "timeout_seconds": 60.0}
    made = recipe(
        teacher=here,
        rewriting={"teacher": {"model": "small"}},
        solving={
            "max_tokens": 8000, "teacher": {"model": "thinker", "base_url": "http://b/v1", "timeout_seconds": 900.0},
        },
    )
    [rewriter], [solver], [judge] = (made.panels[stage] for stage in ("rewriting", "solving", "judging"))
    assert (rewriter.label, rewriter.model, rewriter.options.urls) == ("rewriting", "small", ("http://a/v1",))
    assert (rewriter.options.api_key_env, rewriter.options.timeout_seconds) == ("A_KEY", 60.0)
    assert (solver.label, solver.model, solver.options.urls) == ("solving", "thinker", ("http://b/v1",))
    assert (solver.options.api_key_env, solver.options.timeout_seconds) == ("OPENAI_API_KEY", 900.0)
    assert solver.sampling.max_tokens == 8000
    assert (judge.label, judge.model) == ("", "chat")


def test_a_mix_deals_requests_by_weight_and_a_changed_weight_moves_few():
    def labels(weight: float) -> list[str]:
        mix = {"a": {"model": "a", "weight": 3.0}, "b": {"model": "b", "weight": weight}}
        panel = recipe(teachers=mix).panels["solving"]
        return [panel.teacher_for(f"s-{number}#0").label for number in range(4000)]

    even, more = labels(1.0), labels(1.5)
    assert 0.22 < Counter(even)["b"] / 4000 < 0.28
    moved = [(one, other) for one, other in zip(even, more, strict=True) if one != other]
    assert set(moved) == {("a", "b")}
    assert len(moved) < 0.13 * 4000


def test_endpoints_with_models_of_their_own_are_part_of_the_key():
    def model(*names: str) -> str:
        endpoints = [{"url": f"http://{name or 'x'}/v1", "model": name} for name in names]
        return recipe(teacher={"model": "m", "endpoints": endpoints}).panels["solving"].teacher_for("a#0").model

    assert model("", "") == model("m", "") == "m"
    assert model("m", "n") == "m | n"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"teacher": {"backend": "embedded"}, "solving": {"reasoning_effort": "low"}}, "embedded has no such option"),
        ({"teacher": {"backend": "embedded"}, "rewriting": {"extra_body": {"a": 1}}}, "rewriting.extra_body: the"),
        ({"teacher": {"backend": "hf", "extra_body": {"a": 1}}}, "hf has no such option|sends no JSON"),
        ({"solving": {"top_k": -1}}, r"solving\.top_k: found -1, expected 0 or more"),
        ({"solving": {"min_p": 2.0}}, r"solving\.min_p: found 2\.0, expected a number from 0 to 1"),
        ({"solving": {"repetition_penalty": 0.0}}, r"solving\.repetition_penalty: found 0\.0, expected a number"),
        ({"teachers": {"a b": {"model": "m"}}}, "cannot name a teacher"),
        ({"teachers": {"a": {"model": "m", "weight": 0.0}}}, "expected a number above 0"),
        ({"teachers": {"a": {"model": "m", "backend": "openia"}}}, 'Did you mean "openai"'),
        ({"solving": {"teacher": {"model": "m", "backend": "openia"}}}, r"solving\.teacher\.backend: no such backend"),
        ({"teachers": {"a": {"model": "m", "backend": "openai_batch"}, "b": {"model": "m"}}}, "takes the plan whole"),
        ({"solving": {"teacher": {"modle": "m"}}}, 'Did you mean "model"'),
    ],
)
def test_what_cannot_be_is_a_sentence(values, sentence):
    with pytest.raises(RecipeError, match=sentence):
        recipe(**values)


def test_options_reach_the_wire_by_name():
    from mathstrap.backends.served.chat import body_of

    sampling = Sampling(
        top_k=20, min_p=0.05, repetition_penalty=1.1, reasoning_effort="low", seed=7, extra_body={"a": 1, "top_k": 30}
    )
    asked = msgspec.structs.replace(request(id="s#3", model="m", messages=USER, sampling=sampling), draw=3)
    body = body_of(asked, draws=1, tokens_field="max_tokens", extra={"a": 0, "b": 2})
    wanted = {
        "top_k": 30, "min_p": 0.05, "repetition_penalty": 1.1, "reasoning_effort": "low", "seed": 10, "a": 1, "b": 2,
    }  # fmt: skip
    assert {name: body[name] for name in wanted} == wanted
    bare = request(id="s#3", model="m", messages=USER, sampling=Sampling())
    plain = body_of(bare, draws=1, tokens_field="max_tokens", extra={})
    assert set(plain) == {"model", "messages", "temperature", "max_tokens"}


def test_each_teacher_is_paid_by_its_own_price_and_the_budget_reckons_with_the_dearest():
    from mathstrap.engine.budget import Meter
    from mathstrap.pipeline.teacher import dearest_price, own_prices

    made = recipe(teacher={"model": "gpt-4o-mini"}, solving={"teacher": {"model": "gpt-4o"}})
    prices, price = own_prices(made), dearest_price(made)
    assert price is not None
    assert price.usd_per_million_out == prices["solving"].usd_per_million_out > prices[""].usd_per_million_out
    meter = Meter(price=price, prices=prices)
    reply = Completion(request="a", key="k", text="", finish_reason="stop", tokens_in=10, tokens_out=1000)
    priced = meter.priced(msgspec.structs.replace(reply, teacher="solving"))
    assert priced.usd == pytest.approx(prices["solving"].usd(10, 1000))
    assert meter.priced(reply).usd == pytest.approx(prices[""].usd(10, 1000))
    assert meter.priced(msgspec.structs.replace(reply, usd=0.5)).usd == 0.5  # the server's own word comes first
    assert own_prices(recipe(teacher={"model": "gpt-4o"})) == {}
    assert dearest_price(recipe(teacher={"model": "gpt-4o"}, solving={"teacher": {"model": "nobody-knows"}})) is None


SERVED = {"backend": "openai", "base_url": "http://127.0.0.1:9/v1"}


@pytest.mark.parametrize(
    ("teacher", "sentence"),
    [
        (SERVED | {"model": "m", "settings": {"engine": "openvino"}}, 'no such setting "engine"'),
        (SERVED, "teacher.model: empty"),
        ({"backend": "openai_batch", "model": "m", "settings": {"api": "openia"}}, 'no such Batch API "openia"'),
        ({"backend": "openai_batch", "settings": {"lines": 5}}, "teacher.model: empty"),
        ({"backend": "embedded", "settings": {"engine": "openvin"}}, "expected one of auto, openvino, llama.cpp"),
        ({"backend": "hf", "settings": {"adaptor": "a"}}, 'no such setting "adaptor"'),
        ({"backend": "vllm", "model": "m", "settings": {"dtype": "auto"}}, "go under engine_args"),
        ({"backend": "vllm"}, "teacher.model: the vllm teacher needs a model"),
        ({"backend": "fake", "settings": {"accurate": 1}}, 'knows no "accurate"'),
    ],
)
def test_a_dry_run_and_the_run_itself_refuse_the_same_options_before_anything_is_asked(tmp_path, teacher, sentence):
    # The solving teacher is opened last: its options are checked before the rewritings are paid for.
    wrong = small_recipe(tmp_path, solving={"teacher": teacher})
    for begin in (preview, bootstrap):
        with pytest.raises(InputError, match=sentence):
            begin(wrong)
    assert not any(path.stat().st_size for path in tmp_path.rglob("completions*"))
