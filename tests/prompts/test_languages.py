"""Prompts in the language of the question: which is taken, what it asks, and that its last line is read."""

from __future__ import annotations

import re

import pytest

from mathstrap.augment.languages import language_of
from mathstrap.errors import RecipeError
from mathstrap.pipeline.derive import solve_prompt
from mathstrap.pipeline.options import PromptsOptions, RunRecipe
from mathstrap.prompts import LANGUAGE_NAMES, choose_prompt, load_prompt
from mathstrap.types import Problem
from mathstrap.verify.find.extract import extract_answer

ASKED = {
    "zh": "小明有3支铅笔，又买了4支。他现在有多少支铅笔？",
    "ja": "太郎は鉛筆を3本持っていて、4本買いました。今何本ありますか？",
    "ko": "철수는 연필 3자루를 가지고 있고 4자루를 더 샀습니다. 모두 몇 자루입니까?",
    "hi": "राम के पास 3 कलम हैं और वह 4 और खरीदता है। अब कितनी कलम हैं?",
    "ar": "لدى أحمد 3 أقلام واشترى 4 أقلام أخرى. كم قلما لديه الآن؟",
    "de": "Anna hat 3 Stifte und kauft 4 dazu. Wie viele Stifte hat sie insgesamt?",
    "fr": "Anne a 3 stylos et elle en achète 4 de plus. Combien de stylos a-t-elle ?",
    "es": "Ana tiene 3 plumas y compra 4 más. ¿Cuántas plumas tiene en total?",
    "ru": "У Анны 3 ручки, и она купила ещё 4. Сколько у неё ручек?",
}


@pytest.mark.parametrize("language", ASKED)
@pytest.mark.parametrize("stage", ["solve", "backward"])
def test_a_question_is_asked_in_its_language_and_the_last_line_is_read(language, stage):
    problem = Problem(
        id="q", dataset="d", style="gsm8k", question=ASKED[language], answer="7",
        method="fobar" if stage == "backward" else "seed",
    )  # fmt: skip
    prompt = solve_prompt(problem, RunRecipe())
    assert prompt.name == f"{stage}.chat.{language}"
    line = next(line for line in prompt.text.splitlines() if line.endswith("42"))
    assert extract_answer(f"3 + 4 = 7.\n{line.replace('42', '7')}").answer == "7"
    assert solve_prompt(problem, RunRecipe(prompts=PromptsOptions(language="en"))).name == f"{stage}.chat.gsm8k"
    assert solve_prompt(problem, RunRecipe(mode="metamath-2024")).name == f"{stage}.metamath-2024.gsm8k"


@pytest.mark.parametrize("language", [name for name in LANGUAGE_NAMES if name not in (*ASKED, "en")])
def test_other_languages_take_the_english_prompt_with_a_sentence(language):
    prompt = choose_prompt("solve", "math", language=language)
    english = load_prompt("solve.chat.math")
    assert f"written in {LANGUAGE_NAMES[language]}: write in" in prompt.text
    assert prompt.hash != english.hash
    assert re.sub(r"What follows is written.*\n", "", prompt.text) == english.text


def test_rewrites_are_asked_for_in_the_language_too():
    assert "written in Chinese" in choose_prompt("rephrase", "gsm8k", language="zh").turns[-1].pieces[0]


def test_an_unknown_language_is_a_sentence():
    with pytest.raises(RecipeError, match=r'no such language "cn".*Known: auto, en, zh'):
        PromptsOptions(language="cn")


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("The piñata for $13 is filled with treats and the candy is $14. How much does it cost?", "en"),
        ("Evaluate \\[x^4 + x^3y + y^4\\] when $x = 5$ and $y = 4$, y y y y.", "en"),
        *((question, language) for language, question in ASKED.items()),
    ],
)
def test_an_english_question_stays_english_and_others_are_told(question, language):
    assert language_of(question) == language
