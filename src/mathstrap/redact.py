"""Keep secrets out of texts that are shown, stored or published: keys, logins in addresses, folders of this machine.

Its messages never repeat a key.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mathstrap.patterns import regex

# Keys by the formats of their issuers, a private key's first line, and a password inside an address.
_KEYS = regex(
    r"\bsk-[A-Za-z0-9_-]{20,}|\bhf_[A-Za-z0-9]{30,}|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}"
    r"|\bAKIA[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{35}|\bxox[abprs]-[0-9A-Za-z-]{10,}|-----BEGIN [A-Z ]{0,20}PRIVATE KEY"
    r"|://[^/\s:@]{1,200}:[^/\s@]{1,200}@|(?i:\bbearer\s+[\w.~+/-]{8,}|\bapi-?key['\"]?\s*[:=]\s*['\"]?[\w.~+/-]{8,})"
)
# A key in place of a setting, by the prefixes of key issuers.
_KEY_VALUE = regex(
    r"\b(?:sk-|sk_|hf_|gsk_|xai-|pplx-|nvapi-|r8_|tgp_|gh[pousr]_|github_pat_|csk-|fw_|AIza)[A-Za-z0-9_-]{16,}"
    r"|\bAKIA[0-9A-Z]{16}\b|\bxox[abprs]-[0-9A-Za-z-]{10,}|-----BEGIN [A-Z ]{0,20}PRIVATE KEY"
)
_FOLDERS = regex(r"(?<![\w.])(?:/home|/Users)/[\w.-]+/|[A-Za-z]:\\+Users\\+[\w.-]+")
# An absolute path, not the path of an address.
_ABSOLUTE = regex(r"(?<![\w/.:<~-])/(?:[\w.@-]+/)+[\w.@-]+")
_SECRET_NAME = regex(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
MIN_SECRET_CHARS = 12
_HIDDEN = "[key]"
NO_ADDRESS = "[address]"
# User and password of an address, which must not reach a run directory: it is shown and published.
_LOGIN = regex(r"://[^/\s@]{1,500}@")
_SECRET = regex(r"(?:key|token|secret|password|credential|authorization)s?$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Private:
    """The private facts of this machine: the values of its secret variables, and its folders."""

    secrets: Sequence[str]
    folders: Sequence[str]


def private_here(environment: Mapping[str, str] = os.environ) -> Private:
    """Return the secrets of the environment, and the folders that a file written here might mention."""
    secrets = {
        value.strip()
        for name, value in environment.items()
        if _SECRET_NAME.search(name) and len(value.strip()) >= MIN_SECRET_CHARS and not Path(value.strip()).exists()
    }
    folders = {str(Path.home()), str(Path.cwd())} - {"/"}
    return Private(secrets=sorted(secrets), folders=sorted(folders))


def find_leak(text: str, private: Private, *, any_path: bool = False) -> str:
    """Return a description of the first leak in a text, or ""; with `any_path`, any absolute path is a leak."""
    if any(secret in text for secret in private.secrets):
        return "the value of a secret environment variable"
    if _KEYS.search(text):
        return "something shaped like a key or a password"
    for folder in private.folders:
        if f"{folder}/" in text:
            return f"a path of this machine ({folder}/...)"
    path = _FOLDERS.search(text) or (_ABSOLUTE.search(text) if any_path else None)
    return f"a path of a machine ({path[0]})" if path else ""


def redact(text: str, keys: Iterable[str]) -> str:
    """Return `text` without the keys: servers repeat them in error messages."""
    for key in sorted(keys, key=len, reverse=True):
        if len(key) >= 4:
            text = text.replace(key, _HIDDEN)
    return text


def public(values: Any) -> Any:
    """Return plain nested values without possible secrets, for files and pages.

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


def bare_url(url: str) -> str:
    """Return `url` without user, password and query, safe to show; "[address]" if it is not a URL."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # a part of the password may be in the place of the port
        return NO_ADDRESS
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def key_in(values: Any, path: str = "") -> str:
    """Return the dotted name of the first setting that looks like a key; empty if none does."""
    if isinstance(values, Mapping):
        parts = [(f"{path}.{name}" if path else str(name), value) for name, value in values.items()]
        if any(isinstance(name, str) and _KEY_VALUE.search(name) for name in values):
            return path or "a name"
    elif isinstance(values, list | tuple):
        parts = [(f"{path}[{place}]", value) for place, value in enumerate(values)]
    else:
        return path if isinstance(values, str) and _KEY_VALUE.search(values) else ""
    return next((key for name, value in parts if (key := key_in(value, name))), "")
