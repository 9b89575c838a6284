"""The words that announce an answer in languages other than English, and the sentences that end in one.

The languages of MGSM and the other large ones. A reply in English never gets here. Knows nothing of equality.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

from mathstrap.patterns import regex

_MARKS = {"٫": ".", "٬": ",", "−": "-", "％": "%", "٪": "%", "￥": "¥"}
# What may stand between the word for "answer" and the answer: a copula, a colon, marks of emphasis.
_ANCHORS = regex(
    r"(?:"
    # Chinese, Japanese, Korean: the copula or a colon is needed, since the bare word also means "reply".
    r"(?:答案|答え|解答|答え合わせ|結果|结果|得数)(?:应该|應該|应当|就|便)?\s?(?:是|为|為|等于|等於|選|选|は、?"
    r"|が|：|:|\*{2}[:：]?)"
    r"|(?:^|\n)[#*\s]{0,6}(?:最终|最終)?(?:答案|答え|解答|정답|답|Ответ|উত্তর)\*{0,2}[:：]?\s*\n"
    r"|결과\s?(?:은|는|:)|【(?:答案|解答|答え|答)】|「(?:答案|答え)」"
    r"|(?:^|\n|[。，,；;])\s*答\s?(?:[:：]|は)"
    r"|正解(?:は、?|：|:)"
    r"|(?:정답|답|해답)\s?(?:은|는|이|:|：)"
    # Cyrillic, Indic, Thai, Arabic, Hebrew.
    r"|(?:Ответ|ответ|ОТВЕТ|Відповідь|відповідь)(?:ом)?(?:\s?(?::|—|–|-|=|равен|будет|является|дорівнює))+"
    r"|(?:উত্তর(?:টি)?|उत्तर|उत्तर:|సమాధానం|பதில்|ઉત્તર|ਉੱਤਰ)(?:\s?(?::|হলো|হল|হচ্ছে|হবে|है|होगा|=|-))*"
    r"|(?:คำตอบ(?:คือ)?|ตอบ)\s?:?"
    r"|(?:الجواب|الإجابة|الاجابة|جواب|پاسخ)(?:\s(?:النهائية|النهائي|الصحيحة|الصحيح))?(?:\s?(?::|هو|هي|است|=))*"
    r"|(?:התשובה|תשובה)(?:\s?(?::|היא))*"
    r"|\b(?:[Αα]πάντηση|[Αα]ποτέλεσμα)(?:\s?(?::|είναι|=))+"
    # German turns the verb round: "Somit lautet die Antwort 42".
    r"|\b(?:ist|lautet|beträgt) (?:die|das) (?:richtige |endgültige |gesuchte )?(?:Antwort|Ergebnis|Lösung)"
    r"(?= ?[$*\\:(]{0,3} ?-?\d| ?\\| ?\$)"
    # Latin scripts.
    r"|\b(?:[Rr]espuesta|RESPUESTA|[Ss]olución|[Rr]esposta|[Rr]isposta|[Rr]éponse|RÉPONSE|[Rr]eponse|[Aa]ntwort"
    r"|ANTWORT"
    r"|[Ee]rgebnis|[Rr]ésultat|[Rr]esultado|[Rr]isultato|[Ss]olution(?= est)|[Ll]ösung|[Jj]ibu|[Jj]awaban(?:nya)?"
    r"|[Oo]dpowiedź|[Oo]dpověď|[Aa]ntwoord|[Cc]evap|[Yy]anıt"
    r"|[Đđ]áp án|[Cc]âu trả lời|[Ss]var(?:et)?|[Vv]astaus|[Rr]ăspuns(?:ul)?)"
    r"(?:\s(?:final|finale|finală|correcta|correcte|corretta|correta|est-elle))?"
    r"(?:\*{0,2}\s?(?::|=|\bes\b|\best\b|\bist\b|\blautet\b|\bbeträgt\b|\bsería\b|\bserait\b|\bé\b|\bè\b|\bni\b"
    r"|\badalah\b"
    r"|\bto\b|\bje\b|\bis\b|\blà\b|\bär\b|\ber\b|\bon\b|\beste\b|\bde\s(?=\d)))"
    r")\**\s{0,3}[:：]?\s{0,3}\**"
)
# A closing sentence that begins like this concludes, and one number in it is the conclusion.
_CONCLUDES = regex(
    r"^\W{0,4}(?:所以|应该是|应为|应是|正确答案|其实是|实际上是|因此|因而|故|综上|綜上|总共|一共|共|总计|于是|那么|则|最后|最终|したがって|よって|従って"
    r"|だから|ゆえに|つまり|합계|따라서|그러므로|결국|즉"
    r"|Следовательно|Поэтому|Итого|Таким образом|Значит|Итак|Всего|সুতরাং|অতএব|তাই|তাহলে|इसलिए|अतः|కాబట్టి"
    r"|అందువల్ల|ดังนั้น|รวม"
    r"|Por (?:lo )?tanto|Por eso|Así que|Entonces|En total|Luego|Portanto|Então|Logo|Quindi|Dunque|Perciò"
    r"|Donc|Ainsi|Par conséquent|Alors|Au total|C'est pourquoi|Also|Daher|Somit|Folglich|Deshalb|Insgesamt|Damit"
    r"|Kwa hiyo|Kwa hivyo|Hivyo|Jadi|Dus|Więc|لذلك|إذن|إذًا|وبالتالي|لذا)"
)
_INSTEAD = regex(r"^\W{0,4}(?:应该是|应为|应是|正确答案(?:是|为|应该是)?|其实是|实际上是)")
_CHOICE = regex(r"(?:故?(?:应)?选(?:择)?|選擇?|正解は|정답은)\s?[:：]?\s?[(（]?([A-J])[)）]?(?![A-Za-z])")
_NUMBER = regex(
    r"(?<![0-9A-Za-z.])[-−]?\s?(?:R?\$|€|£|¥"
    r"|￥)?\s?(?:[0-9٠-٩০-৯०-९０-９]+(?:[.,٫٬][0-9٠-٩০-৯०-९０-９]+)*)(?:\s?/\s?[0-9]+)?(?:\s?[%％٪])?"
)
# Words that change the number beside them: thousands, comparisons, alternatives, times, parts.
_CHANGES = regex(
    r"[万亿億萬千百十倍半割折约約]|分之|多(?!少)|余|至|到|之间|之間|間|超え|ではな|じゃな|でな|以外|大于|大於|小於|高于|低于|大きい|小さい|以上|以下|以内|未満|未满|より|超过|超過"
    r"|不到|不足|至少|最多"
    r"|至多|少なくとも|多くとも|小于|大于|或者?|不是|不等于|可能|也许"
    r"|만|억|천|백|배|절반|이상|이하|미만|초과|최소|최대|또는|아니|보다|사이|넘|약\s"
    r"|тысяч|миллион|миллиард|\bтыс\b|\bмлн\b|\bраз[а]?\b|половин|не менее|не более|не меньше|не больше|больше"
    r"|меньше|между|\bдо\b|свыше|превышает|трет[ьи]|четверт|двое|вдвое|минимум"
    r"|максимум|\bили\b|\bне\b|около"
    r"|হাজার|লক্ষ|কোটি|শত|গুণ|অর্ধেক|চেয়ে|অধিক|কমপক্ষে|সর্বোচ্চ|কম|বেশি|বা\s|নয়|से अधिक|से कम|अधिकतम|न्यूनतम"
    r"|नहीं|ज़्यादा|ज्यादा|से बड़|से छोट|हज़ार|हजार|लाख|करोड़|गुना|आधा|కనీసం"
    r"|గరిష్టంగా|వేల|లక్ష"
    r"|ألف|آلاف|مليون|مائة|ضعف|نصف|أكثر|أقل|أكبر من|أصغر من|بين|على الأقل|على الأكثر|أو|ليس|تقريب"
    r"|\b(?:mil|miles|millon(?:es)?|millón|millones|cientos|docenas?|veces|mitad|doble|double|triple|al menos"
    r"|como máximo|como mínimo|más de|menos de"
    r"|mayor|menor|o|no|ni|casi|mille|millions?|milliers?|centaines?|douzaines?|fois|moitié|au moins|au plus"
    r"|plus de|moins de|presque|ou|pas|ne"
    r"|Tausend|tausend|Millionen|Million|Hundert|hundert|Dutzend|Mal|mal|Hälfte|mindestens|höchstens|mehr als"
    r"|weniger als|über|unter|fast|oder|nicht|kein"
    r"|inf[eé]rieure?s?|sup[eé]rieure?s?|inferior(?:e|i|es)?|superior(?:e|i|es)?|maggiore|minore|maior|hasta|jusqu"
    r"|entre|tra|fra|zwischen|bis|kleiner|größer|unter|mais de|menos de|até|no máximo|no mínimo|fino a|al massimo"
    r"|al minimo|sotto|sopra|acima|abaixo|encima|debajo|supera|excede|d[eé]passe|übersteigt|tiers|tercio|quart|cuarto"
    r"|drittel|viertel|doppelt\w*|dreimal|zweimal|dobro|terço|quarto|doppio|terzo|centinaia|migliaia|mila|milioni"
    r"|milhões|milhares|centenas|cent|cien|ciento|kurang dari|lebih dari|paling (?:banyak|sedikit)|hampir|atau|bukan"
    r"|ít nhất|nhiều nhất|hơn|dưới|trên|hoặc|không|zidi ya|chini ya|sio"
    r"|sekurang\w*|minimal|maksimal|kali|nghìn|triệu|nửa|lần|lớn hơn|nhỏ hơn|zaidi|volte|mezzo"
    r"|(?:plus|moins|más|menos|mais|più|meno)\s+(?:que|che|do que|grande?s?|petite?s?|pequeñ\w+|piccol\w+"
    r"|alt\w+|haute?s?)"
    r"|almeno|più di|meno di|metà|volte|pelo menos|metade|vezes|elfu|mara|nusu|angalau|juta|ribu|setengah|kali)\b",
    re.IGNORECASE,
)
_FACTORS: tuple[tuple[re.Pattern[str], int], ...] = tuple(
    (regex(rf"\s?(?:{words})\w{{0,3}}\b"), factor)
    for words, factor in (
        ("mil(?!l)|mille|milliers?|[Tt]ausend|тысяч|тыс|হাজার|हज़ार|हजार|ألف|آلاف|elfu|ribu", 1_000),
        ("millon|millón|million|[Mm]illion|миллион|млн|milhões|milioni|مليون|juta", 1_000_000),
        ("docena|douzaine|Dutzend|dúzia|dozzin", 12),
    )
) + tuple(
    (regex(rf"\s?{sign}"), factor)
    for sign, factor in (("[万萬만]", 10_000), ("[亿億억]", 100_000_000), ("[千천]", 1_000))
)
_OTHER_SCRIPT = regex(r"[\u0400-\u058f\u0590-\u06ff\u0900-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_SENTENCE_SIGN = regex(r"[0-9A-Za-z。：:，、！？]")
# Words of the Latin languages above that are not English words: two of them make a sentence foreign.
_FUNCTION_WORDS = regex(
    r"\b(?:el|la|los|las|es|est|ist|der|das|dem|und|une|les|des|du|il|elle|ils|haben|sie|tiene|tienen|una?|por"
    r"|para|que|qui|sont|sind|dann|nous"
    r"|avec|nicht|della|sono|ela|ele|uma|são|não|respuesta|réponse|Antwort|insgesamt|también|aussi|auch|yake|kwa"
    r"|adalah|dengan)\b",
    re.IGNORECASE,
)
_ENGLISH_WORDS = regex(r"\b(?:the|is|are|of|and|has|have|was|were|she|they|so|to|it|that|we|with|from)\b")
_STOP = regex(r"[。！？!?؟।\n]|[.](?=\s|$)|[，、；;](?!\d)|,(?=\s)|٬\s")


# A part of every anchor of the Latin and Greek scripts, in any case: trying them all at every place costs far more.
_ANCHOR_PARTS = (
    "puesta", "PUESTA", "posta", "ponse", "PONSE", "ntwort", "NTWORT", "rgebnis", "sultat", "sultad", "oluci",
    "olution est", "ösung", "ibu", "awaban", "dpowied", "dpověď", "ntwoord", "evap", "anıt", "áp án", "trả lời", "svar",
    "Svar", "astaus", "ăspuns", "πάντηση", "ποτέλεσμα",
)  # fmt: skip


def foreign_statement(text: str) -> tuple[int, int, str] | None:
    """Return where the last foreign announcement of an answer starts, where its answer ends, and the answer."""
    if (text.isascii() or not _OTHER_SCRIPT.search(text)) and not any(part in text for part in _ANCHOR_PARTS):
        return None
    last = None
    for match in _ANCHORS.finditer(text, max(0, len(text) - 4_000)):
        last = match
    if last is None:
        return None
    rest = text[last.end() : last.end() + 400].lstrip()
    span = _first_part(rest)
    answer = plain_value(span)
    if _COMMA_LANGUAGE.search(last[0]):
        answer = _with_points(answer)
    return (last.start(), last.end() + len(span), answer) if answer else None


def _with_points(answer: str) -> str:
    """Return `3.5` for `3,5` and `1234` for `1.234`, as the languages that write a decimal comma mean them.

    `1,234` is left alone: not everyone who writes those languages uses their comma.
    """
    number = _COMMA_NUMBER.fullmatch(answer)
    if number is None:
        return answer
    sign, whole, decimals, rest = number[1], number[2].replace(".", ""), number[3] or "", number[4]
    return f"{sign}{whole}{'.' if decimals else ''}{decimals}{rest}"


_COMMA_LANGUAGE = regex(
    r"(?i:respuesta|resultado|soluci|resposta|risposta|risultato|r[ée]ponse|r[ée]sultat|solution|antwoord"
    r"|antwort|ergebnis|l.sung"
    r"|ответ|відповідь|odpowied|odpov|cevap|yanıt|jawaban|đáp án|câu trả lời|svar|vastaus|răspuns)"
)
_COMMA_NUMBER = regex(
    r"(-?(?:[$€£]\s?)?)([0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+(?=,))(?:,([0-9]{1,2}|[0-9]{4,9}|(?<=[^0-9]0,)[0-9]{3}"
    r"|(?<=^0,)[0-9]{3}))?(\D{0,30})"
)


def _first_part(rest: str) -> str:
    """Return a formula with its marks, or else what stands before the first stop."""
    for opening, closing in (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$")):
        if rest.startswith(opening):
            end = rest.find(closing, len(opening))
            if end > 0:
                return rest[: end + len(closing)]
    return str(_STOP.split(rest, maxsplit=1)[0])


def plain_value(span: str) -> str:
    """Return the answer of a foreign span: `42 个苹果` is 42, while `42 万` stays as it is, for it is not 42."""
    span = span.strip(" \t*_`「」『』“”\"'()（）").strip()
    span = re.sub(r"(?:です|でした|だ|である|입니다|이다|예요|이에요|है|হবে|হয়|ครับ|ค่ะ)\W*$", "", span).strip(" *。.")
    if span.startswith(("$", "\\")) and span.rstrip().endswith(("$", ")", "]")):
        return span
    choice = re.fullmatch(r"[(（]?([A-J])[)）]?(?:\s?(?:選項|选项|项|番|번))?", span)
    if choice:
        return choice[1]
    span = "".join(str(unicodedata.decimal(char)) if char.isdecimal() else _MARKS.get(char, char) for char in span)
    numbers = list(_NUMBER.finditer(span))
    if len(numbers) == 1 and (scaled := _with_factor(numbers[0], span)) is not None:
        return scaled
    if len(numbers) == 1 and not _CHANGES.search(_NUMBER.sub(" ", span)) and _only_words(span, numbers[0]):
        return numbers[0][0].strip()
    if " = " in span and numbers and not _CHANGES.search(span):
        side = span.rpartition("=")[2].strip()
        return plain_value(side) if side and "=" not in side else span
    return span


def _with_factor(number: re.Match[str], span: str) -> str | None:
    """Return `420000` for `42万` and `42000` for `42 mil`; None where no such word follows the number."""
    digits = number[0].strip().replace(",", "")
    for pattern, factor in _FACTORS:
        word = pattern.match(span, number.end())
        if word and re.fullmatch(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?", digits) and not _CHANGES.search(span[word.end() :]):
            before = _CHANGES.search(span[: number.start()])
            value = Decimal(digits) * factor
            return None if before else f"{value.normalize():f}"
    return None


# What begins a conclusion in no English text; "Also" is English too, and is German only before a German word.
_BEGINS_FOREIGN = regex(
    r"(?:\A|[\n.!?]\s*)\W{0,4}(?:Por (?:lo )?tanto|Por eso|Así que|Entonces|Luego|Portanto|Então|Logo|Quindi"
    r"|Dunque|Perciò"
    r"|Donc|Ainsi|Par conséquent|Alors|Au total|C'est pourquoi|Daher|Somit|Folglich|Deshalb|Insgesamt|Damit|Jadi|Dus"
    r"|Więc|Kwa hi[yv]o|Hivyo|Also,? (?:eine?|größer|kleiner|nicht|die|das|der|bis|über|unter|mehr|weniger"
    r"|mindestens|höchstens"
    r"|ist|sind|hat|haben|etwa|[0-9.,]+ (?:mal|Mal|Tausend|Millionen?)))\b[^\n.!?]*[.!]?\s*\Z"
)


def is_foreign_prose(text: str) -> bool:
    """Say whether a text holds a sentence in another script, or in another language of the Latin script."""
    if _BEGINS_FOREIGN.search(text, max(0, len(text) - 300)):
        return True
    if not text.isascii() and _OTHER_SCRIPT.search(text):
        # One word in another script may be a bare answer; a digit, a Latin letter or a stop beside it is a sentence.
        return len(text) > 12 or _SENTENCE_SIGN.search(text) is not None
    return len(_FUNCTION_WORDS.findall(text)) >= 2 and _ENGLISH_WORDS.search(text) is None


def _only_words(span: str, number: re.Match[str]) -> bool:
    """Say whether all that stands around the number is words: no operators, brackets or commands."""
    around = span[: number.start()] + " " + span[number.end() :]
    return not any(char in "+*/^=<>\\{}[]|_~×÷√" for char in around)


def foreign_closing(text: str) -> str | None:
    """Return what the last sentence of a foreign reply concludes: a choice after 故选, or its only number."""
    line = text[-600:].rstrip().rpartition("\n")[2].strip()
    choices = _CHOICE.findall(line)
    if choices:
        return str(choices[-1])
    sentences = [part for part in re.split(r"(?<=[。！？!?।.])\s*(?=\S)", line) if part.strip()]
    # A full stop inside a number is not an end: glue what the split took apart.
    sentence = sentences[-1] if sentences else ""
    if len(sentences) > 1 and sentence[:1].isdigit() and sentences[-2][-2:-1].isdigit():
        sentence = sentences[-2] + sentence
    if not _CONCLUDES.match(sentence) or sentence.endswith(("?", "？", "؟")):
        return None
    after_equals = sentence.rpartition("=")[2] if "=" in sentence else sentence
    after_equals = _INSTEAD.sub("", after_equals)
    if _CHANGES.search(_NUMBER.sub(" ", after_equals)):
        return None
    return plain_value(after_equals) if len(_NUMBER.findall(after_equals)) == 1 else None
