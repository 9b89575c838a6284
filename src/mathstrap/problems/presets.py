"""The known formats of mathematical datasets: the columns that identify each, and which column is which part.

A preset is one entry of PRESETS: adding a format is adding an entry. Columns may be dotted paths and list items
(`reward_model.ground_truth`, `prompt[-1].content`). The first preset whose `needs` a row has, and whose `lacks` it has
not, is taken; a row that fits none is read by the usual names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mathstrap.files.text_rows import plain_name

Row = Mapping[str, Any]
# Parts of a row; `question` and `answer` are what seeds need, `response` is what datasets made elsewhere have.
PARTS = ("question", "answer", "solution", "context", "options", "response", "original", "type", "id")
CHATS = ("messages", "conversations", "conversation", "prompt", "dialogue", "turns")
_ASKING, _ANSWERING = (
    ("user", "human", "prompter", "question"),
    ("assistant", "gpt", "model", "bot", "chatgpt", "answer"),
)

# Usual names of each part, likeliest first, in `plain_name`'s spelling.
USUAL: dict[str, tuple[str, ...]] = {
    "question": (
        "question", "problem", "query", "problem_statement", "question_text", "instruction", "input", "prompt",
        "original_text", "squestion", "题目", "问题", "frage", "aufgabe", "pregunta", "text",
    ),
    "answer": (
        "expected_answer", "final_answer", "gold_answer", "ground_truth", "ground_truth_answer", "answer",
        "golden", "gold",
        "target", "reference_answer", "correct_answer", "answerkey", "answer_key", "correct", "answer_number",
        "ans", "lsolutions", "label",
        "答案", "antwort", "respuesta",
    ),
    "solution": (
        "solution", "rationale", "explanation", "generated_solution", "worked_solution", "worked", "reasoning",
        "ground_truth_solution", "analysis", "r1_solution_1", "equation_solution", "formula", "equation", "解析",
    ),
    "response": (
        "response", "output", "completion", "generated_solution", "solution", "rationale", "prediction", "answer",
        "generation",
    ),
    "original": ("original_question", "seed_question", "original"),
    "context": ("body", "context", "passage"),
    "options": ("options", "choices", "option_list", "answer_option_list", "mc_options"),
    "type": ("type", "kind", "method"),
    "id": ("id", "idx", "unique_id", "question_id", "uuid", "iindex"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A known format: the columns that identify it, and those of each part (several: the first that holds something).

    `by_place` says that an answer which is a whole number is the place of a choice, counted from 0; `is_generated` that
    the solution is a model's and may be wrong. `lacks` are columns that a row of this format has not.
    """

    about: str
    needs: tuple[str, ...]
    lacks: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    by_place: bool = False
    is_generated: bool = False


def _preset(
    about: str, needs: str, lacks: str = "", *, by_place: bool = False, is_generated: bool = False, **columns: str
) -> Preset:
    return Preset(
        about=about, needs=tuple(needs.split()), lacks=tuple(lacks.split()), by_place=by_place,
        is_generated=is_generated,
        columns={part: tuple(names.split()) for part, names in columns.items()},
    )  # fmt: skip


