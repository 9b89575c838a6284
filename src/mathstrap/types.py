"""The records that all stages share, and their JSON. Knows nothing of files, models or prompts.

Ids are lineage: `gsm8k-train-00042` is a seed, `gsm8k-train-00042/fobar.1` a problem derived from it,
`gsm8k-train-00042/fobar.1#3` the fourth draw of an answer to that problem (draws count from 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import msgspec

Method = str  # "seed", one of METHODS, or the name a recipe gives a method of its own
Style = Literal["gsm8k", "math"]
Outcome = Literal["correct", "wrong", "undecided"]
Stage = Literal["seeds", "rewrite", "filter", "solve", "verify", "curate", "export"]
FinishReason = Literal["stop", "length", "content_filter", "prompt_refused", "unknown"]

PAPER_METHODS: tuple[Method, ...] = ("ans_aug", "rephrase", "self_verification", "fobar")
METHODS: tuple[Method, ...] = (
    *PAPER_METHODS, "renumber", "evolve", "compose", "new_problem", "reopen", "persona", "explain",
)  # fmt: skip
STAGES: tuple[Stage, ...] = get_args(Stage)

# Every reason a Reject may carry, with the sentence the report prints for it.
REASONS: dict[str, str] = {
    "bad_row": "the seed row could not be read",
    "gold_fails_grader": "the gold answer is not recognised by the grader",
    "gold_unusable": "the gold answer is not a value that can be graded",
    "question_unusable": "the question cannot be asked: a refusal, or it needs a picture",
    "truncated": "the reply hit the token limit before it ended",
    "refused": "the server's content filter ended the reply",
    "prompt_refused": "the server rejects this prompt: its content, its form or its length",
    "empty": "the reply is empty",
    "unchanged": "the rewritten question is the original one",
    "too_long": "the rewritten question is far longer than the original",
    "not_a_question": "the reply is not a question",
    "another_subject": "the rewritten question has nothing to do with the original",
    "numbers_differ": "the rewrite does not carry the numbers of its parent",
    "no_number": "the question has no number that can be hidden",
    "no_sound_number": "hiding any number of the question gives a bad backward question",
    "cannot_renumber": "the worked solution cannot be computed again with other numbers",
    "no_partner": "no other seed fits to make one question of several",
    "no_choices": "the question does not end in choices that include the gold",
    "needs_choices": "the question cannot be asked without its choices, or the right one is not a value",
    "no_reasoning": "the reply has no reasoning apart from its solution",
    "not_a_statement": "the rewrite is still a question",
    "broken_latex": "the dollar signs of the rewrite do not pair up",
    "x_lost": "the rewrite lost the unknown variable",
    "x_repeated": "the rewrite mentions the unknown variable where the question does not",
    "gold_lost": "the rewritten statement does not carry the gold answer",
    "leaks_answer": "the rewrite states the hidden number or the answer",
    "duplicate": "another problem asks the same question",
    "contaminated": "the question overlaps a test set",
    "no_answer": "no final answer could be found in the reply",
    "no_majority": "the draws did not agree on an answer to label the question with",
    "same_reply": "another draw gave the same solution",
    "same_path": "another solution of the question takes the same steps",
    "bad_arithmetic": "a calculation in the solution is false",
    "too_hard": "its question is solved less often than the window of pass rates allows",
    "too_easy": "its question is solved more often than the window of pass rates allows",
    "too_few_draws": "its question has too few graded draws to know how often it is solved",
    "not_unique": "another number than the hidden one fits the question as well",
    "not_needed": "the mix had enough of its kind",
    "flagged": "a reviewer flagged this row",
}


class Message(msgspec.Struct, frozen=True):
    """One turn of a prompt; role "raw" marks a prompt sent to a completion endpoint without a chat template."""

    role: Literal["system", "user", "assistant", "raw"]
    content: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A question with its gold answer; a seed has method "seed" and no parent, a derived problem names both."""

    id: str
    dataset: str
    style: Style
    question: str
    answer: str
    solution: str = ""
    method: Method = "seed"
    parent: str | None = None
    tags: dict[str, Any] = {}


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the model's decoder.

    temperature   0 is greedy; 0.7 is the paper's
    top_p         in (0, 1]
    max_tokens    new tokens of one reply, its thought included; a reply that is cut off is rejected as "truncated"
    stop          strings that end a reply, besides those of the prompt
    top_k         only the k likeliest tokens may follow; 0 = all
    min_p         only tokens this likely, relative to the likeliest, may follow; 0 = all
    repetition_penalty   above 1 makes tokens that were already written less likely
    reasoning_effort   how long a reasoning model thinks: none, minimal, low, medium, high, or another value of the
                  server; empty = the model's own
    system        a text for the system turn, before the prompt's own
    seed          each draw gets this number plus its own; null = none, and draws of one prompt may share a call
    extra_body    added to the JSON of a request, for example {"chat_template_kwargs": {"enable_thinking": false}}
    """

    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    reasoning_effort: str = ""
    system: str = ""
    seed: int | None = None
    extra_body: dict[str, Any] = {}

    def __hash__(self) -> int:
        return hash((self.temperature, self.top_p, self.max_tokens, self.stop, self.reasoning_effort, self.system))

    @property
    def asks_one_by_one(self) -> bool:
        """Whether draws of one prompt cannot share a call: they would be equal, or each has its own seed."""
        return self.temperature == 0 or self.seed is not None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One reply to be paid for: `id` identifies its purpose, `key` is the hash of everything that is asked.

    Draws of one prompt share the key and differ in id and draw. `teacher` is the teacher's label in a run with several;
    empty for the recipe's `teacher`.
    """

    id: str
    key: str
    model: str
    messages: tuple[Message, ...]
    sampling: Sampling
    draw: int = 0
    teacher: str = ""


