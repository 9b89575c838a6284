"""Prompt files: reading, filling in, choosing, and the key of a request."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mathstrap.errors import InputError
from mathstrap.prompts import (
    PAPER_STAGES,
    PROMPT_STAGES,
    SHAPES,
    check_prompt_files,
    choose_prompt,
    load_prompt,
    parse_prompt,
    prompt_names,
    prompt_stage,
    render,
    request,
    with_stop,
)
from mathstrap.types import Message, Sampling

# Evaluation and judging keep their prompts in the same folder.
NAMES = [name for name in prompt_names() if name.startswith(PROMPT_STAGES)]
FIELDS = {
    "question": "How many?", "answer": "7", "context": "Ann has 7 cats.", "change": "Make it harder.", "letter": "N",
    "second": "How much?", "third": "How far?", "concepts": "rates and ages", "persona": "a baker",
}  # fmt: skip
HOSTILE = "Take {x} of $5, $x^{2}$, <<3*4=12>>, %s {0} [[answer]] [[question]] \\1 \\g<0>"


def test_every_stage_style_and_shape_has_a_prompt_and_there_is_no_other() -> None:
    shapes = {stage: SHAPES if stage in PAPER_STAGES else ("chat", "tiny") for stage in PROMPT_STAGES}
    styles = ("gsm8k", "math")
    names = {f"{stage}.{shape}.{style}" for stage in PROMPT_STAGES for shape in shapes[stage] for style in styles}
    languages = ("ar", "de", "es", "fr", "hi", "ja", "ko", "ru", "zh")
    names |= {f"{stage}.chat.{language}" for stage in ("solve", "backward") for language in languages}
    assert set(NAMES) == names


@pytest.mark.parametrize("name", NAMES)
def test_every_packaged_prompt_can_be_filled(name: str) -> None:
    messages = render(load_prompt(name), FIELDS)
    text = "\n".join(message.content for message in messages)
    assert "How many?" in text
    assert "[[" not in text
    assert messages[-1].role in ("user", "raw")


SOLVING = [
    name for name in NAMES if name.startswith(("solve", "backward", "explain")) and name.endswith((".gsm8k", ".math"))
]


@pytest.mark.parametrize("name", SOLVING)
def test_every_solving_prompt_shows_how_the_answer_is_stated(name: str) -> None:
    text = load_prompt(name).text
    assert ("The value of" if name.startswith("backward.metamath") else "The answer is") in text


def test_a_question_is_pasted_as_it_is() -> None:
    for name in NAMES:
        fields = FIELDS | {"question": HOSTILE}
        assert any(HOSTILE in message.content for message in render(load_prompt(name), fields))


@pytest.mark.parametrize(
    ("stage", "style", "ending"),
    [
        ("solve", "gsm8k", "\n\nQuestion: How many?\nA: Let's think step by step.\n"),
        ("solve", "math", "\n\nQuestion: How many?\nA: Let's think step by step.\n"),
        ("backward", "math", "\n\nQuestion: How many?\nA: Let's think step by step.\n"),
        ("rephrase", "gsm8k", "\n\nQuestion: How many?\nRephrase the above question: "),
        ("self_verification", "gsm8k", "\n\nQuestion: How many? The answer is 7.\n Result: "),
    ],
)
def test_the_reference_shapes_end_like_the_reference(stage: str, style: str, ending: str) -> None:
    system, user = render(load_prompt(f"{stage}.metamath-2024.{style}"), FIELDS)
    assert system == Message("system", "Follow the given examples and answer the question.")
    assert user.content.endswith(ending)


def test_a_prompt_file_is_sections_and_placeholders(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("[[system]]\nBe brief.\n\n[[user]]\nQ: [[question]]\nA:[[space]]\n[[stop]]\n\\nQ:\n###\n", "utf-8")
    prompt = load_prompt(str(path))
    assert prompt.stop == ("\nQ:", "###")
    assert render(prompt, FIELDS) == (Message("system", "Be brief."), Message("user", "Q: How many?\nA: "))


def test_windows_line_ends_and_a_byte_order_mark_make_no_difference() -> None:
    plain = parse_prompt("[[user]]\nQ: [[question]]\n", name="p")
    other = parse_prompt("\ufeff[[user]]\r\nQ: [[question]]\r\n", name="p")
    assert plain == other


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Solve this.\n[[user]]\nx", "p: the text 'Solve this.' stands before any section."),
        ("", "p: the prompt has no turn."),
        ("[[stop]]\nx", "p: the prompt has no turn."),
        ("[[system]]\nx\n[[raw]]\ny", "p: a [[raw]] prompt has exactly one turn"),
    ],
)
def test_a_bad_prompt_file_is_a_sentence(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_prompt(text, name="p")
    assert message in str(caught.value)


def test_a_missing_field_is_a_sentence() -> None:
    prompt = parse_prompt("[[user]]\n[[qestion]]\n", name="p")
    with pytest.raises(InputError, match=r'\[\[qestion\]\] has no value here. Did you mean "question"\?'):
        render(prompt, FIELDS)


def test_unknown_prompts_and_files_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no packaged prompt .* Did you mean .solve\.chat\.gsm8k"):
        load_prompt("solve.chat.gsm8")
    with pytest.raises(InputError, match="cannot be read"):
        load_prompt(str(tmp_path / "absent.txt"))
    bad = tmp_path / "latin.txt"
    bad.write_bytes(b"[[user]]\n\xe9\xff")
    with pytest.raises(InputError, match="not UTF-8 text"):
        load_prompt(str(bad))


def test_the_users_own_file_replaces_one_prompt(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("[[user]]\n[[question]]\n", "utf-8")
    files = {"solve": "solve.tiny.gsm8k", "solve.math": str(path)}
    assert choose_prompt("solve", "math", files=files).name == str(path)
    assert choose_prompt("solve", "gsm8k", files=files).name == "solve.tiny.gsm8k"
    assert choose_prompt("rephrase", "math", shape="fewshot", files=files).name == "rephrase.fewshot.math"
    with pytest.raises(InputError, match=r'no such key "slove"\. Did you mean "solve"'):
        check_prompt_files({"slove": str(path)})


def test_backward_problems_get_the_backward_prompt_of_their_own_style() -> None:
    assert prompt_stage("fobar", rewriting=False) == prompt_stage("self_verification", rewriting=False) == "backward"
    assert prompt_stage("rephrase", rewriting=False) == prompt_stage("ans_aug", rewriting=False) == "solve"
    assert prompt_stage("rephrase", rewriting=True) == "rephrase"
    # The released code solves GSM8K's backward questions with the MATH prompt.
    assert "$X$" not in choose_prompt("backward", "gsm8k", shape="metamath-2024").text


def test_the_hash_of_a_prompt_changes_with_every_character() -> None:
    one = parse_prompt("[[user]]\n[[question]]", name="p").hash
    two = parse_prompt("[[user]]\n[[question]] ", name="p").hash
    assert one != two
    assert len(one) == 12


def test_the_key_is_what_is_asked_and_nothing_else() -> None:
    messages = (Message("user", "How many?"),)
    sampling = Sampling(temperature=0.7)
    base = request(id="a#0", model="m", messages=messages, sampling=sampling)
    assert request(id="b#1", model="m", messages=messages, sampling=sampling, draw=1).key == base.key
    assert request(id="a#0", model="n", messages=messages, sampling=sampling).key != base.key
    assert request(id="a#0", model="m", messages=messages, sampling=Sampling(temperature=0.8)).key != base.key
    assert request(id="a#0", model="m", messages=(*messages, *messages), sampling=sampling).key != base.key
    assert base.key == "f8a72bb63abb7b26b5461a1985006cc8"  # keys of finished runs must not change


def test_stop_strings_of_prompt_and_sampling_are_joined() -> None:
    prompt = parse_prompt("[[user]]\nx\n[[stop]]\n\\nQ:\n##", name="p")
    assert with_stop(Sampling(stop=("##", "END")), prompt).stop == ("##", "END", "\nQ:")


def test_twenty_thousand_requests_are_planned_at_once() -> None:
    prompt = load_prompt("solve.fewshot.gsm8k")
    sampling = with_stop(Sampling(), prompt)
    start = time.perf_counter()
    for number in range(20_000):
        messages = render(prompt, {"question": f"How many are {number}?"})
        request(id=f"s-{number}#0", model="m", messages=messages, sampling=sampling)
    assert time.perf_counter() - start < 30  # bench/planning.py measures; this only catches a blunder
