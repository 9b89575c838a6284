"""Read the tools, tool calls and tool results of training rows, and find the form in which a chat template takes them.

Rows hold them in several shapes (OpenAI's, its earlier `functions`, ShareGPT's); all become OpenAI's present one.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mathstrap.errors import InputError

Turn = dict[str, Any]

RESULT_ROLES = ("tool", "function", "observation", "ipython", "tool_response", "function_response")
CALL_ROLES = ("tool_call", "function_call")
TOOL_COLUMNS = ("tools", "functions")


@dataclass(frozen=True, kw_only=True)
class CallForm:
    """How a template takes tool calls.

    `has_texts`: a call's arguments are a JSON text, not an object. `has_short_ids`: a call's id has nine letters or
    digits (Mistral).
    """

    has_texts: bool = False
    has_short_ids: bool = False

    def turn(self, turn: Turn) -> Turn:
        """Return a turn in this form."""
        written = dict(turn)
        if "tool_calls" in turn:
            written["tool_calls"] = [self.call(call) for call in turn["tool_calls"]]
        if "tool_call_id" in turn:
            written["tool_call_id"] = self.id(turn["tool_call_id"])
        return written

    def call(self, call: Turn) -> Turn:
        """Return a call in this form."""
        function = call["function"]
        arguments = function["arguments"]
        if self.has_texts and not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        return {**call, "id": self.id(call["id"]), "function": {**function, "arguments": arguments}}

    def id(self, own: str) -> str:
        """Return a call's id in this form."""
        return hashlib.blake2b(own.encode(), digest_size=5).hexdigest()[:9] if self.has_short_ids else own


FORMS = [
    CallForm(has_texts=texts, has_short_ids=short) for short, texts in itertools.product((False, True), repeat=2)
]
NAME, KEY, VALUE, RESULT = "probe_name", "probe_key", "probe_value", "probe_result"
PROBED: list[Turn] = [
    {"role": "user", "content": "Q"},
    {"role": "assistant", "content": "", "tool_calls": [
        {"id": "call_0", "type": "function", "function": {"name": NAME, "arguments": {KEY: VALUE}}}]},
    {"role": "tool", "content": RESULT, "tool_call_id": "call_0", "name": NAME},
    {"role": "assistant", "content": "A"},
]  # fmt: skip


def find_form(apply: Callable[..., str]) -> CallForm:
    """Return the form of calls that a template writes out in full; raises InputError where it writes none.

    Templates disagree on whether arguments are an object or a text, and one that is given the other kind raises, writes
    Python's notation, or writes a text within a text. All of it is seen in how it renders a call of our own.
    """
    fault = ""
    for form in FORMS:
        try:
            text = apply([form.turn(turn) for turn in PROBED], ask=False)
        except InputError as error:
            fault = fault or str(error)
            continue
        is_whole = all(part in text for part in (NAME, KEY, VALUE, RESULT))
        if is_whole and not any(wrong in text for wrong in (f"'{NAME}'", f"'{KEY}'", f'\\"{KEY}')):
            return form
    raise InputError(
        "the model's chat template has no place for tool calls and what tools return"
        f"{f' ({fault})' if fault else ''}. Take such rows out, or use a model with a template for tools."
    )


def check_shown(tools: Sequence[Turn], prompt: str) -> None:
    """Raise InputError where a prompt lacks one of the tools."""
    lost = [tool["function"]["name"] for tool in tools if tool["function"]["name"] not in prompt]
    if lost:
        raise InputError(
            f'the model\'s chat template has no place for the row\'s tools ("{lost[0]}" is not in the prompt). '
            "Take the tools out of the rows, or use a model with a template for tools."
        )


def read_tools(row: Mapping[str, Any]) -> tuple[Turn, ...] | str:
    """Return the tools of a row, a list or its JSON text, in OpenAI's shape, or what is wrong with them."""
    name = next((name for name in TOOL_COLUMNS if row.get(name)), None)
    if name is None:
        return ()
    value = decoded(row[name])
    if value is None:
        return ()
    if not isinstance(value, list):
        return f"the {name} are not a list or the JSON text of one: found {type(value).__name__}"
    found = []
    for item in value:
        tool = decoded(item) if isinstance(row[name], str) else read_value(item)
        # Without the wrapping: xLAM and Anthropic, whose name for the parameters is input_schema.
        function = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str) or not function["name"]:
            return f"one of the {name} has no name: expected the shape {{type: function, function: {{name: ...}}}}"
        written = {key: value for key, value in function.items() if key not in ("type", "input_schema")}
        if "input_schema" in function:
            written.setdefault("parameters", function["input_schema"])
        found.append({"type": "function", "function": written})
    return tuple(found)


def read_calls(turn: Mapping[str, Any], before: int = 0) -> tuple[Turn, ...] | str:
    """Return the tool calls of a turn in OpenAI's shape, arguments as objects, or what is wrong with them.

    A turn whose role is a call (ShareGPT's function_call) has them as its text. `before` is the number of calls in the
    turns before it, which numbers those without an id.
    """
    role = turn.get("role", turn.get("from"))
    value = turn.get("tool_calls") or turn.get("function_call")
    if role in CALL_ROLES and not value:
        value = turn.get("content", turn.get("value"))
    is_text, value = isinstance(value, str), decoded(value)
    if not value:
        return "a turn calls no tool: its calls are empty" if role in CALL_ROLES else ()
    found: list[Turn] = []
    for item in value if isinstance(value, list) else [value]:
        call = decoded(item) if is_text else read_value(item)
        function = call.get("function", call) if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str) or not function["name"]:
            return "a tool call has no name: expected the shape {type: function, function: {name, arguments}}"
        arguments = decoded(function.get("arguments", function.get("parameters")))
        own = call.get("id") if isinstance(call.get("id"), str) else None
        found.append({
            "id": own or f"call_{before + len(found)}", "type": "function",
            "function": {"name": function["name"], "arguments": {} if arguments is None else arguments},
        })  # fmt: skip
    return tuple(found)


def decoded(value: Any) -> Any:
    """Return the value of a JSON text; other texts and values stay as they are, an empty text is None."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def read_value(value: Any) -> Any:
    """Return the value of a JSON text, and another value without the keys that are null, at any depth.

    Parquet gives every object of a column the keys of all of them: another tool's parameters, as null. Where a null is
    meant, the column holds JSON texts.
    """
    return decoded(value) if isinstance(value, str) else without_nulls(value)


def without_nulls(value: Any) -> Any:
    """Return a value without the keys that are null, at any depth."""
    if isinstance(value, Mapping):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def result_text(content: Any) -> Any:
    """Return what a tool returned as a text; values that are not texts as JSON."""
    if content is None:
        return ""
    return json.dumps(content, ensure_ascii=False) if isinstance(content, dict | int | float | bool) else content


def answered(calls: Sequence[Turn], results: Sequence[Turn]) -> None:
    """Complete the results that follow calls, in place: the id and the name of the call that each one answers."""
    by_id = {call["id"]: call for call in calls}
    for place, result in enumerate(results):
        call = by_id.get(result.get("tool_call_id", ""), calls[place] if place < len(calls) else None)
        if call is not None:
            result.setdefault("tool_call_id", call["id"])
            result.setdefault("name", call["function"]["name"])
