"""Fetch a key from the environment or a command, and keep it out of every message."""

from __future__ import annotations

import base64
import os
import re
import shlex
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from mathstrap.errors import InputError

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HIDDEN = "[key]"
NO_ADDRESS = "[address]"
# User and password of an address: a run directory is shown, and published.
_LOGIN = re.compile(r"://[^/\s@]{1,500}@")
_SECRET = re.compile(r"(?:key|token|secret|password|credential|authorization)s?$", re.IGNORECASE)
MIN_HEADER_CHARS = 8
COMMAND_SECONDS = 60.0


def read_key(*, env: str, command: str) -> str:
    """Return the key, or "" where the variable is not set; the command comes first.

    Raises InputError without repeating what was found: it may be the key itself, put in the wrong place.
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


def redact(text: str, keys: Iterable[str]) -> str:
    """Return `text` without the keys, also where a server repeats one in its error message."""
    for key in sorted(keys, key=len, reverse=True):
        if len(key) >= 4:
            text = text.replace(key, _HIDDEN)
    return text


def public(values: Any) -> Any:
    """Return plain nested values without what may be a secret, as files keep them and pages show them.

    Addresses lose user and password, extra_headers its entries, and a name that ends in key, token, secret, password,
    credential or authorization its text; api_key_env and api_key_command name a key and stay.
    """
    if isinstance(values, dict):
        return {
            name: {} if name == "extra_headers" else "" if _is_secret(name, value) else public(value)
            for name, value in values.items()
        }
    if isinstance(values, list | tuple):
        return type(values)(public(value) for value in values)
    return _LOGIN.sub("://", values) if isinstance(values, str) else values


def _is_secret(name: Any, value: Any) -> bool:
    return isinstance(name, str) and isinstance(value, str) and _SECRET.search(name) is not None


def secrets_sent(url: str, headers: Mapping[str, str]) -> set[str]:
    """Return what a server is sent beside the key, and might repeat: a login in each of its forms, headers."""
    login = urlsplit(url).netloc.rpartition("@")[0]
    password = login.partition(":")[2]
    found = {value for value in headers.values() if len(value) >= MIN_HEADER_CHARS}
    if login:
        found |= {login, password, unquote(password), base64.b64encode(unquote(login).encode()).decode()}
    return found - {""}


def bare_url(url: str) -> str:
    """Return `url` without user, password and query, fit to be shown; "[address]" where it is none."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # it may show a part of the password as the port
        return NO_ADDRESS
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
