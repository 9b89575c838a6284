"""The addresses of well-known servers by name; each is the backend `openai` at that address."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Server:
    """An OpenAI-compatible server: its address, and the variable that usually holds its key; empty = needs no key."""

    url: str
    key_env: str = ""


SERVERS: dict[str, Server] = {
    # On this machine, at the default port of each.
    "ollama": Server(url="http://localhost:11434/v1"),
    "lmstudio": Server(url="http://localhost:1234/v1"),
    "llamacpp": Server(url="http://localhost:8080/v1"),
    "sglang": Server(url="http://localhost:30000/v1"),
    # Services.
    "anthropic": Server(url="https://api.anthropic.com/v1", key_env="ANTHROPIC_API_KEY"),
    "deepseek": Server(url="https://api.deepseek.com/v1", key_env="DEEPSEEK_API_KEY"),
    "fireworks": Server(url="https://api.fireworks.ai/inference/v1", key_env="FIREWORKS_API_KEY"),
    "gemini": Server(url="https://generativelanguage.googleapis.com/v1beta/openai", key_env="GEMINI_API_KEY"),
    "groq": Server(url="https://api.groq.com/openai/v1", key_env="GROQ_API_KEY"),
    "mistral": Server(url="https://api.mistral.ai/v1", key_env="MISTRAL_API_KEY"),
    "openrouter": Server(url="https://openrouter.ai/api/v1", key_env="OPENROUTER_API_KEY"),
    "together": Server(url="https://api.together.xyz/v1", key_env="TOGETHER_API_KEY"),
}
