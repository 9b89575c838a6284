"""What an evaluation leaves behind: the numbers, what they depend on, and how to read them back."""

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
# Settings of a backend that make it another model: its replies are kept apart.
NUMERICS = ("engine", "precision", "dtype")
WEIGHTS = (".safetensors", ".bin", ".gguf", ".pt")
BLOCK = 1 << 16
BLOCKS = 64


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What a number depends on, for one style of question; what is not known of replies made elsewhere is None."""

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
    """Everything `metrics.json` of an evaluation holds; `settings` are the backend's that may move a number."""

    kind: str
    model: str
    backend: str
    provenance: dict[str, Provenance]
    settings: dict[str, Any]
    versions: dict[str, str]
    summaries: list[Summary]

    @property
    def num_unanswered(self) -> int:
        """How many replies are missing over all sets."""
        return sum(summary.num_unanswered for summary in self.summaries)


def provenance(protocol: Protocol, style: Style, draws: int, rng_seed: int, *, made_elsewhere: bool) -> Provenance:
    """Return what a number of this style depends on."""
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
    """Return how the backend was set up, as far as that may move a number."""
    found: dict[str, Any] = dict(teacher.settings)
    if teacher.n_ctx:
        found["n_ctx"] = teacher.n_ctx
    return found


def describe(style: str, made: Provenance) -> str:
    """Return what a number depends on as one sentence."""
    draws = f"{made.draws} draw{'s' if made.draws > 1 else ''}"
    scored = f"{style} questions: protocol {made.protocol}, headline {made.headline} by grader {made.grader}"
    if made.prompt is None:
        return f"{scored}, replies made elsewhere (prompt and decoding unknown), {draws}."
    stop = ", ".join(repr(text) for text in made.stop or ()) or "none"
    return (
        f"{scored}, prompt {made.prompt} ({made.prompt_hash}), template {made.template}, {made.shots} demonstrations, "
        f"temperature {made.temperature:g}, top_p {made.top_p:g}, at most {made.max_tokens} tokens, "
        f"stop strings {stop}, {draws}, seed {made.rng_seed}."
    )


def versions() -> dict[str, str]:
    """Return the versions that a number may depend on; reads package data, imports nothing."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from mathstrap.version import __version__

    found = {"mathstrap": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def model_name(name: str, teacher: TeacherOptions) -> str:
    """Return the model's name; local weights add a hash, so that retrained ones are not taken for the old."""
    paths = [Path(str(path)) for path in (teacher.settings.get("adapter"), teacher.model_path) if path]
    hashes = [weights_hash(path) for path in paths if path.exists()]
    numerics = [f"{key}={teacher.settings[key]}" for key in NUMERICS if key in teacher.settings]
    return " ".join([f"{name}@{hashes[0]}" if hashes else name, *numerics])


def weights_hash(path: Path) -> str:
    """Return eight hexadecimal digits over a file or folder of weights: sizes, and blocks spread over each file."""
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
    found: Any = run.read_json("metrics.json", strict=True)
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise InputError(f"{path}: not an evaluation. `mathstrap eval --out {path}` writes one.")
    try:
        evaluation = msgspec.convert(found, Evaluation)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InputError(
            f"{run.path / 'metrics.json'}: {error}. Evaluate again with the same --out; nothing is asked twice."
        ) from error
    return evaluation, list(run.read_records("draws", ScoredDraw))
