"""Numbers, sentence ends and backward questions in the languages that seeds come in."""

from __future__ import annotations

import re

import pytest

from mathstrap.augment.fobar import rewrite
from mathstrap.augment.languages import language_of, wording_of
from mathstrap.augment.masking import find_masks
from mathstrap.augment.sentences import find_question
from mathstrap.types import Problem


@pytest.mark.parametrize(
    ("text", "language", "numbers"),
    [
        ("小明有99页书，看了三十二页，给了两个人。第三天一共还剩多少页？", "zh", ["99", "32", "2"]),
        ("ジャネットは1日に16個の卵を売ります。", "ja", ["1", "16"]),
        ("철수는 사과 3개와 배 12개가 있습니다.", "ko", ["3", "12"]),
        ("राम के पास 16 सेब और तीन केले हैं।", "hi", ["16", "3"]),
        ("لدى سارة 16 تفاحة و 3 موزات.", "ar", ["16", "3"]),
        ("Ein Stift kostet 1,50 Euro und das Haus 80.000 Euro, sie hat zwei davon.", "de", ["1.5", "80000", "2"]),
        ("Les canes pondent 1 250 œufs et elle en mange trois.", "fr", ["1250", "3"]),
        ("El vestido cuesta 3,5 euros y la casa 80.000 para las dos.", "es", ["3.5", "80000", "2"]),
        ("Утки несут по 1 250 яиц, она ест три.", "ru", ["1250", "3"]),
        ("A stock worth € 1 250 rises by 10 %.", "en", ["1250", "10"]),
        ("The points are 1,5 and 2.500 in all.", "en", ["2.5"]),
    ],
)
def test_numbers_are_read_as_the_language_writes_them(text, language, numbers):
    assert language_of(text) == language
    assert [mask.answer for mask in find_masks(text, "gsm8k")] == numbers


@pytest.mark.parametrize(
    ("text", "asking"),
    [
        ("芬恩看着 11 只蝌蚪。他现在能看到多少只蝌蚪？", "他现在能看到多少只蝌蚪？"),
        ("卵が16個あります。何個残りますか。", "何個残りますか。"),
        ("राम के पास 3 सेब हैं। कुल कितने सेब हैं?", "कुल कितने सेब हैं?"),
        ("لديها 3 تفاحات. كم تفاحة لديها؟", "كم تفاحة لديها؟"),
        ("Er hat 3. Übrigens zahlt er. Wie viel bleibt?", "Wie viel bleibt?"),
        ("Tiene 3 libros. ¿Cuántos quedan?", "¿Cuántos quedan?"),
        ("У неё 3 яблока. Сколько осталось?", "Сколько осталось?"),
    ],
)
def test_the_sentence_that_asks_is_found(text, asking):
    found = find_question(text, "gsm8k")
    assert found is not None
    assert found.text == asking


@pytest.mark.parametrize("language", ["de", "fr", "es", "ru", "zh", "ja", "ko", "hi", "bn", "ar", "en"])
def test_every_wording_is_in_its_language_and_has_its_blanks(language):
    wording = wording_of(language)
    assert language_of(wording.known.replace("[[answer]]", "7").replace("[[variable]]", "x")) == language
    assert wording.known.count("[[answer]]") == wording.known.count("[[variable]]") == 1
    assert wording.asks.count("[[variable]]") == 1


def test_the_backward_question_is_asked_in_the_questions_language():
    seed = Problem(id="a", dataset="d", style="gsm8k", question="小明有99页书，看了90页，还剩多少页？", answer="9")
    (made,) = rewrite(seed, 1, rng_seed=0)
    assert isinstance(made, Problem)
    assert "答案是 9" in made.question
    assert not re.search("answer", made.question)


@pytest.mark.parametrize("language", ["bn", "de", "es", "fr", "ja", "ru", "zh"])
def test_masks_are_found_in_nine_of_ten_questions_of_mgsm(data_path, language):
    path = data_path / "mgsm" / f"mgsm_{language}.tsv"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    questions = [line.partition("\t")[0] for line in path.read_text(encoding="utf-8").splitlines()]
    numbered = [question for question in questions if re.search(r"\d", question)]
    assert sum(bool(find_masks(question, "gsm8k")) for question in numbered) >= 0.9 * len(numbered)
