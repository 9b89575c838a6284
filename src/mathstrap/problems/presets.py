"""The known formats of mathematical datasets: the columns that identify each format, and the column of each part.

A preset is one entry of PRESETS. Columns may be dotted paths and list items (`reward_model.ground_truth`,
`prompt[-1].content`). A row has the first preset all of whose `needs` and none of whose `lacks` it has; a row that fits
no preset is read by the usual column names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mathstrap.files.text_rows import plain_name
from mathstrap.patterns import regex

Row = Mapping[str, Any]
# Parts of a row. Seeds need `question` and `answer`; `response` is for files of replies.
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
        "expected_answer", "final_answer", "final_ans", "gold_answer", "ground_truth", "ground_truth_answer",
        "numerical_answer", "answer_value", "answer", "golden", "gold", "gold_ans",
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
    """A known format: the columns that identify it, and those of each part (of several, the first with a value counts).

    `by_place` says that a whole number as answer is the place of a choice, counting from 0; `is_generated` that the
    solution is a model's and may be wrong; `is_joined` that a list of several answers is one answer with several parts.
    `is_worked` is false where the solution column holds equations, which state no answer. `lacks` are columns that a
    row of this format must not have.
    """

    about: str
    needs: tuple[str, ...]
    lacks: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    by_place: bool = False
    is_generated: bool = False
    is_joined: bool = False
    is_worked: bool = True


def _preset(
    about: str, needs: str, lacks: str = "", *, by_place: bool = False, is_generated: bool = False,
    is_joined: bool = False, is_worked: bool = True, **columns: str,
) -> Preset:  # fmt: skip
    return Preset(
        about=about, needs=tuple(needs.split()), lacks=tuple(lacks.split()), by_place=by_place,
        is_generated=is_generated, is_joined=is_joined, is_worked=is_worked,
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
        is_joined=True,
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
        question="question", context="body", answer="answer", solution="formula", is_worked=False,
    ),
    "svamp": _preset(
        "SVAMP", "Body Question Answer",
        question="Question", context="Body", answer="Answer", solution="Equation Formula", id="ID", is_worked=False,
    ),
    "gsm-hard": _preset("GSM-Hard, MAWPS", "input target", question="input", answer="target", solution=""),
    "math": _preset(
        "MATH and MATH-500", "problem solution", question="problem", answer="answer", solution="solution",
        id="unique_id",
    ),
    "math23k": _preset(
        "Math23K, Ape210K", "original_text equation", question="original_text", answer="ans answer",
        solution="equation", is_worked=False,
    ),
    "mawps-original": _preset(
        "MAWPS, Alg514, Dolphin as first published", "sQuestion lSolutions",
        question="sQuestion", answer="lSolutions", solution="lEquations[0]", id="iIndex", is_joined=True,
        is_worked=False,
    ),
    "putnambench": _preset(
        "PutnamBench", "informal_statement informal_solution",
        question="informal_statement", answer="informal_solution", solution="", id="name",
    ),
    "orz": _preset(
        "ORZ: turns, the last with a ground_truth", "messages[0].value messages[1].ground_truth.value",
        question="messages[0].value", answer="messages[1].ground_truth.value", solution="",
    ),
    "orz-columns": _preset(
        "ORZ as the hub shows it", "0.value 1.ground_truth.value",
        question="0.value", answer="1.ground_truth.value", solution="",
    ),
    "stem-choices": _preset(
        "a question with its stem and choices", "question.stem question.choices",
        question="question.stem", options="question.choices", answer="answerKey answer",
    ),
    "preference": _preset(
        "preference pairs: prompt, chosen, rejected", "prompt chosen rejected",
        question="prompt prompt[-1].content", answer="answer ground_truth",
        solution="full_chosen chosen chosen[-1].content", response="full_chosen chosen chosen[-1].content",
    ),
    "preference-chats": _preset(
        "preference pairs of whole chats", "chosen[-1].content rejected[-1].content", lacks="prompt",
        question="chosen[-2].content", answer="answer ground_truth", solution="chosen[-1].content",
        response="chosen[-1].content",
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
    """The columns of a row by part, the likeliest candidates first; `chat` is a column of turns instead."""

    preset: str = ""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    chat: str = ""
    by_place: bool = False
    is_generated: bool = False
    is_joined: bool = False
    is_worked: bool = True
    lettered: tuple[str, ...] = ()


_KNOWN: dict[tuple[str, ...], Layout] = {}
# Layouts by their columns; a file whose rows all differ must not grow it without end.
_MOST_KNOWN = 1_000


def layout_of(row: Row, *, preset: str = "") -> Layout:
    """Return the layout of a row by the named preset, else the first that fits, else the usual names; cached."""
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
    """Return the layout of a row, uncached."""
    plain = {plain_name(name): name for name in reversed(list(row))}
    usual = {part: tuple(plain[name] for name in names if name in plain) for part, names in USUAL.items()}
    usual["solution"] = tuple(name for name in usual["solution"] if name not in usual["answer"][:1])
    name = preset or next((name for name, known in PRESETS.items() if fits(known, row)), "")
    if name:
        known = PRESETS[name]
        columns = {part: (*known.columns[part],) if part in known.columns else usual[part] for part in PARTS}
        return Layout(
            preset=name, columns=columns, by_place=known.by_place, is_generated=known.is_generated,
            is_joined=known.is_joined, is_worked=known.is_worked, lettered=lettered_columns(plain),
        )  # fmt: skip
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
    """Return the columns of a spreadsheet that hold the choices: A, B, C, or option_a and so on."""
    for pattern in ("{}", "option_{}", "option{}", "choice_{}", "choice{}", "op{}"):
        names = [plain.get(pattern.format(letter)) for letter in "abcdefghij"]
        columns = tuple(name for name in names[: names.index(None) if None in names else None] if name)
        if len(columns) > 1:
            return columns
    return ()


def fits(preset: Preset, row: Row) -> bool:
    """Say whether a row has every column that a preset needs, and none that it lacks."""
    return all(has_value(row, name) for name in preset.needs) and not any(name in row for name in preset.lacks)


def has_value(row: Row, path: str) -> bool:
    """Say whether a row has a column or a value at a path."""
    return path in row or (("." in path or "[" in path) and value_at(row, path) is not None)


_STEP = regex(r"([^.\[\]]+)|\[(-?\d+)\]")


def value_at(row: Row, path: str) -> Any:
    """Return the value at a path of a row: a column's name, or `column.key`, `column[0]`, `column[-1].key`.

    A column of exactly that name comes first. JSON in a text is parsed. None where the path leads nowhere.
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


