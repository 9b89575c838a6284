"""Rows with tools, tool calls and what tools return: each answer is learnt, by the template's rules."""

from __future__ import annotations

import json

import pytest

from mathstrap.errors import InputError
from mathstrap.train import DataOptions
from mathstrap.train.data import to_pairs

# The templates are short originals with the structure of the published ones: Qwen 2.5 and 3 and Hermes (an object as
# JSON), DeepSeek V3 (a text), Mistral (ids of nine letters), gpt-oss (a call has an end mark of its own, a result
# stands under its tool's name).
QWEN = (
    "{% if tools %}<|system|>Tools: {% for t in tools %}{{ t | tojson }}\n{% endfor %}<|end|>\n{% endif %}"
    "{% for m in messages %}<|{{ m.role }}|>"
    "{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}"
    "{{ m.content }}{% for c in m.tool_calls or [] %}<call>{\"name\": \"{{ c.function.name }}\", \"arguments\": "
    "{{ c.function.arguments | tojson }}}</call>{% endfor %}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)  # fmt: skip
DEEPSEEK = (
    "{% for t in tools or [] %}{{ t.function.name }}{% endfor %}{% for m in messages %}{% if m.tool_calls %}"
    "<|assistant|>{% for c in m.tool_calls %}{{ c.function.name + ' ' + c.function.arguments }}"
    "{% endfor %}<|end|>{% else %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)  # fmt: skip
HARMONY = (
    "{% for t in tools or [] %}type {{ t.function.name }};{% endfor %}{% for m in messages %}{% if m.tool_calls %}"
    "<|assistant|> to={{ m.tool_calls[0].function.name }}{{ m.tool_calls[0].function.arguments | tojson }}<|call|>"
    "{% elif m.role == 'tool' %}<|{{ m.name }}|>{{ m.content | tojson }}<|end|>"
    "{% else %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)  # fmt: skip
MISTRAL = (
    "{% for m in messages %}{% if m.role == 'user' %}{% if loop.last and tools %}[TOOLS]{{ tools | tojson }}{% endif %}"
    "[INST]{{ m.content }}[/INST]{% elif m.tool_calls %}[CALLS]{% for c in m.tool_calls %}{% if c.id | length != 9 %}"
    "{{ raise_exception('ids have 9 characters') }}{% endif %}{{ c.function | tojson }}{{ c.id }}{% endfor %}<|end|>"
    "{% elif m.role == 'tool' %}[RESULT]{{ m.tool_call_id }}{{ m.content }}{% else %} {{ m.content }}<|end|>{% endif %}"
    "{% endfor %}"
)  # fmt: skip
PLAIN = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)  # fmt: skip
CALLED = "{% for c in m.tool_calls or [] %}{{ c.function }}{% endfor %}"
PYTHONIC = PLAIN.replace("{{ m.content }}", "{{ m.content }}" + CALLED)
TEMPLATES = {
    "qwen": QWEN, "deepseek": DEEPSEEK, "harmony": HARMONY, "mistral": MISTRAL, "plain": PLAIN, "pythonic": PYTHONIC,
}  # fmt: skip
MARKS = ["<|end|>", "<|call|>", "<|user|>", "<|assistant|>"]
ADD = {"name": "add", "description": "Add.", "parameters": {"type": "object", "properties": {"a": {"type": "number"}}}}
TOOLS = [{"type": "function", "function": ADD}]
USER, RESULT = {"role": "user", "content": "1+2?"}, {"role": "tool", "tool_call_id": "call_a", "content": "3"}
CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "call_a", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": null}'}}]}  # fmt: skip
LAST = {"role": "assistant", "content": "It is 3."}
ROW = {"messages": [USER, CALL, RESULT, LAST], "tools": TOOLS}


@pytest.fixture(scope="module")
def tokenizers():
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    plain = Tokenizer(models.BPE(vocab=letters, merges=[]))
    plain.pre_tokenizer, plain.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    plain.add_special_tokens([AddedToken(mark, special=True) for mark in MARKS])
    found = {}
    for name, template in TEMPLATES.items():
        found[name] = PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<|end|>")
        found[name].chat_template = template
    return found


def samples(tokenizer, row, **options):
    """Return the texts of a row with what of each the table says is learnt, decoded."""
    from mathstrap.train.prompt import render
    from mathstrap.train.tokens import encode, find_ends

    data = DataOptions(prompt="chat", **options)
    pairs = to_pairs(row, "rows:1")
    assert not isinstance(pairs, str), pairs
    texts = render(pairs, data, tokenizer)
    table = encode(texts, tokenizer, find_ends(tokenizer, data), 4096)
    assert len(table) == len(pairs)
    ids = [table.ids[table.offsets[i] : table.offsets[i + 1]].tolist() for i in range(len(table))]
    return texts, [
        (tokenizer.decode(part[:start]), tokenizer.decode(part[start:]))
        for part, start in zip(ids, table.starts.tolist(), strict=True)
    ]


@pytest.mark.parametrize(("name", "call", "after"), [
    ("qwen", '<call>{"name": "add", "arguments": {"a": 1, "b": null}}</call><|end|>',
     "<|tool|>3<|end|>\n<|assistant|>"),
    ("deepseek", 'add {"a": 1, "b": null}<|end|>', "<|tool|>3<|end|><|assistant|>"),
    ("harmony", ' to=add{"a": 1, "b": null}<|call|>', '<|add|>"3"<|end|><|assistant|>'),
])  # fmt: skip
def test_a_call_and_the_answer_after_its_result_are_learnt_with_the_tools_in_sight(tokenizers, name, call, after):
    _, (first, second) = samples(tokenizers[name], ROW)
    assert first[1] == call
    assert "add" in first[0]
    assert first[0].endswith("<|user|>1+2?<|end|>" + ("\n" if name == "qwen" else "") + "<|assistant|>")
    assert second[0] == first[0] + call + ("\n" if name == "qwen" else "") + after
    assert second[1] == "It is 3.<|end|>", "neither the call nor the tool's result is learnt again"


def test_ids_are_shortened_where_a_template_wants_nine_letters_and_a_result_names_its_call(tokenizers):
    _, (first, second) = samples(tokenizers["mistral"], {"messages": ROW["messages"]})
    short = first[1].removesuffix("<|end|>")[-9:]
    assert short.isalnum()
    assert second[0].endswith(f"[RESULT]{short}3")


@pytest.mark.parametrize("row", [
    {**ROW, "tools": json.dumps(TOOLS)},
    {**ROW, "tools": [json.dumps(TOOLS[0])]},
    {**ROW, "tools": [ADD]},
    {**ROW, "tools": json.dumps([ADD])},
    {"messages": ROW["messages"], "functions": [ADD]},
    # Parquet gives each object the keys of all of them.
    {**ROW, "tools": [{"type": "function", "strict": None, "function": {**ADD, "parameters": {
        "type": "object", "properties": {"a": {"type": "number"}, "city": None}}}}]},
    # OpenAI's earlier shape.
    {"functions": [ADD], "messages": [
        USER, {"role": "assistant", "content": None, "function_call": CALL["tool_calls"][0]["function"]},
        {"role": "function", "name": "add", "content": "3"}, LAST]},
    # ShareGPT's, as LLaMA-Factory and others write it.
    {"tools": json.dumps([ADD]), "conversations": [
        {"from": "human", "value": "1+2?"},
        {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 1, "b": null}}'},
        {"from": "observation", "value": "3"}, {"from": "gpt", "value": "It is 3."}]},
    # A result as a value, null in the columns that other turns fill, and a call that stands in a list of texts.
    {**ROW, "messages": [
        {**USER, "tool_calls": None}, {**CALL, "tool_calls": [json.dumps(CALL["tool_calls"][0])]},
        {**RESULT, "content": 3, "tool_calls": None}, {**LAST, "tool_calls": None, "tool_call_id": None}]},
    {"tools": TOOLS, "prompt": [USER, CALL, RESULT], "completion": [LAST]},
])  # fmt: skip
def test_every_shape_of_a_row_is_the_same_two_samples(tokenizers, row):
    assert samples(tokenizers["qwen"], row)[1] == samples(tokenizers["qwen"], ROW)[1]


def test_a_thought_before_a_call_is_learnt_and_seen_until_the_user_speaks_again(tokenizers):
    called = {**CALL, "reasoning_content": "hm"}
    more = [{"role": "user", "content": "And 2+2?"}, {"role": "assistant", "content": "4"}]
    _, (first, second, third) = samples(tokenizers["qwen"], {**ROW, "messages": [USER, called, RESULT, LAST, *more]})
    assert first[1].startswith("<think>hm</think><call>")
    assert "<think>hm</think><call>" in second[0]
    assert "hm" not in third[0]
    assert third[0].count("<call>") == 1
    inline = {**CALL, "content": "<think>\nhm\n</think>"}
    _, (same, _) = samples(tokenizers["qwen"], {**ROW, "messages": [USER, inline, RESULT, LAST]})
    assert same == first


def test_two_calls_at_once_are_one_answer_and_weights_are_heeded(tokenizers):
    second = {"function": {"name": "add", "arguments": {"a": 2, "b": None}}}
    both = {**CALL, "tool_calls": [CALL["tool_calls"][0], second]}
    row = {**ROW, "messages": [USER, both, RESULT, {"role": "tool", "content": "4"}, {**LAST, "weight": 0}]}
    _, (only,) = samples(tokenizers["qwen"], row)
    assert only[1].count("<call>") == 2
    assert '"arguments": {"a": 2}}' in only[1], "null in an object is a column's gap, null in a JSON text is meant"


def test_a_plain_answer_beside_tools_is_asked_with_them(tokenizers):
    _, (only,) = samples(tokenizers["qwen"], {"query": "1+2?", "response": "3", "tools": TOOLS})
    assert '"name": "add"' in only[0]
    assert only[1] == "3<|end|>"
    for none in (None, [], "[]", "", "null"):
        assert samples(tokenizers["plain"], {"query": "1+2?", "response": "3", "tools": none})[1][0][1] == "3<|end|>"


@pytest.mark.parametrize(("name", "row", "sentence"), [
    ("plain", {"query": "1+2?", "response": "3", "tools": TOOLS}, r'no place for the row\'s tools \("add" is not in'),
    ("plain", {"messages": ROW["messages"]}, "no place for tool calls and what tools return"),
    ("pythonic", {"messages": ROW["messages"]}, "no place for tool calls"),
    ("mistral", {"messages": [USER, LAST, USER, CALL], "tools": [ADD, {"name": "sub" * 9}]}, None),
])  # fmt: skip
def test_what_a_template_leaves_out_is_refused(tokenizers, name, row, sentence):
    if sentence is None:
        assert samples(tokenizers[name], row)
        return
    with pytest.raises(InputError, match=f"rows:1: .*{sentence}"):
        samples(tokenizers[name], row)


def test_the_papers_prompt_has_no_place_for_tools(tokenizers):
    from mathstrap.train.prompt import render

    for row in (ROW, {"query": "q", "response": "r", "tools": TOOLS}):
        with pytest.raises(InputError, match=r"rows:1: the row has tools, .* Set data.prompt=chat"):
            render(to_pairs(row, "rows:1"), DataOptions(), tokenizers["qwen"])


@pytest.mark.parametrize(("row", "reason"), [
    ({**ROW, "tools": "calculator"}, "the tools are not a list or the JSON text of one: found str"),
    ({**ROW, "tools": {"add": ADD}}, "the tools are not a list or the JSON text of one: found dict"),
    ({**ROW, "tools": [{"type": "function", "function": {"description": "?"}}]}, "one of the tools has no name"),
    ({**ROW, "tools": ["add"]}, "one of the tools has no name"),
    ({"messages": [USER, {**CALL, "tool_calls": [{"id": "x", "function": {"arguments": "{}"}}]}]}, "call has no name"),
    ({"messages": [USER, {**CALL, "tool_calls": "add(1)"}]}, "call has no name"),
    ({"messages": [USER, {**CALL, "tool_calls": []}]}, "the response is not text: found NoneType"),
    ({"messages": [USER, CALL, RESULT]}, "not questions and answers in turn: found the turns user, assistant, tool"),
    ({"messages": [USER, RESULT, LAST]}, "not questions and answers in turn"),
    ({"messages": [USER, CALL, LAST]}, "not questions and answers in turn"),
    ({"messages": [USER, {"role": "system", "content": "s"}, LAST]}, "not questions and answers in turn"),
    ({"conversations": [{"from": "human", "value": "q"}, {"from": "function_call", "value": ""}]}, "calls no tool"),
    ({"messages": [USER, {"role": "judge", "content": "s"}]}, 'found "judge", expected user, assistant, system'),
])  # fmt: skip
def test_a_row_that_cannot_be_read_says_what_is_wrong(row, reason):
    found = to_pairs(row, "rows:1")
    assert isinstance(found, str)
    assert reason in found


def test_a_result_that_spells_the_end_of_a_turn_teaches_nothing_but_a_call_that_does_is_dropped(tokenizers):
    from mathstrap.train.prompt import render
    from mathstrap.train.tokens import encode, find_ends

    data, tokenizer = DataOptions(prompt="chat"), tokenizers["qwen"]
    bad = {**CALL, "tool_calls": [{"function": {"name": "add", "arguments": {"a": "<|end|>"}}}]}
    pairs = to_pairs({**ROW, "messages": [USER, bad, RESULT, LAST]}, "rows:1")
    table = encode(render(pairs, data, tokenizer), tokenizer, find_ends(tokenizer, data), 4096)
    assert table.dropped == {"special_token": 1}


def test_other_trainers_get_the_tools_as_a_column_or_a_refusal(tmp_path):
    from mathstrap.train import TrainRecipe
    from mathstrap.train.emit import emit

    (tmp_path / "rows.jsonl").write_text(json.dumps(ROW) + "\n")
    recipe = TrainRecipe(model="a/b", data=DataOptions(path=str(tmp_path / "rows.jsonl"), prompt="chat"))
    emit("trl", recipe, tmp_path / "trl")
    called, answered = map(json.loads, (tmp_path / "trl" / "data" / "train.jsonl").read_text().splitlines())
    assert json.loads(called["tools"]) == TOOLS
    assert called["completion"][0]["tool_calls"][0]["function"] == {"name": "add", "arguments": {"a": 1, "b": None}}
    assert [turn["role"] for turn in answered["prompt"]] == ["user", "assistant", "tool"]
    assert to_pairs(answered, "w")[0].tools == to_pairs(ROW, "w")[1].tools, "what is written is read back"
    with pytest.raises(InputError, match=r"rows.jsonl:1: the row has tools, which are not written for LLaMA-Factory"):
        emit("llama-factory", recipe, tmp_path / "factory")
