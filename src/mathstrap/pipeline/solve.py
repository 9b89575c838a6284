"""Make the requests that ask for solutions and parse the replies. Does not decide which answers are right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mathstrap.augment import reference
from mathstrap.augment.interface import Mode, refuse_reply
from mathstrap.patterns import regex
from mathstrap.prompts import Prompt, render, request, with_stop
from mathstrap.thought import is_unfinished, tag_of
from mathstrap.types import Candidate, Completion, Problem, Reject, Request, Sampling
from mathstrap.verify import extract_answer

# A reply to a few-shot prompt may run on into a next example that the model invents.
_RUN_ON = regex(
    r"\n[ \t]*(?:\#{2,}[ \t]*)?(?:\*\*)?(?:Question|Problem|Q|Next question|New question)(?:[ \t]*\d+)?(?:\*\*)?[ \t]*:"
    r"|<\|im_(?:start|end)\|>|<\|(?:eot_id|endoftext|end)\|>|</s>",
    re.IGNORECASE,
)


def solve_requests(
    problem: Problem, draws: Iterable[int], *, prompt: Prompt, model: str, sampling: Sampling, teacher: str = ""
) -> Iterator[Request]:
    """Yield the request of each draw, with the id `problem#draw`; draws share one key, so the prompt is hashed once."""
    first: Request | None = None
    for draw in draws:
        if first is None:
            messages = render(prompt, {"question": problem.question})
            first = request(id=problem.id, model=model, messages=messages, sampling=with_stop(sampling, prompt))
        yield Request(
            id=f"{problem.id}#{draw}", key=first.key, model=model, messages=first.messages, sampling=first.sampling,
            draw=draw, teacher=teacher,
        )  # fmt: skip


def parse_solution(
    problem: Problem, completion: Completion, *, mode: Mode = "default", keeps_thoughts: bool = False
) -> Candidate | Reject:
    """Return the solution with its final answer, or why there is none.

    The default mode cuts off an invented next question, even if that question ran into the token limit, and takes an
    answer only if the reply states one. The mode metamath-2024 keeps the whole reply and falls back to its last number,
    as the reference does.
    """
    record_id = completion.request
    text = completion.text if mode == "metamath-2024" else cut_run_on(completion.text)
    refused = refuse_reply(record_id, completion, "solve")
    is_cut = len(text) < len(completion.text.strip()) and not is_unfinished(completion)
    if refused is not None and not (refused.reason == "truncated" and is_cut):
        return refused
    if not text:
        return Reject(id=record_id, stage="solve", reason="empty", detail=completion.text[:200])
    if mode == "metamath-2024":
        answer = _reference_answer(problem, text)
    else:
        statement = extract_answer(text, question=problem.question)
        answer = statement.answer if statement else ""
    if not answer:
        return Reject(id=record_id, stage="solve", reason="no_answer", detail=text[-200:])
    if problem.method == "explain":
        if not completion.has_thought:
            return Reject(id=record_id, stage="solve", reason="no_reasoning", detail=text[:200])
        keeps_thoughts = True  # the method asks for the reasoning, so the sample carries it whatever the recipe exports
    return Candidate(
        id=record_id, problem=problem.id, text=text, answer=answer, model=completion.model,
        teacher=completion.teacher,
        reasoning=completion.reasoning.strip() if keeps_thoughts else "",
        thought_tag=tag_of(completion) if keeps_thoughts else "",
    )  # fmt: skip


def cut_run_on(text: str) -> str:
    """Return a reply without a next question invented after its answer, and without surrounding white space."""
    text = text.strip()
    match = _RUN_ON.search(text)
    return text[: match.start()].rstrip() if match else text


def _reference_answer(problem: Problem, text: str) -> str:
    """Extract like the reference: by the marker of the method, with the rules of the dataset's style."""
    is_backward = problem.method in ("self_verification", "fobar")
    if problem.style == "math" and problem.method in ("seed", "ans_aug"):
        return reference.clean_math(text)
    if problem.style == "math" and problem.method == "fobar":
        return reference.clean_math(text, "The value of $X$ is")
    # MATH_SV and MATH_rephrased are not on the reference's list of MATH sets, so GSM8K's rules read them.
    marker = f"The value of {'X' if problem.style == 'math' else 'x'} is" if is_backward else "The answer is"
    return reference.clean_gsm8k(text, marker)
