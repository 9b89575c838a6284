"""The hf teacher on a random model of a few thousand weights made here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from mathstrap.backends import TeacherOptions, checked_settings, open_backend
from mathstrap.backends.hf import HfSettings, draw_by_row
from mathstrap.backends.local.embedded import EmbeddedTeacher
from mathstrap.errors import InputError
from mathstrap.types import Completion, Message, Request, Sampling
from tiny_llama import save_bpe

pytest.importorskip("transformers", reason='needs pip install "mathstrap[train]"')


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny-hf")
    save_bpe(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=512, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=256, eos_token_id=2, bos_token_id=1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def teacher(model_folder: Path) -> Iterator[EmbeddedTeacher]:
    backend = open_backend(
        TeacherOptions(backend="hf", model_path=str(model_folder), settings={"batch_size": 3, "device": "cpu"})
    )
    assert isinstance(backend, EmbeddedTeacher)
    yield backend
    asyncio.run(backend.close())


def request(text: str, *, draw: int = 0, temperature: float = 0.0, max_tokens: int = 8, role: str = "user") -> Request:
    return Request(
        id=f"{text}#{draw}", key=text, model="", messages=(Message(role=role, content=text),), draw=draw,
        sampling=Sampling(temperature=temperature, max_tokens=max_tokens),
    )  # fmt: skip


def ask_at_once(teacher: EmbeddedTeacher, requests: list[Request]) -> list[Completion]:
    async def main() -> list[list[Completion]]:
        return await asyncio.gather(*(teacher.ask([one]) for one in requests))

    return [reply[0] for reply in asyncio.run(main())]


def test_greedy_replies_are_those_of_generate(teacher: EmbeddedTeacher, model_folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = AutoModelForCausalLM.from_pretrained(model_folder).eval()
    texts = ["Ann has 3 apples.", "Ben", "Cleo buys 12 clips and 7 marbles, then 9 pages.", "Dan has 4.", "How many?"]
    replies = ask_at_once(teacher, [request(text, role="raw") for text in texts])
    for text, reply in zip(texts, replies, strict=True):
        ids = tokenizer(text, return_tensors="pt").input_ids
        with torch.inference_mode():
            made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
        assert reply.text == tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
        assert reply.tokens_in == ids.shape[1]


def test_a_draw_says_the_same_alone_and_in_a_batch(teacher: EmbeddedTeacher) -> None:
    draws = [request("Ann has 3 apples.", draw=draw, temperature=1.0) for draw in range(5)]
    together = ask_at_once(teacher, draws)
    assert len({reply.text for reply in together}) > 1
    assert ask_at_once(teacher, [draws[3]])[0].text == together[3].text


@pytest.mark.parametrize("top_p", [1.0, 0.7])
def test_tokens_are_drawn_as_often_as_they_are_likely(top_p: float) -> None:
    import torch

    count, temperature = 20_000, 0.7
    scores = torch.tensor([0.5, -torch.inf, 2.0, 1.0, -1.0, 1.5])
    chances = (scores / temperature).softmax(-1)
    if top_p < 1:  # 0.54 and 0.26 are the fewest that reach 0.7
        chances = torch.where(chances < 0.2, 0.0, chances)
        chances /= chances.sum()
    sampling = Sampling(temperature=temperature, top_p=top_p)
    drawn = draw_by_row(range(count), 1, sampling)(None, scores.expand(count, -1)).argmax(-1)
    shares = torch.bincount(drawn, minlength=6) / count
    assert float((shares - chances).abs().max()) < 4 * (0.25 / count) ** 0.5
    assert shares[chances == 0].sum() == 0


def test_a_prompt_beyond_the_context_is_an_empty_reply_not_an_error(teacher: EmbeddedTeacher) -> None:
    long, short = ask_at_once(teacher, [request("marbles " * 400), request("Ann")])
    assert (long.text, long.finish_reason) == ("", "length")
    assert short.tokens_out > 0


def test_a_missing_adapter_is_refused(model_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason='needs pip install "mathstrap[train]"')
    options = TeacherOptions(backend="hf", model_path=str(model_folder), settings={"adapter": str(tmp_path)})
    with pytest.raises(InputError, match=r"adapter_config\.json"):
        open_backend(options)


def test_an_adapter_changes_the_replies(teacher: EmbeddedTeacher, model_folder: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason='needs pip install "mathstrap[train]"')
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    config = peft.LoraConfig(r=4, lora_alpha=64, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    peft.get_peft_model(AutoModelForCausalLM.from_pretrained(model_folder), config).save_pretrained(tmp_path)
    adapted = open_backend(
        TeacherOptions(backend="hf", model_path=str(model_folder), settings={"adapter": str(tmp_path)})
    )
    assert isinstance(adapted, EmbeddedTeacher)
    questions = [request(f"Ann has {number} apples.") for number in range(4)]
    plain = [reply.text for reply in ask_at_once(teacher, questions)]
    assert [reply.text for reply in ask_at_once(adapted, questions)] != plain
    asyncio.run(adapted.close())


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot load this model"):
        open_backend(TeacherOptions(backend="hf", model_path=str(tmp_path)))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"adaptr": "x"}, 'Did you mean "adapter"?'),
        ({"dtype": "int4"}, "expected one of auto, float32"),
        ({"batch_size": "8"}, "expected a whole number of at least 0"),
    ],
)
def test_wrong_settings_are_refused_with_a_sentence(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        checked_settings(HfSettings, settings)
    assert sentence in str(caught.value)