class Completion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A reply that was paid for, verbatim. Times are wall seconds of the request; tokens are the server's usage.

    If one call answered several draws, the first draw has the prompt's tokens_in and the others 0.

    text               the text after the thought; the only part that is ever parsed
    finish_reason      "length" also for an unfinished thought; "prompt_refused" for a request that the server rejects,
                       with an empty text
    model              the model that answered, as the server names it
    tokens_out         of thought and text together, as they are charged
    reasoning          the thought, without the marks around it
    tokens_reasoning   of tokens_out, those of the thought
    thought_marks      the marks before the thought and between thought and text; empty for a thought in a field
    raw                the whole reply, if it cannot be rebuilt from marks, thought and text
    usd                the charge that the server states, in US dollars, else the cost by the teacher's own price in a
                       run with several; None if neither is known
    teacher            the teacher's label, in a run with several teachers
    ended              the server's own word for the end, or its refusal, if `finish_reason` says less
    """

    request: str
    key: str
    text: str
    finish_reason: FinishReason
    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    reasoning: str = ""
    tokens_reasoning: int = 0
    thought_marks: tuple[str, str] = ("", "")
    raw: str = ""
    ended: str = ""
    usd: float | None = None
    teacher: str = ""

    @property
    def has_thought(self) -> bool:
        """Whether the reply has a thought."""
        return bool(self.reasoning.strip())


class ReplyUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The usage and the end of a reply: a Completion without its texts, enough for counts and budgets."""

    request: str
    key: str
    finish_reason: FinishReason
    ended: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_reasoning: int = 0
    has_thought: bool = False
    usd: float | None = None
    model: str = ""
    teacher: str = ""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request of a run's present plan with its key, or the draws 0 to `draws` - 1 of a question.

    With `draws` the id is a question's; without, it is a request's.
    """

    id: str
    key: str
    draws: int = 0


def usage_of_reply(completion: Completion) -> ReplyUsage:
    """Return the usage and the end of a reply."""
    return ReplyUsage(
        request=completion.request, key=completion.key, finish_reason=completion.finish_reason, ended=completion.ended,
        tokens_in=completion.tokens_in, tokens_out=completion.tokens_out, tokens_reasoning=completion.tokens_reasoning,
        has_thought=completion.has_thought, usd=completion.usd,
        model=completion.model, teacher=completion.teacher,
    )  # fmt: skip


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed solution to a problem; `answer` is the extracted final answer, `model` and `teacher` its author.

    `reasoning` is the thought before it, if the recipe keeps thoughts, and `thought_tag` the mark that opened the
    thought; empty for a thought in a field of its own.
    """

    id: str
    problem: str
    text: str
    answer: str
    model: str = ""
    teacher: str = ""
    reasoning: str = ""
    thought_tag: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The grader's decision on a candidate: `tier` names the deciding step, `reason` the cause."""

    candidate: str
    outcome: Outcome
    got: str
    expected: str
    grader: str
    tier: str = ""
    reason: str = ""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A training row: the published MetaMathQA columns first, then lineage.

    `teacher` is the model that answered, in its server's words; in a mix `tags["teacher"]` is its label. `reasoning`
    and `thought_tag` are the candidate's.
    `answer` is the gold answer, `gold_source` says whether it came with the seed or from a vote.
    """

    id: str
    type: str
    query: str
    original_question: str
    response: str
    problem: str
    seed: str
    dataset: str
    method: Method
    answer: str
    gold_source: Literal["given", "voted"] = "given"
    confidence: float = 1.0
    outcome: Outcome = "correct"
    teacher: str = ""
    prompt_hash: str = ""
    draw: int = 0
    reasoning: str = ""
    thought_tag: str = ""
    tags: dict[str, Any] = {}


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was rejected for good; `reason` is a key of REASONS."""

    id: str
    stage: Stage
    reason: str
    detail: str = ""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A request that failed for outside reasons (network, server, memory): never final, asked again on the next run."""

    id: str
    key: str
    error: str
    kind: str = "error"


def to_json(record: msgspec.Struct) -> bytes:
    """Return the record as one line of JSON without the newline; keys in field order."""
    return msgspec.json.encode(record)


def root_of(record_id: str) -> str:
    """Return the id of the seed of a problem, candidate or request."""
    return record_id.partition("/")[0].partition("#")[0]


def roots_of(record: Problem | Sample) -> tuple[str, ...]:
    """Return the seeds of a problem or sample, that of its id first; several if it has several parents."""
    parents = record.tags.get("parents") or ()
    return tuple(dict.fromkeys((root_of(record.id), *(root_of(str(parent)) for parent in parents))))


def problem_of(request_id: str) -> str:
    """Return the problem id of a draw's id: everything before the last `#`."""
    return request_id.rpartition("#")[0] or request_id


