"""List the teachers and open one. Does not know what a request is for; heavy imports stay inside each module.

A teacher is one file in this package and one line of BACKENDS: a factory from TeacherOptions to a Backend. Its module
may have a `check_options`, which raises for options that the factory would refuse.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from mathstrap.backends.known import SERVERS
from mathstrap.engine.budget import Budget
from mathstrap.engine.interface import Backend
from mathstrap.engine.prices import Price, find_price
from mathstrap.errors import InputError, RecipeError, suggest
from mathstrap.plugins import is_own, load_own
from mathstrap.types import Sampling

# name -> "module:factory"; the module is imported when the teacher is opened.
BACKENDS: dict[str, str] = {
    "openai": "mathstrap.backends.served.openai:open_teacher",
    "openai_batch": "mathstrap.backends.served.openai_batch:open_teacher",
    "embedded": "mathstrap.backends.local.embedded:open_teacher",
    "hf": "mathstrap.backends.hf:open_teacher",
    "vllm": "mathstrap.backends.vllm:open_teacher",
    "fake": "mathstrap.backends.fake:open_teacher",
    "none": "mathstrap.backends.none:open_teacher",
}


# Teachers behind a URL; the others are loaded where they are opened.
SERVED = frozenset({"openai", "openai_batch"})
# The options of a Sampling that each teacher supports, besides those that all have; an unsupported one is an error.
_DECODING = frozenset({"top_k", "min_p", "repetition_penalty", "seed"})
TAKES: dict[str, frozenset[str]] = {
    "openai": _DECODING | {"reasoning_effort", "extra_body"},
    "openai_batch": _DECODING | {"reasoning_effort", "extra_body"},
    "embedded": _DECODING,
    "hf": _DECODING | {"reasoning_effort"},
    "vllm": _DECODING | {"reasoning_effort"},
    "fake": _DECODING | {"reasoning_effort", "extra_body"},  # its replies depend on the key, which covers them all
}
BUNDLED_TEACHER = "SmolLM2-135M-Instruct"
S = TypeVar("S")


@dataclass(frozen=True, kw_only=True)
class EndpointOptions:
    """One of several servers that share the work; limits of 0 mean none.

    url                   the address up to and including `/v1`
    max_in_flight         the most requests at once here
    requests_per_minute   the most in any minute here
    api_key_env           the variable with its key; empty = the teacher's
    model                 the model's name at this server; empty = the teacher's
    """

    url: str
    max_in_flight: int = 0
    requests_per_minute: int = 0
    api_key_env: str = ""
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class TeacherOptions:
    """The teacher, and how to reach it. A key is named (a variable or a command), never written here.

    backend            a name of BACKENDS; a well-known server (ollama, lmstudio, openrouter, ...), which is openai at
                       its address; or a factory of your own as `path/to/file.py:function`
    model              the model's name at the server, a path, or a name the backend knows
    base_url           openai, openai_batch: the address up to and including `/v1`, or Azure's
                       `.../openai/deployments/NAME?api-version=...`; a list spreads the work over servers
    endpoints          the same with limits per server; replaces base_url when not empty
    api_key_env        the environment variable with the key; it may be unset for servers that need no key
    api_key_command    a command whose first line of output is the key, for example `pass show openai`; tried first
    timeout_seconds    one attempt, from sending to the last byte
    max_in_flight      the most requests at once, besides the recipe's limits; 0 leaves it to the backend
    supports_n         several draws in one call: true, false, or null to try and fall back
    extra_body         added to every request's JSON, for example {"reasoning_effort": "low"}
    extra_headers      added to every request, and written to no file; not for keys
    model_path         embedded, hf, vllm: a weights file or folder instead of the model's default
    n_ctx              embedded, vllm: tokens of prompt and reply; 0 leaves it to the backend
    threads            embedded: CPU threads; 0 leaves it to the backend
    settings           further options of the backend, by name; it rejects unknown ones
    """

    backend: str = "openai"
    model: str = ""
    base_url: str | tuple[str, ...] = ""
    endpoints: tuple[EndpointOptions, ...] = ()
    api_key_env: str = "OPENAI_API_KEY"
    api_key_command: str = ""
    timeout_seconds: float = 300.0
    max_in_flight: int = 0
    supports_n: bool | None = None
    extra_body: dict[str, Any] = field(default_factory=dict)
    extra_headers: dict[str, str] = field(default_factory=dict)
    model_path: str = ""
    n_ctx: int = 0
    threads: int = 0
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Replace the name of a well-known server by its address, so that all other code knows one kind of server."""
        server = SERVERS.get(self.backend)
        if server is None:
            return
        object.__setattr__(self, "backend", "openai")
        if not self.urls:
            object.__setattr__(self, "base_url", server.url)
        if server.key_env and self.api_key_env == "OPENAI_API_KEY":
            object.__setattr__(self, "api_key_env", server.key_env)

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses of all servers, in the order given; may be empty."""
        if self.endpoints:
            return tuple(endpoint.url for endpoint in self.endpoints)
        return tuple(self.base_url.replace(",", " ").split()) if isinstance(self.base_url, str) else self.base_url


def check_taken(options: TeacherOptions, sampling: Sampling, where: str) -> None:
    """Raise RecipeError for an option of a sampling, or a body, that the teacher does not support; `where` is its key.

    A teacher of the user's own receives everything: its options are unknown.
    """
    takes = TAKES.get(options.backend)
    if takes is None:
        return
    default = Sampling()
    for name in ("top_k", "min_p", "repetition_penalty", "seed", "reasoning_effort", "extra_body"):
        value = getattr(sampling, name)
        if name == "reasoning_effort" and value == "none":  # true anyway: backends without the option cannot think
            continue
        if name not in takes and value != getattr(default, name):
            others = ", ".join(backend for backend, taken in TAKES.items() if name in taken and backend != "fake")
            raise RecipeError(
                f"{where}.{name}: the backend {options.backend} has no such option. Leave it out, or use one that has "
                f"it: {others}."
            )
    if options.extra_body and "extra_body" not in takes:
        raise RecipeError(
            f"teacher.extra_body: the backend {options.backend} sends no JSON that it could be added to. Leave it out."
        )


def checked_settings(kind: type[S], settings: Mapping[str, Any], *, least: int = 0, hint: str = "") -> S:
    """Return the `teacher.settings` of a backend as its dataclass; raises InputError with the key that is wrong.

    `least` is the smallest whole number allowed; `hint` is added for an unknown key.
    """
    types = get_type_hints(kind)
    for key, value in settings.items():
        expected = types.get(key)
        if expected is None:
            raise InputError(f'teacher.settings: no such setting "{key}".{suggest(key, list(types))}{hint}')
        wanted = ""
        if get_origin(expected) is Literal:
            wanted = "" if value in get_args(expected) else f"one of {', '.join(get_args(expected))}"
        elif get_origin(expected) is dict:
            wanted = "" if isinstance(value, dict) else "names with values"
        elif expected is int and (not isinstance(value, int) or isinstance(value, bool) or value < least):
            wanted = f"a whole number of at least {least}"
        elif expected is str and not isinstance(value, str):
            wanted = "a text"
        if wanted:
            raise InputError(f"teacher.settings.{key}: found {value!r}, expected {wanted}.")
    return kind(**settings)


def teacher_named(text: str) -> dict[str, Any]:
    """Return the options of a teacher by a short name; any other text is a model at OpenAI.

    `ollama/qwen3:4b`    a model at a well-known server, or of a backend (`openai/...`, `vllm/...`, `hf/...`)
    `name@http://...`    a model at an address, which ends in `/v1`
    `model.gguf`, a folder   weights on this machine
    `embedded`, `fake`   a backend with a model of its own
    """
    first, slash, rest = text.partition("/")
    if slash and rest and (first in SERVERS or first in BACKENDS):
        return {"backend": first, "model": rest}
    model, at, url = text.partition("@")
    if at and url.startswith(("http://", "https://")):
        return {"backend": "openai", "base_url": url, "model": model}
    if text in ("embedded", "fake", "none") or is_own(text):
        return {"backend": text}
    if text.endswith(".gguf"):
        return {"backend": "embedded", "model_path": text}
    if text and Path(text).is_dir():
        return {"backend": "hf", "model_path": text}
    if not text or text in BACKENDS or text in SERVERS or "://" in text:
        raise InputError(
            f'teacher: "{text}" names no model. Expected one such as gpt-6-luna, ollama/qwen3:4b, '
            "qwen3@http://localhost:8000/v1, a folder or .gguf file with weights, or embedded."
        )
    return {"backend": "openai", "model": text}


def teacher_name(options: TeacherOptions) -> str:
    """Return the teacher's display name: its model, the file of its weights, or the backend's own model."""
    file_name = options.model_path.replace("\\", "/").rstrip("/").rpartition("/")[2].removesuffix(".gguf")
    own = BUNDLED_TEACHER if is_bundled(options) else options.backend
    return options.model or file_name or own


def price_of(teacher: TeacherOptions, budget: Budget, model: str = "") -> Price | None:
    """Return the price of a teacher's tokens, None if unknown; `model` is the name that an opened backend reports."""
    return find_price(
        model or teacher.model, backend=teacher.backend, base_url=next(iter(teacher.urls), ""),
        usd_per_million_in=budget.usd_per_million_tokens_in, usd_per_million_out=budget.usd_per_million_tokens_out,
    )  # fmt: skip


