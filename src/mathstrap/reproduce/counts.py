"""Recount the masks of GSM8K and the rows of GSM8K-Backward (paper, 3.3 and 4.6) under the published code's rules."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mathstrap.augment.reference import find_token_masks, hide_token, kind_of, mask_answer, split_tail
from mathstrap.patterns import regex
from mathstrap.reproduce.claims import Claim, State, compare

# Counted by running the published code's own functions on the published questions.
TRAIN_MASKS, TRAIN_QUESTIONS, TRAIN_ALL = 27_723, 7_454, 7_473
TEST_MASKS, TEST_QUESTIONS = 5_021, 1_315
TRAIN_KINDS = {
    "int": 16_774, "word": 4_428, "money": 4_423, "percent": 1_138, "fraction": 632, "decimal": 219, "comma": 109,
}  # fmt: skip
LOST_DOLLARS, LEADING_DOTS = 1_459, 67
BACKWARD_ROWS, FOBAR_ROWS, SV_ROWS = 1_270, 867, 403
FIRST_SCHEMA, SECOND_SCHEMA = 613, 657
WRONG_ROW = 621  # counted from 0
_WHERE = "published code, masks"
_BACKWARD = "GSM8K-Backward"
_FOBAR = "\nIf we know the answer of the above question is"
_SV_ENDING = regex(r"\s*What is the value of unknown variable x\?\s*\Z")


def masks_of_train(questions: Sequence[str]) -> list[Claim]:
    """Return the counts of GSM8K's 7,473 training questions."""
    masks = [find_token_masks(question, "gsm8k") for question in questions]
    every = [mask for question_masks in masks for mask in question_masks]
    kinds = Counter(kind_of(mask.token) for mask in every)
    money = [mask for mask in every if "$" in mask.token]
    dots = [mask for mask in every if re.match(r"[^\w\s]*\.\d", mask.token)]
    return [
        compare("GSM8K train", "training questions (4.1)", TRAIN_ALL, len(questions)),
        compare(_WHERE, "backward candidates of GSM8K train", TRAIN_MASKS, len(every)),
        compare(_WHERE, "questions that have one", TRAIN_QUESTIONS, sum(map(bool, masks))),
        *(compare(_WHERE, f"candidates that are {name}", want, kinds[name]) for name, want in TRAIN_KINDS.items()),
        compare(
            _WHERE, "money candidates that lose their $", LOST_DOLLARS,
            sum("$" not in mask.replacement for mask in money),
        ),
        compare(_WHERE, "leading-dot decimals with a wrong gold", LEADING_DOTS, len(dots)),
    ]  # fmt: skip


def masks_of_test(questions: Sequence[str]) -> list[Claim]:
    """Return the counts of GSM8K's 1,319 test questions, the pool GSM8K-Backward was drawn from."""
    masks = [find_token_masks(question, "gsm8k") for question in questions]
    return [
        compare(_WHERE, "backward candidates of GSM8K test", TEST_MASKS, sum(map(len, masks))),
        compare(_WHERE, "test questions that have one", TEST_QUESTIONS, sum(map(bool, masks))),
    ]


def backward_rows(rows: Sequence[Mapping[str, Any]], source: str) -> list[Claim]:
    """Return the counts of the published GSM8K-Backward file, or of a part of it.

    For a part only shares can be compared: its rows that fit the masking rule against all its rows; the claims on the
    whole file stay unsettled.
    """
    is_whole = len(rows) == BACKWARD_ROWS
    forward = [row for row in rows if _FOBAR in str(row.get("question", ""))]
    statements = [row for row in rows if _FOBAR not in str(row.get("question", ""))]
    fitting = sum(is_a_mask(row) for row in forward)
    based = sum(has_a_base(row) for row in statements)
    claims = [
        Claim(
            where=_BACKWARD, what="FOBAR rows made by the masking rule",
            claimed=f"{FOBAR_ROWS} of {FOBAR_ROWS}", ours=f"{fitting} of {len(forward)}",
            state=_share_state(fitting, len(forward), is_whole, FOBAR_ROWS), why=_part(is_whole, rows, source),
        ),
        Claim(
            where=_BACKWARD, what="SV rows whose beginning the split rule leaves",
            claimed=f"{SV_ROWS} of {SV_ROWS}", ours=f"{based} of {len(statements)}",
            state=_share_state(based, len(statements), is_whole, SV_ROWS), why=_part(is_whole, rows, source),
        ),
    ]  # fmt: skip
    if not is_whole:
        unsettled = (
            ("rows (4.6)", f"{BACKWARD_ROWS:,}"),
            ("rows in its two schemas", f"{FIRST_SCHEMA} + {SECOND_SCHEMA}"),
            ("row with a wrong gold (leading dot)", f"row {WRONG_ROW}"),
        )
        why = f"{source} has {len(rows)} rows; name the whole file: --backward GSM8K_Backward.jsonl"
        return claims + [
            Claim(where=_BACKWARD, what=what, claimed=claimed, ours="–", state="needs a file", why=why)
            for what, claimed in unsettled
        ]
    first = sum("inv_question_pred_answer" in row for row in rows)
    wrong = [place for place, row in enumerate(rows) if has_wrong_gold(row)]
    return [
        compare(_BACKWARD, "rows (4.6)", BACKWARD_ROWS, len(rows)),
        compare(
            _BACKWARD, "rows in its two schemas", f"{FIRST_SCHEMA} + {SECOND_SCHEMA}", f"{first} + {len(rows) - first}"
        ),
        compare(
            _BACKWARD, "row with a wrong gold (leading dot)", f"row {WRONG_ROW}",
            ", ".join(f"row {place}" for place in wrong) or "none",
        ),
        *claims,
    ]  # fmt: skip


def is_a_mask(row: Mapping[str, Any]) -> bool:
    """Say whether a FOBAR row is its original question with one token hidden by the rule, gold included."""
    original, question = str(row.get("original_question", "")), str(row.get("question", ""))
    masked = question.partition(_FOBAR)[0]
    return any(
        hide_token(original, mask) == masked and mask_answer(mask.token, "gsm8k", "fobar") == _bare(row.get("answer"))
        for mask in find_token_masks(original, "gsm8k")
    )


def has_a_base(row: Mapping[str, Any]) -> bool:
    """Say whether an SV row begins with the part of its masked original question that the split rule keeps."""
    original = str(row.get("original_question", ""))
    question = _SV_ENDING.sub("", str(row.get("question", "")))
    bases = (split_tail(hide_token(original, mask))[0] for mask in find_token_masks(original, "gsm8k"))
    return any(question.startswith(base) for base in bases)


def has_wrong_gold(row: Mapping[str, Any]) -> bool:
    """Say whether a row's gold lost the decimal point of the hidden number: `$.1` became 1."""
    original, question = str(row.get("original_question", "")), str(row.get("question", ""))
    masked = question.partition(_FOBAR)[0]
    return any(
        re.match(r"[^\w\s]*\.\d", mask.token) is not None
        and (hide_token(original, mask) == masked or question.startswith(split_tail(hide_token(original, mask))[0]))
        and _bare(row.get("answer")) == mask_answer(mask.token, "gsm8k", "fobar")
        for mask in find_token_masks(original, "gsm8k")
    )


def _bare(answer: Any) -> str:
    return str(answer).replace(",", "").strip()


def _share_state(fitting: int, whole: int, is_whole: bool, wanted: int) -> State:
    return "equal" if fitting == whole and (not is_whole or whole == wanted) else "differs"


def _part(is_whole: bool, rows: Sequence[Any], source: str) -> str:
    return "" if is_whole else f"on the {len(rows)} rows of {source}"
