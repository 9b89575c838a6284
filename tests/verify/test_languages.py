"""Comparisons, multiples and alternatives in other languages stay with their number, however it is announced."""

from __future__ import annotations

import pytest

from mathstrap.verify import grade

# By language: how an answer is announced; what is not 56.
NOT_56: dict[str, tuple[list[str], list[str]]] = {
    "Chinese": (
        ["答案是{}。", "答案：{}", "所以{}。", "最终答案为{}。"],
        [
            "大于56", "小于56", "至少56", "至多56", "不超过56", "超过56",
            "56以上", "56以下", "56到60", "56或57", "56万", "56倍",
            "56分之1", "56多", "不是56", "约为56万", "高于56", "低于56", "在56和60之间",
        ],
    ),
    "Japanese": (
        ["答えは{}です。", "答え：{}", "したがって、{}です。"],
        [
            "56以上", "56以下", "56未満", "56より大きい", "56より小さい",
            "56から60", "56または57", "56万", "56倍", "56分の1", "少なくとも56",
            "多くとも56", "56を超える数", "56ではない", "56の半分",
        ],
    ),
    "Korean": (
        ["정답은 {}입니다.", "답: {}", "따라서 {}입니다."],
        [
            "56 이상", "56 이하", "56보다 큰 수", "56보다 작은 수", "최소 56",
            "최대 56", "56 또는 57", "56만", "56배", "56의 절반",
            "56 미만", "56에서 60 사이",
        ],
    ),
    "Russian": (
        ["Ответ: {}.", "Следовательно, {}."],
        [
            "больше 56", "меньше 56", "не менее 56", "не более 56", "от 56 до 60", "56 или 57", "56 тысяч",
            "56 млн", "половина 56", "минимум 56", "не 56", "свыше 56", "между 56 и 60", "56 раз",
        ],
    ),
    "Spanish": (
        ["La respuesta es {}.", "Respuesta: {}", "Por lo tanto, {}."],
        [
            "mayor que 56", "menor que 56", "al menos 56", "como máximo 56", "más de 56", "menos de 56",
            "entre 56 y 60", "56 o 57", "56 mil", "56 millones", "la mitad de 56", "no 56", "hasta 56",
            "superior a 56", "inferior a 56", "el doble de 56", "56 veces", "un tercio de 56",
        ],
    ),
    "French": (
        ["La réponse est {}.", "Réponse : {}", "Donc, {}."],
        [
            "supérieure à 56", "inférieure à 56", "au moins 56", "au plus 56", "plus de 56", "moins de 56",
            "entre 56 et 60", "56 ou 57", "56 mille", "56 millions", "la moitié de 56", "jusqu'à 56",
            "le double de 56", "56 fois", "un tiers de 56", "plus grand que 56",
        ],
    ),
    "German": (
        ["Die Antwort ist {}.", "Antwort: {}", "Also {}."],
        [
            "größer als 56", "kleiner als 56", "mindestens 56", "höchstens 56", "mehr als 56", "weniger als 56",
            "zwischen 56 und 60", "56 oder 57", "56 Tausend", "56 Millionen", "die Hälfte von 56", "bis zu 56",
            "nicht 56", "das Doppelte von 56", "56 mal", "ein Drittel von 56", "über 56", "unter 56",
        ],
    ),
    "Portuguese": (
        ["A resposta é {}.", "Resposta: {}", "Portanto, {}."],
        [
            "maior que 56", "menor que 56", "pelo menos 56", "no máximo 56", "mais de 56", "menos de 56",
            "entre 56 e 60", "56 ou 57", "56 mil", "56 milhões", "metade de 56", "até 56", "o dobro de 56",
            "56 vezes", "um terço de 56",
        ],
    ),
    "Italian": (
        ["La risposta è {}.", "Risposta: {}", "Quindi, {}."],
        [
            "maggiore di 56", "minore di 56", "almeno 56", "al massimo 56", "più di 56", "meno di 56",
            "tra 56 e 60", "56 o 57", "56 mila", "56 milioni", "metà di 56", "fino a 56", "il doppio di 56",
            "56 volte", "un terzo di 56",
        ],
    ),
    "Arabic": (
        ["الجواب هو {}.", "الإجابة: {}", "إذن {}."],
        [
            "أكثر من 56", "أقل من 56", "على الأقل 56", "على الأكثر 56", "56 أو 57", "56 ألف", "56 مليون", "نصف 56",
            "ضعف 56", "ليس 56", "بين 56 و 60", "أكبر من 56", "أصغر من 56",
        ],
    ),
    "Bengali": (
        ["উত্তর: {}", "উত্তর হলো {}।"],
        [
            "56 এর বেশি", "56 এর কম", "কমপক্ষে 56", "সর্বোচ্চ 56", "56 বা 57", "56 হাজার", "56 লক্ষ",
            "56 এর অর্ধেক", "56 গুণ", "56 নয়", "56 থেকে 60", "56 এর চেয়ে বড়",
        ],
    ),
    "Hindi": (
        ["उत्तर: {}", "उत्तर {} है।"],
        [
            "56 से अधिक", "56 से कम", "कम से कम 56", "अधिकतम 56", "56 या 57", "56 हज़ार", "56 लाख", "56 का आधा",
            "56 गुना", "56 नहीं",
        ],
    ),
    "Indonesian": (
        ["Jawaban: {}", "Jawabannya adalah {}."],
        [
            "lebih dari 56", "kurang dari 56", "paling banyak 56", "sekurang-kurangnya 56", "56 atau 57", "56 ribu",
            "56 juta", "setengah dari 56", "56 kali", "bukan 56",
        ],
    ),
    "Vietnamese": (
        ["Đáp án: {}", "Câu trả lời là {}."],
        [
            "lớn hơn 56", "nhỏ hơn 56", "ít nhất 56", "nhiều nhất 56", "56 hoặc 57", "56 nghìn", "56 triệu",
            "một nửa của 56", "56 lần", "không phải 56",
        ],
    ),
    "Swahili": (
        ["Jibu ni {}.", "Jibu: {}"],
        [
            "zaidi ya 56", "chini ya 56", "angalau 56", "56 au 57", "elfu 56", "nusu ya 56", "mara 56",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", NOT_56)
def test_what_is_not_the_number_is_not_read_as_it(language: str) -> None:
    announced, changed = NOT_56[language]
    replies = [f"...\n{each.format(words)}" for each in announced for words in changed]
    assert [reply for reply in replies if grade("56", reply, form="completion").outcome == "correct"] == []


@pytest.mark.parametrize("language", NOT_56)
def test_the_number_alone_is_read_in_every_announcement(language: str) -> None:
    replies = ["...\n" + each.format("56") for each in NOT_56[language][0]]
    assert [reply for reply in replies if grade("56", reply, form="completion").outcome != "correct"] == []