def is_bundled(options: TeacherOptions) -> bool:
    """Say whether the teacher is the tiny one of the package, which is too weak for more than a demonstration."""
    return options.backend == "embedded" and not options.model_path and not options.model


def open_backend(options: TeacherOptions) -> Backend:
    """Return the teacher that `options` describes; raises InputError for an unknown name or unusable options."""
    if is_own(options.backend):
        return load_own(options.backend, FunctionType, where="teacher.backend")(options)  # type: ignore[no-any-return]
    module, factory_name = module_of(options.backend)
    factory = cast("Callable[[TeacherOptions], Backend]", getattr(module, factory_name))
    return factory(options)


def check_options(options: TeacherOptions) -> None:
    """Raise InputError for options that `open_backend` would refuse before it loads or asks anything.

    A teacher of the user's own checks its options itself, when it is opened.
    """
    if not is_own(options.backend):
        check = getattr(module_of(options.backend)[0], "check_options", None)
        if check is not None:
            check(options)


def module_of(backend: str) -> tuple[ModuleType, str]:
    """Return a backend's module and the name of its factory; raises InputError for an unknown name."""
    target = BACKENDS.get(backend)
    if target is None:
        raise InputError(f'teacher.backend: no such backend "{backend}".{suggest(backend, [*BACKENDS, *SERVERS])}')
    module_name, _, factory_name = target.partition(":")
    return importlib.import_module(module_name), factory_name