PRESETS: dict[str, Preset] = {
    "mathstrap": _preset(
        "our own samples.jsonl", "query response original_question method seed",
        question="query", answer="answer", response="response", original="original_question", id="id",
    ),
    "metamathqa": _preset(
        "MetaMathQA", "query response original_question",
        question="query", solution="response", response="response", original="original_question",
    ),
    "verl": _preset(
        "verl and DAPO: a chat and reward_model.ground_truth", "prompt[-1].content reward_model.ground_truth",
        question="prompt[-1].content", answer="reward_model.ground_truth",
        solution="extra_info.answer extra_info.solution", id="extra_info.index",
    ),
    "dapo-processed": _preset(
        "DAPO-Math-17k, processed", "prompt solution source_prompt", question="prompt", answer="solution", solution="",
    ),
    "mathqa": _preset(
        "MathQA", "Problem Rationale options correct",
        question="Problem", solution="Rationale", answer="correct", options="options",
    ),
    "aqua": _preset(
        "AQuA-RAT", "question options rationale correct",
        question="question", solution="rationale", answer="correct", options="options",
    ),
    "mmlu-pro": _preset(
        "MMLU-Pro", "question options answer_index",
        question="question", answer="answer answer_index", options="options", solution="cot_content", by_place=True,
    ),
    "agieval": _preset(
        "AGIEval: SAT, GAOKAO, AQuA", "question options label",
        question="question", context="passage", options="options", answer="label answer",
        solution="other.solution explanation", by_place=True,
    ),
    "agieval-choices": _preset(
        "AGIEval as choices and gold", "query choices gold", question="query", options="choices",
        answer="gold", by_place=True,
    ),
    "tal-scq": _preset(
        "TAL-SCQ5K", "problem answer_option_list answer_value",
        question="problem", options="answer_option_list", answer="answer_value", solution="answer_analysis[0]",
        id="queId",
    ),
    "arc": _preset(
        "ARC and others with choices and answerKey", "question choices answerKey",
        question="question", options="choices", answer="answerKey",
    ),
    "mmlu": _preset(
        "MMLU: choices, and the place of the right one", "question choices answer",
        question="question", options="choices", answer="answer", by_place=True,
    ),
    "olympiadbench": _preset(
        "OlympiadBench", "question final_answer answer_type",
        question="question", answer="final_answer", solution="solution[0] solution", context="context", id="id",
    ),
    "gaokao-bench": _preset(
        "GAOKAO-Bench", "category question answer analysis", question="question", answer="answer", solution="analysis",
    ),
    "cmath": _preset("CMATH", "grade question reasoning_step", question="question", answer="golden answer"),
    "mgsm": _preset(
        "MGSM as published on the hub", "question answer_number",
        question="question", answer="answer_number", solution="answer",
    ),
    "numina-1.5": _preset(
        "NuminaMath-1.5, OpenR1-Math", "problem solution answer question_type",
        question="problem", answer="answer", solution="solution",
    ),
    "numina": _preset(
        "NuminaMath-CoT and -TIR", "problem solution messages", question="problem", answer="answer",
        solution="solution",
    ),
    "openmath": _preset(
        "OpenMathInstruct-1 and -2, OpenMathReasoning", "generated_solution expected_answer",
        question="problem question", answer="expected_answer", solution="generated_solution",
        response="generated_solution", type="problem_source dataset", is_generated=True,
    ),
    "big-math": _preset(
        "Big-Math-RL-Verified", "problem answer llama8b_solve_rate", question="problem", answer="answer",
    ),
    "deepmath": _preset(
        "DeepMath-103K", "question final_answer r1_solution_1",
        question="question", answer="final_answer", solution="r1_solution_1", is_generated=True,
    ),
    "prm800k": _preset(
        "PRM800K and others with a nested question", "question.problem",
        question="question.problem", answer="question.ground_truth_answer question.answer",
        solution="question.ground_truth_solution question.solution",
    ),
    "asdiv": _preset(
        "ASDiv", "body question answer formula",
        question="question", context="body", answer="answer", solution="formula",
    ),
    "svamp": _preset(
        "SVAMP", "Body Question Answer",
        question="Question", context="Body", answer="Answer", solution="Equation", id="ID",
    ),
    "gsm-hard": _preset("GSM-Hard, MAWPS", "input target", question="input", answer="target", solution=""),
    "math": _preset(
        "MATH and MATH-500", "problem solution", question="problem", answer="answer", solution="solution",
        id="unique_id",
    ),
    "math23k": _preset(
        "Math23K, Ape210K", "original_text equation", question="original_text", answer="ans answer",
        solution="equation",
    ),
    "mawps-original": _preset(
        "MAWPS, Alg514, Dolphin as first published", "sQuestion lSolutions",
        question="sQuestion", answer="lSolutions", solution="lEquations[0]", id="iIndex",
    ),
    "alpaca": _preset(
        "Alpaca, MathInstruct", "instruction output",
        question="instruction", context="", solution="output", response="output",
    ),
    "prompt-completion": _preset(
        "prompt and completion", "prompt completion",
        question="prompt prompt[-1].content", solution="completion completion[-1].content",
        response="completion",
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the parts of a row are: `columns` by part, candidates likeliest first; `chat` holds turns instead."""

    preset: str = ""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    chat: str = ""
    by_place: bool = False
    is_generated: bool = False
    lettered: tuple[str, ...] = ()


_KNOWN: dict[tuple[str, ...], Layout] = {}
_MOST_KNOWN = 1_000


def layout_of(row: Row, *, preset: str = "") -> Layout:
    """Return where the parts of a row are: by the preset named, by the first that fits, or by the usual names."""
    is_flat = not any(
        isinstance(value, (list, Mapping)) or (isinstance(value, str) and value[:1] in ("[", "{"))
        for value in row.values()
    )
    key = (preset, *map(str, row)) if is_flat and len(row) < 100 else ()
    known = _KNOWN.get(key) if key else None
    if known is None:
        known = find_layout(row, preset)
        if key and len(_KNOWN) < _MOST_KNOWN:
            _KNOWN[key] = known
    return known


def find_layout(row: Row, preset: str) -> Layout:
    """Return where the parts of a row are, found anew."""
    plain = {plain_name(name): name for name in reversed(list(row))}
    usual = {part: tuple(plain[name] for name in names if name in plain) for part, names in USUAL.items()}
    usual["solution"] = tuple(name for name in usual["solution"] if name not in usual["answer"][:1])
    name = preset or next((name for name, known in PRESETS.items() if fits(known, row)), "")
    if name:
        known = PRESETS[name]
        columns = {part: (*known.columns[part],) if part in known.columns else usual[part] for part in PARTS}
        return Layout(preset=name, columns=columns, by_place=known.by_place, is_generated=known.is_generated)
    if not usual["question"] and not any(
        name in row for name in CHATS
    ):  # MathClean's questions: a single column of text
        usual["question"] = tuple(plain[name] for name in ("output", "content", "completion") if name in plain)
        usual["response"] = tuple(name for name in usual["response"] if name not in usual["question"])
    chat = next((name for name in CHATS if _is_chat(row.get(name))), "")
    if chat:
        usual["question"] = tuple(name for name in usual["question"] if name != chat and plain_name(name) != "prompt")
    return Layout(columns=usual, chat=chat, by_place=bool(usual["options"]), lettered=lettered_columns(plain))


def lettered_columns(plain: Mapping[str, str]) -> tuple[str, ...]:
    """Return the columns of a spreadsheet that hold the choices: A, B, C, or option_a and its like."""
    for pattern in ("{}", "option_{}", "option{}", "choice_{}", "choice{}", "op{}"):
        names = [plain.get(pattern.format(letter)) for letter in "abcdefghij"]
        found = tuple(name for name in names[: names.index(None) if None in names else None] if name)
        if len(found) > 1:
            return found
    return ()


def fits(preset: Preset, row: Row) -> bool:
    """Say whether a row has every column that a preset needs, and none that it lacks."""
    return all(has_value(row, name) for name in preset.needs) and not any(name in row for name in preset.lacks)


def has_value(row: Row, path: str) -> bool:
    """Say whether a column is there, or a path leads somewhere."""
    return path in row or (("." in path or "[" in path) and value_at(row, path) is not None)


_STEP = re.compile(r"([^.\[\]]+)|\[(-?\d+)\]")


def value_at(row: Row, path: str) -> Any:
    """Return what stands at a path of a row: a column's name, or `column.key`, `column[0]`, `column[-1].key`.

    A column of that very name comes first. JSON written as text is looked into. None where the path ends nowhere.
    """
    if path in row:
        return row[path]
    value: Any = row
    for key, place in _STEP.findall(path):
        if isinstance(value, str) and value[:1] in ("{", "["):
            value = json_value(value)
        if key and isinstance(value, Mapping):
            value = value.get(key)
        elif place and isinstance(value, (list, tuple)) and -len(value) <= int(place) < len(value):
            value = value[int(place)]
        else:
            return None
    return value


def json_value(text: str) -> Any:
    """Return the value of a JSON text, or the text itself where it is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text


def _is_chat(value: Any) -> bool:
    turns = json_value(value) if isinstance(value, str) and value.startswith("[") else value
    return (
        isinstance(turns, list)
        and bool(turns)
        and all(isinstance(turn, Mapping) and ("role" in turn or "from" in turn) for turn in turns)
    )


@dataclass(frozen=True, kw_only=True)
class Chat:
    """What a conversation asks and what is answered; `num_asked` counts the turns that ask."""

    question: str
    response: str
    num_asked: int


def chat_of(row: Row, column: str) -> Chat | None:
    """Return the first question and the last answer of a column of turns; None where nothing is asked."""
    turns = row.get(column)
    turns = json_value(turns) if isinstance(turns, str) else turns
    if not isinstance(turns, list):
        return None
    asked: list[str] = []
    answered: list[str] = []
    for turn in turns:
        if not isinstance(turn, Mapping):
            continue
        role, said = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
        if isinstance(said, list):  # parts of a turn: {"type": "text", "text": "..."}
            said = "\n".join(str(part.get("text", "")) for part in said if isinstance(part, Mapping)) or None
        if isinstance(said, str) and said.strip():
            (asked if role in _ASKING else answered if role in _ANSWERING else []).append(said)
    if not asked:
        return None
    return Chat(question=asked[0], response=answered[-1] if answered else "", num_asked=len(asked))


_LABELLED = re.compile(r"\A\W{0,2}([A-Ja-j])\s*[).:、．]\s*(.*)\Z", re.DOTALL)
_IN_LINE = re.compile(
    r"(?:\A|[,;\n]|\s)\s*+\(?([A-Ja-j])\s*+[).:]\s*+(.*?)"
    r"(?=\s*+(?:[,;\n]?\s*+\(?[A-Ja-j]\s*+[).:]\s|\Z))",
    re.DOTALL,
)


def choices_of(row: Row, columns: tuple[str, ...], lettered: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the choices of a row by letter: a list, a text with letters, label and text lists, or `lettered` columns.

    Empty where there are none, or fewer than two.
    """
    value = next((found for name in columns if (found := value_at(row, name)) not in (None, "", [])), None)
    if value is None:
        return {
            letter: text for letter, name in zip("ABCDEFGHIJ", lettered, strict=False) if (text := _as_text(row[name]))
        }
    if isinstance(value, str) and value[:1] in ("[", "{"):
        value = json_value(value)
    if isinstance(value, Mapping):
        texts = value.get("text")
        labels = value.get("label")
        if isinstance(texts, list):
            letters = labels if isinstance(labels, list) and len(labels) == len(texts) else "ABCDEFGHIJ"
            return _lettered({str(letter): _as_text(text) for letter, text in zip(letters, texts, strict=False)})
        return _lettered({str(letter): _as_text(text) for letter, text in value.items()})
    if isinstance(value, str):
        return _lettered(dict(_IN_LINE.findall(value)))
    if not isinstance(value, list) or not 2 <= len(value) <= 10:
        return {}
    by_letter: dict[str, str] = {}
    for place, item in enumerate(value):
        item = item[0] if isinstance(item, list) and len(item) == 1 else item
        letter = "ABCDEFGHIJ"[place]
        if isinstance(item, Mapping):
            label = next((str(item[name]) for name in ("label", "aoVal", "key", "id") if name in item), letter)
            text = next((_as_text(item[name]) for name in ("content", "text", "value") if name in item), "")
            by_letter[label] = text
            continue
        text = _as_text(item)
        labelled = _LABELLED.match(text)
        by_letter[letter] = labelled[2].strip() if labelled and labelled[1].upper() == letter else text
    return _lettered(by_letter)


def _lettered(choices: Mapping[str, str]) -> dict[str, str]:
    if len(choices) < 2 or not any(choices.values()):
        return {}
    if all(re.fullmatch(r"[A-Ja-j]", label.strip()) for label in choices):
        return {label.strip().upper(): text.strip() for label, text in choices.items()}
    return {letter: text.strip() for letter, text in zip("ABCDEFGHIJ", choices.values(), strict=False)}


def _as_text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return "" if value is None or isinstance(value, (list, Mapping)) else str(value).strip()


def with_choices(question: str, choices: Mapping[str, str]) -> str:
    """Return a question with its choices below it, one a line; the question itself where it has them already."""
    if all(text and text in question for text in choices.values()) and re.search(r"\(?[AB]\s*[).:]", question):
        return question
    return question + "\n" + "\n".join(f"({letter}) {text}" for letter, text in choices.items())