# A list as Python prints it, of texts and numbers alone: `['a ) 2', "b ) 3"]`.
_PRINTED = regex(
    r"""\[\s*+(?:(?:'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+"|-?\d[\d.]*+)\s*+(?:,\s*+|(?=\])))++\]""", re.DOTALL
)
_PRINTED_ITEM = regex(r"""'((?:[^'\\]|\\.)*+)'|"((?:[^"\\]|\\.)*+)"|(-?\d[\d.]*+)""", re.DOTALL)


def json_value(text: str) -> Any:
    """Return the value of a JSON text, or of a list that Python printed; the text itself where it is neither."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    text = text.strip()
    if not text.startswith("[") or not _PRINTED.fullmatch(text):
        return text
    # Python's repr doubles backslashes; in a list that was written by hand single ones stay.
    return [
        number or (single or double).replace("\\\\", "\\").replace("\\'", "'")
        for single, double, number in _PRINTED_ITEM.findall(text)
    ]


def _is_chat(value: Any) -> bool:
    turns = json_value(value) if isinstance(value, str) and value.startswith("[") else value
    return (
        isinstance(turns, list)
        and bool(turns)
        and all(isinstance(turn, Mapping) and ("role" in turn or "from" in turn) for turn in turns)
    )


@dataclass(frozen=True, kw_only=True)
class Chat:
    """The first question and the last answer of a conversation; `num_asked` counts the turns that ask.

    `has_picture` says that a part of a turn is not text.
    """

    question: str
    response: str
    num_asked: int
    has_picture: bool = False


def chat_of(row: Row, column: str) -> Chat | None:
    """Return the first question and the last answer of a column of turns; None where no turn asks."""
    turns = row.get(column)
    turns = json_value(turns) if isinstance(turns, str) else turns
    if not isinstance(turns, list):
        return None
    asked: list[str] = []
    answered: list[str] = []
    has_picture = False
    for turn in turns:
        if not isinstance(turn, Mapping):
            continue
        role, said = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
        if isinstance(said, list):  # parts of a turn: {"type": "text", "text": "..."}
            parts = [part for part in said if isinstance(part, Mapping)]
            has_picture = has_picture or any(part.get("type", "text") not in ("text", "input_text") for part in parts)
            said = "\n".join(str(part["text"]) for part in parts if part.get("text")) or None
        if isinstance(said, str) and said.strip():
            (asked if role in _ASKING else answered if role in _ANSWERING else []).append(said)
    if not asked:
        return None
    return Chat(
        question=asked[0], response=answered[-1] if answered else "", num_asked=len(asked), has_picture=has_picture
    )