CHECK = "~check"  # in the id of a request that checks a voted answer: `gsm8k-train-00042/ans_aug.1~check.1.2#0`


def is_check(request_id: str) -> bool:
    """Say whether a request checks a voted answer rather than asking for one."""
    return CHECK in request_id


def type_of(style: Style, method: Method) -> str:
    """Return the published type name of a sample, for example `GSM_SV` (paper, Table 1 and the released data)."""
    names = {
        "ans_aug": "AnsAug", "rephrase": "Rephrased", "self_verification": "SV", "fobar": "FOBAR", "seed": "Seed",
        "renumber": "Renumbered", "evolve": "Evolved", "compose": "Composed", "new_problem": "New",
        "reopen": "Reopened", "persona": "Persona", "explain": "Explained",
    }  # fmt: skip
    return f"{'GSM' if style == 'gsm8k' else 'MATH'}_{names.get(method, method)}"


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Draws sent, tokens that the server reported, and the money that it stated.

    usd_stated   US dollars that the server states as charged, for `stated_in` and `stated_out` of the tokens
    """

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd_stated: float = 0.0
    stated_in: int = 0
    stated_out: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            requests=self.requests + other.requests,
            tokens_in=self.tokens_in + other.tokens_in,
            tokens_out=self.tokens_out + other.tokens_out,
            usd_stated=self.usd_stated + other.usd_stated,
            stated_in=self.stated_in + other.stated_in,
            stated_out=self.stated_out + other.stated_out,
        )


class Liability(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Possible charges of a run beyond its stored replies; a line of `spending.jsonl`, of which the last one counts.

    requests, tokens_in, tokens_out   calls that ended without a stored reply, and replies without token counts
    open_requests, open_tokens_in, open_tokens_out   the most that the calls in flight can cost
    overrun_out    the most tokens a reply took beyond its max_tokens, as thinking does at some servers
    """

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    open_requests: int = 0
    open_tokens_in: int = 0
    open_tokens_out: int = 0
    overrun_out: int = 0
