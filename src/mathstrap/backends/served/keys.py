"""Read a key from the environment or a command, and keep it out of every message."""

from __future__ import annotations

import base64
import os
import shlex
import subprocess
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from mathstrap.errors import InputError
from mathstrap.patterns import regex

_VARIABLE = regex(r"[A-Za-z_][A-Za-z0-9_]*")
MIN_HEADER_CHARS = 8
COMMAND_SECONDS = 60.0


def read_key(*, env: str, command: str) -> str:
    """Return the key, or "" if the variable is not set; a command takes precedence.

    Raises InputError without repeating a wrong value: it may be the key itself, put in the wrong place.
    """
    if command:
        return _usable(_run(command), "teacher.api_key_command")
    if env and (not _VARIABLE.fullmatch(env) or env.startswith("sk_") or len(env) > 64):
        raise InputError(
            "teacher.api_key_env: expected the name of an environment variable, for example OPENAI_API_KEY, and found "
            "something else. If that is the key itself, take it out of the recipe and put it into the variable."
        )
    return _usable(os.environ.get(env, "").strip(), f"the variable {env}") if env else ""


def _run(command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 the user's own command, without a shell
            shlex.split(command), capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise InputError(
            f"teacher.api_key_command: the command could not be run ({type(error).__name__}). Try it in a shell."
        ) from None
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        raise InputError(
            f"teacher.api_key_command: the command ended with code {done.returncode} and "
            f"{'no output' if not lines else 'some output'}; expected code 0 and the key. Try it in a shell."
        )
    return lines[0].strip()


def _usable(key: str, where: str) -> str:
    if key and not (key.isascii() and key.isprintable()):
        raise InputError(f"{where}: the key holds characters that cannot be sent in a header. Set it again.")
    return key


def secrets_sent(url: str, headers: Mapping[str, str]) -> set[str]:
    """Return the secrets besides the key that a server might repeat: a login in each form, headers."""
    login = urlsplit(url).netloc.rpartition("@")[0]
    password = login.partition(":")[2]
    secrets = {value for value in headers.values() if len(value) >= MIN_HEADER_CHARS}
    if login:
        secrets |= {login, password, unquote(password), base64.b64encode(unquote(login).encode()).decode()}
    return secrets - {""}
