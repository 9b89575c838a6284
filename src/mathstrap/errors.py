"""The exception tree. Every message says where, what was found, what was expected and what to do.

    MathstrapError
      InputError (ValueError)        the user's file, recipe or argument is wrong
        RecipeError                  a recipe key or value
        MissingExtraError            an optional package is not installed
      TeacherError (RuntimeError)    asking again cannot help: bad key, unknown model, no credit
        PromptRefused                the server rejects this one prompt; others go on
      TransientError (RuntimeError)  asking again may help: rate limit, server error, time-out, broken connection
      RunLocked (RuntimeError)       another process holds the run directory
      StorageError (OSError)         the run directory cannot be written

All are picklable: they cross process borders, so each takes its message as the only positional argument.
"""

from __future__ import annotations

from collections.abc import Collection


class MathstrapError(Exception):
    """The base of every error raised on purpose."""


class InputError(MathstrapError, ValueError):
    """The user's file, recipe or argument is wrong."""


class RecipeError(InputError):
    """A recipe key or value is wrong."""


class MissingExtraError(InputError):
    """An optional package is not installed."""


class TeacherError(MathstrapError, RuntimeError):
    """The model server refused for good; the run stops and says what to fix."""


class PromptRefused(TeacherError):
    """The model server rejects one prompt: its content, its form or its length.

    `is_certain` says that the server blames the prompt; otherwise it may refuse every request, which only the outcome
    of other requests shows.
    """

    def __init__(self, message: str, is_certain: bool = False) -> None:
        super().__init__(message)
        self.is_certain = is_certain

    def __reduce__(self) -> tuple[type[PromptRefused], tuple[str, bool]]:
        return type(self), (str(self), self.is_certain)


class TransientError(MathstrapError, RuntimeError):
    """The model server failed in a way that may pass."""

    def __init__(self, message: str, retry_after_seconds: float | None = None, kind: str = "error") -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.kind = kind

    def __reduce__(self) -> tuple[type[TransientError], tuple[str, float | None, str]]:
        return type(self), (str(self), self.retry_after_seconds, self.kind)


class RunLocked(MathstrapError, RuntimeError):
    """Another process holds the run directory."""


class StorageError(MathstrapError, OSError):
    """The run directory cannot be written: full disk, no permission, not a directory."""


def missing_extra(package: str, extra: str) -> MissingExtraError:
    """Return the error that says how to install the extra of an optional package."""
    return MissingExtraError(f'{package} is not installed. Run: pip install "mathstrap[{extra}]"')


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type: libraries put diagnostics into the lines below."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: `1 seed`, `2,000 seeds`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def check_least(options: object, hint: str = "", /, **least: float) -> None:
    """Raise RecipeError at the first option below its minimum; null passes. `hint` ends the sentence."""
    for name, bound in least.items():
        value = getattr(options, name)
        if value is not None and not value >= bound:
            raise RecipeError(f"{name}: found {value}, expected {bound} or more{hint}.")


def check_name(where: str, what: str, name: str, known: Collection[str], *, more: str = "") -> None:
    """Raise RecipeError for a name that is not known: `formats: no such format "dop". Did you mean "dpo"?`."""
    if name not in known:
        raise RecipeError(f'{where}no such {what} "{name}".{suggest(name, list(known))}{more}')


def suggest(wrong: str, known: list[str]) -> str:
    """Return ` Did you mean "x"?` for the closest known name, or the list of known names."""
    import difflib

    spelled = {name.lower(): name for name in known}
    close = difflib.get_close_matches(wrong.lower(), list(spelled), n=1, cutoff=0.5)
    if close:
        return f' Did you mean "{spelled[close[0]]}"?'
    names = sorted(known)
    if len(names) > 40:  # these are ids of a run rather than options, and too many to read
        return f" Known: {', '.join(names[:5])} and {len(names) - 5:,} more."
    return f" Known: {', '.join(names)}."
