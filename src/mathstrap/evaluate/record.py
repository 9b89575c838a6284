"""The record of an evaluation: its numbers, the settings they depend on, and how to read them back."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from mathstrap.backends import TeacherOptions
from mathstrap.errors import InputError
from mathstrap.evaluate.protocols import Protocol, prompt_for, prompt_hash, sampling_for
from mathstrap.evaluate.score import ScoredDraw, grader_name
from mathstrap.evaluate.summary import Summary
from mathstrap.files.rundir import RunDir
from mathstrap.types import Style

KIND = "evaluation"
# Packages whose version may change a number.
PACKAGES = (
    "openvino-genai", "xllamacpp", "llama_cpp_python", "transformers", "torch", "vllm", "math-verify", "peft",
)  # fmt: skip
# Backend settings that change the replies as another model would; they are part of the model's name.
NUMERICS = ("engine", "precision", "dtype")
WEIGHTS = (".safetensors", ".bin", ".gguf", ".pt")
# 4 MB per weight file, at even distances, identify it without reading gigabytes.
BLOCK = 1 << 16
BLOCKS = 64


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that a number depends on, for one style of question; unknown ones of another tool are None."""

    protocol: str
    grader: str
    headline: str
    draws: int
    rng_seed: int
    prompt: str | None = None
    prompt_hash: str | None = None
    template: str | None = None
    shots: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of an evaluation's `metrics.json`; `settings` are the backend settings that may change a number."""

    kind: str
    model: str
    backend: str
    provenance: dict[str, Provenance]
    settings: dict[str, Any]
    versions: dict[str, str]
    summaries: list[Summary]

    @property
    def num_unanswered(self) -> int:
        """The number of missing replies over all sets."""
        return sum(summary.num_unanswered for summary in self.summaries)


def provenance(protocol: Protocol, style: Style, draws: int, rng_seed: int, *, made_elsewhere: bool) -> Provenance:
    """Return the settings that a number of this style depends on."""
    scored = Provenance(
        protocol=protocol.name, grader=grader_name(protocol.headline, style), headline=protocol.headline, draws=draws,
        rng_seed=rng_seed,
    )  # fmt: skip
    if made_elsewhere:
        return msgspec.structs.replace(scored, protocol=f"scores of {protocol.name}")
    sampling = sampling_for(protocol, style)
    return msgspec.structs.replace(
        scored,
        prompt=prompt_for(protocol, style).name,
        prompt_hash=prompt_hash(protocol, style),
        template=protocol.template,
        shots=protocol.shots,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        stop=sampling.stop,
    )


def engine_settings(teacher: TeacherOptions) -> dict[str, Any]:
    """Return the backend settings that may change a number."""
    settings: dict[str, Any] = dict(teacher.settings)
    if teacher.n_ctx:
        settings["n_ctx"] = teacher.n_ctx
    return settings


def describe(style: str, shown: Provenance) -> str:
    """Return the settings that a number depends on as one sentence."""
    draws = f"{shown.draws} draw{'s' if shown.draws > 1 else ''}"
    scored = f"{style} questions: protocol {shown.protocol}, headline {shown.headline} by grader {shown.grader}"
    if shown.prompt is None:
        return f"{scored}, replies of another tool (prompt and decoding unknown), {draws}."
    stop = ", ".join(repr(text) for text in shown.stop or ()) or "none"
    return (
        f"{scored}, prompt {shown.prompt} ({shown.prompt_hash}), template {shown.template}, {shown.shots} "
        f"demonstrations, temperature {shown.temperature:g}, top_p {shown.top_p:g}, at most {shown.max_tokens} tokens, "
        f"stop strings {stop}, {draws}, seed {shown.rng_seed}."
    )


def versions() -> dict[str, str]:
    """Return the package versions that a number may depend on; reads metadata, imports no package."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from mathstrap.version import __version__

    installed = {"mathstrap": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed


def model_name(name: str, teacher: TeacherOptions) -> str:
    """Return the model's name; local weights add a hash, so that retrained weights have another name."""
    paths = [Path(str(path)) for path in (teacher.settings.get("adapter"), teacher.model_path) if path]
    hashes = [weights_hash(path) for path in paths if path.exists()]
    numerics = [f"{key}={teacher.settings[key]}" for key in NUMERICS if key in teacher.settings]
    return " ".join([f"{name}@{hashes[0]}" if hashes else name, *numerics])


def weights_hash(path: Path) -> str:
    """Return a hash of a file or folder of weights as eight hexadecimal digits: sizes, and sampled blocks."""
    digest = hashlib.blake2b(digest_size=4)
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.suffix in WEIGHTS)
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.suffix} {size} ".encode())
        with file.open("rb") as weights:
            for block in range(BLOCKS):
                weights.seek(max(0, size - BLOCK) * block // (BLOCKS - 1))
                digest.update(weights.read(BLOCK))
    return digest.hexdigest()


def read_evaluation(path: Path | str) -> tuple[Evaluation, list[ScoredDraw]]:
    """Return the numbers and graded draws of a finished evaluation; raises InputError where there is none."""
    run = RunDir.read(path)
    metrics: Any = run.read_json("metrics.json", strict=True)
    if not isinstance(metrics, dict) or metrics.get("kind") != KIND:
        raise InputError(f"{path}: not an evaluation. `mathstrap eval --out {path}` writes one.")
    try:
        evaluation = msgspec.convert(metrics, Evaluation)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InputError(
            f"{run.path / 'metrics.json'}: {error}. Evaluate again with the same --out; nothing is asked twice."
        ) from error
    return evaluation, list(run.read_records("draws", ScoredDraw))
