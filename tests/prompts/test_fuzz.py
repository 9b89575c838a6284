"""Hostile questions in prompts: what a field holds is put in once, as it is, and never looked at again."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from bounded import examples
from mathstrap.augment import AUGMENTATIONS, Draft
from mathstrap.errors import InputError
from mathstrap.pipeline.solve import solve_requests
from mathstrap.prompts import choose_prompt, load_prompt, parse_prompt, prompt_names, render
from mathstrap.train.prompt import WITH_INPUT, WITHOUT_INPUT, metamath_prompt
from mathstrap.types import Problem, Sampling

HOSTILE = [
    "{question}", "{{question}}", "{0}", "{", "}", "%s", "%(question)s", "$question", "${question}", "[[question]]",
    "[[answer]]", "[[system]]", "\n[[user]]\n", "[[newline]]", "[[space]]", "[[stop]]", "\\1", "\\g<0>", "\\n",
    "{instruction}", "{input}", "### Response:", "### Instruction:", "\n### Input:\n", "<|im_end|>", "</s>", "<s>",
    "<|im_start|>system", "[INST]", "<<SYS>>", "{{ 7*7 }}", "{% include 'x' %}", "Answer:", "Question:", "\nQ:", "\r\n",
    "\x00", "\u2028", "\ufeff", " ", "\n", "3", "7 of 9", "é", "\U0001f600",
]  # fmt: skip
hostile = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=8).map("".join))
NAMES = prompt_names()


@examples(150)
@given(st.sampled_from(NAMES), st.data())
def test_a_prompt_is_its_pieces_with_each_field_between_two(name: str, data: st.DataObject) -> None:
    prompt = load_prompt(name)
    wanted = sorted({field for turn in prompt.turns for field in turn.fields})
    fields = {field: data.draw(hostile, label=field) for field in wanted}
    messages = render(prompt, fields)
    assert [message.role for message in messages] == [turn.role for turn in prompt.turns]
    for message, turn in zip(messages, prompt.turns, strict=True):
        rest = message.content
        for piece, field in zip(turn.pieces, (*turn.fields, ""), strict=True):
            assert rest.startswith(piece)
            rest = rest.removeprefix(piece)
            if field:
                assert rest.startswith(fields[field])
                rest = rest.removeprefix(fields[field])
        assert rest == ""


@examples(150)
@given(hostile, st.sampled_from(["gsm8k", "math"]), st.sampled_from(["chat", "fewshot", "completion", "tiny"]))
def test_a_question_stands_in_its_request_as_it_is(question: str, style, shape) -> None:
    problem = Problem(id="s", dataset="s", style=style, question=question, answer="1")
    prompt = choose_prompt("solve", style, shape=shape)
    asked = next(solve_requests(problem, [0], prompt=prompt, model="m", sampling=Sampling()))
    plain = next(solve_requests(
        Problem(id="s", dataset="s", style=style, question="QUESTION", answer="1"), [0], prompt=prompt, model="m",
        sampling=Sampling(),
    ))  # fmt: skip
    for message, other in zip(asked.messages, plain.messages, strict=True):
        assert message.content == other.content.replace("QUESTION", question)


@examples(60)
@given(hostile, hostile, st.sampled_from(["rephrase", "self_verification", "fobar"]))
def test_a_rewrite_of_a_hostile_question_asks_with_it_as_it_is(question: str, answer: str, method) -> None:
    seed = Problem(id="s", dataset="s", style="gsm8k", question=f"Ann has 3 of 7 cats. {question}", answer=answer)
    for draft in AUGMENTATIONS[method].rewrite(seed, 2, mode="default"):
        if isinstance(draft, Draft):
            assert all(isinstance(value, str) for value in draft.fields.values())
            if "question" in draft.fields and method == "rephrase":
                assert draft.fields["question"] == seed.question


@examples(150)
@given(hostile)
def test_the_training_template_takes_any_question_literally(question: str) -> None:
    text = metamath_prompt(question)
    first, _, rest = question.partition("\n")
    template = WITH_INPUT if rest else WITHOUT_INPUT
    pieces = [literal for literal, *_ in string.Formatter().parse(template)]
    expected = pieces[0] + first + pieces[1] + (rest + pieces[2] if rest else "")
    assert text == expected


@examples(150)
@given(st.one_of(hostile, st.lists(st.sampled_from(["[[user]]\n", "[[raw]]\n", *HOSTILE]), max_size=8).map("".join)))
def test_any_text_is_a_prompt_or_a_sentence(text: str) -> None:
    try:
        prompt = parse_prompt(text, name="mine.txt")
    except InputError as error:
        assert "mine.txt" in str(error)  # noqa: PT017
        return
    fields = {field: "[[question]]{question}" for turn in prompt.turns for field in turn.fields}
    assert sum(message.content.count("[[question]]{question}") for message in render(prompt, fields)) >= len(fields)
