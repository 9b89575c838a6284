"""Show the engine's progress: live lines on a terminal or in a notebook, plain lines elsewhere, or JSON events."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

import msgspec

from mathstrap.engine.events import Event
from mathstrap.errors import counted
from mathstrap.render.terminal import terminal

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

# A log file gets one line per this time.
PLAIN_SECONDS = 10.0
NOTEBOOK_SECONDS = 0.5  # a notebook keeps every update of a cell in its history
# Rates are means over this time: shorter ones jump with each batch of replies.
WINDOW_SECONDS = 15.0
MOST_SENTENCES = 5
EXPECTED_ENDS = frozenset({"interrupted", "budget", "paused"})


@dataclass(kw_only=True)
class StageState:
    """The progress of one stage; `recent` holds (time, replies, tokens) of the last seconds."""

    name: str
    total: int | None
    started: float
    now: float
    in_flight: int = 0
    done: int = 0
    failed: int = 0
    retried: int = 0
    refused: int = 0
    tokens: int = 0
    usd: float | None = None
    finished: bool = False
    recent: deque[tuple[float, int, int]] = field(default_factory=deque)
    note: str = ""

    def answered(self, event: Event) -> None:
        """Count a call's replies."""
        tokens = event.tokens_in + event.tokens_out
        self.done += event.draws
        self.tokens += tokens
        if event.usd is not None:
            self.usd = (self.usd or 0.0) + event.usd
        self.recent.append((event.at, event.draws, tokens))

    # Not rich.progress, which measures speed between replies: ten minutes after a server went silent it still predicts
    # the same end.
    def rates(self) -> tuple[float, float]:
        """Return replies and tokens per second, over the last seconds or over the whole stage once it is finished."""
        if self.finished:
            span = max(self.now - self.started, 1e-3)
            return self.done / span, self.tokens / span
        while self.recent and self.recent[0][0] < self.now - WINDOW_SECONDS:
            self.recent.popleft()
        span = max(min(WINDOW_SECONDS, self.now - self.started), 1e-3)
        return sum(row[1] for row in self.recent) / span, sum(row[2] for row in self.recent) / span

    def line(self) -> str:
        """Return the stage as one line of text."""
        replies, tokens = self.rates()
        total = f"/{self.total:,}" if self.total is not None else ""
        if not self.done and not self.finished:
            waited = f"waiting for the first reply, {_span(self.now - self.started)}"
            return f"{self.name or 'asking':<8} 0{total}  {waited}" + self._troubles()
        share = f" {self.done / self.total:.0%}" if self.total else ""
        parts = [f"{self.name or 'asking':<8} {self.done:,}{total}{share}", f"{replies:,.1f} req/s"]
        if self.tokens:
            parts.append(f"{_short(tokens)} tokens/s")
        if self.usd:  # a local model costs nothing
            parts.append(_money(self.usd, self.done, self.total))
        if self.finished:
            parts.append(f"in {_span(self.now - self.started)}")
        elif self.total and replies > 0:
            parts.append(f"{_span((self.total - self.done) / replies)} left")
        return "  ".join(parts) + self._troubles()

    def _troubles(self) -> str:
        retried = f"  {self.retried:,} retried" if self.retried else ""
        retried += f"  {self.refused:,} prompts refused" if self.refused else ""
        return retried + (f"  {self.failed:,} left to the next run" if self.failed else "")


class Progress:
    """A listener of the engine's events; use it as a context manager and pass it as `events`.

    Progress goes to stderr. `json` writes every event to `json_stream` (stdout) as one line and shows nothing else;
    `quiet` shows only warnings and the reason of a stop. `show` instead receives the whole text at every update, for a
    notebook's cell.
    """

    def __init__(
        self,
        *,
        quiet: bool = False,
        json: bool = False,
        stream: TextIO | None = None,
        json_stream: TextIO | None = None,
        terminal: bool | None = None,
        show: Callable[[str], None] | None = None,
    ) -> None:
        self._quiet = quiet
        self._show = show
        self._sentences: list[str] = []  # warnings and failures, for `show`
        self.said: set[str] = set()  # reasons of a stop that were printed, so that the caller does not repeat them
        self._next_show = 0.0
        self._paused = ""  # why no request is sent at present
        self._working = ""  # the work between requests
        self._working_since = 0.0
        self._json = json
        self._stream = stream or sys.stderr
        self._json_stream = json_stream or sys.stdout
        self._is_terminal = show is None and (self._stream.isatty() if terminal is None else terminal)
        self._stages: list[StageState] = []
        self._live: Live | None = None
        self._next_plain = 0.0
        self._failures_shown = 0
        self._encode = msgspec.json.Encoder().encode

    def __enter__(self) -> Progress:
        return self

    def pause(self) -> None:
        """Draw nothing until the next event, so that a question to the user stays readable."""
        if self._live is not None:
            self._live.transient = not self._text()  # leave no empty line where nothing was drawn
            self._live.stop()
            self._live = None

    def _go_live(self) -> None:
        if self._live is not None or not self._is_terminal or self._quiet:
            return
        from rich.live import Live

        self._live = Live(
            console=terminal(self._stream), get_renderable=self._render, refresh_per_second=4, transient=False
        )
        self._live.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._working = ""
        self.pause()

    def note(self, text: str) -> None:
        """Set the note of the running stage, which a terminal shows on its own line."""
        if self._stages:
            self._stages[-1].note = text

    def __call__(self, event: Event) -> None:
        """Process one event."""
        if self._json:
            self._json_stream.write(self._encode(event).decode() + "\n")
            self._json_stream.flush()
            return
        if event.kind == "working":
            self._working, self._working_since = event.detail, event.at
            self._go_live()
            return
        if event.kind == "started":
            self._working = ""
            self._stages.append(
                StageState(
                    name=event.stage, total=event.total, started=event.at, now=event.at, in_flight=event.in_flight
                )
            )
            self._next_plain = event.at + PLAIN_SECONDS
            self._go_live()
        if not self._stages:
            return
        stage = self._stages[-1]
        stage.now = event.at
        if event.kind == "answered":
            stage.answered(event)
        elif event.kind == "refused":
            stage.done += event.draws
            stage.refused += event.draws
        elif event.kind == "retried":
            stage.retried += 1
        elif event.kind == "failed":
            stage.failed += event.draws
            self._failures_shown += 1
            if self._failures_shown <= 3:
                self._say(f"{event.id}: {event.detail.rstrip('.')}. It is asked again on the next run.")
        elif event.kind == "finished":
            stage.finished = True
            self._plain(stage, event.at)
        self._remark(event)
        if event.at >= self._next_plain:
            self._plain(stage, event.at)
        if self._show is not None and not self._quiet and (event.at >= self._next_show or event.kind == "finished"):
            self._next_show = event.at + NOTEBOOK_SECONDS
            self._show(self._text())

    def _remark(self, event: Event) -> None:
        if event.kind == "warning":
            self._say(f"warning: {event.detail}")
        elif event.kind == "stopping":
            # An error is printed once, when the program ends; until then only the calls in flight are reported.
            detail = event.detail if event.reason in EXPECTED_ENDS else ""
            them = "it" if event.in_flight == 1 else "them"
            waiting = f"Waiting for {counted(event.in_flight, 'call')} in flight; Ctrl-C leaves {them}."
            if detail:
                self.said.add(detail)
            if detail or event.in_flight:
                self._say(" ".join(filter(None, (detail, waiting if event.in_flight else ""))))
        elif event.kind == "paused":
            waiting = f"trying again in {event.wait_seconds:.0f} s"
            if event.detail == self._paused:  # said already: only how long it waits is news
                self.note(waiting)
            else:
                self._say(f"{event.detail} ({waiting})")
            self._paused = event.detail
        elif event.kind == "resumed":
            self._paused = ""
            self.note("")
            self._say("the teacher answers again")

    def _plain(self, stage: StageState, now: float) -> None:
        self._next_plain = now + PLAIN_SECONDS
        if not self._is_terminal and not self._quiet and self._show is None:
            self._say("  ".join(filter(None, (stage.line(), stage.note))))

    def _say(self, text: str) -> None:
        if self._show is not None:
            self._sentences.append(text)
            self._show(self._text())
        elif self._live is not None:
            from rich.text import Text

            self._live.console.print(Text(text))  # wrapped between words
        else:
            self._stream.write(text + "\n")
            self._stream.flush()

    def _render(self) -> Text:
        from rich.text import Text

        if self._stages and not self._stages[-1].finished:
            self._stages[-1].now = time.time()
        return Text(self._text(), no_wrap=True, overflow="ellipsis")

    def _text(self) -> str:
        lines = [line for stage in self._stages for line in (stage.line(), stage.note) if line]
        seconds = time.time() - self._working_since
        if self._working and seconds >= 1:
            lines.append(f"{self._working}, {_span(seconds)}")
        return "\n".join([*self._sentences[-MOST_SENTENCES:], *lines])


def show_progress(*, quiet: bool = False, json_lines: bool = False) -> Progress:
    """Return a Progress, to be used with `with` and passed as `events`."""
    return Progress(quiet=quiet, json=json_lines)


def notebook_cell() -> Callable[[str], None] | None:
    """Return a function that replaces the text of the running Jupyter cell; None outside of Jupyter."""
    ipython = sys.modules.get("IPython")  # a notebook has imported it already
    shell = ipython.get_ipython() if ipython is not None else None
    if ipython is None or not hasattr(shell, "kernel"):
        return None
    handle = ipython.display.display({"text/plain": "..."}, raw=True, display_id=True)
    return lambda text: handle.update({"text/plain": text}, raw=True)


def _money(usd: float, done: int, total: int | None) -> str:
    digits = 2 if usd >= 1 or usd == 0 else 4
    if total and 0 < done < total:
        return f"${usd:,.{digits}f} of about ${usd / done * total:,.{digits}f}"
    return f"${usd:,.{digits}f}"


def _short(number: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}{letter}"
    return f"{number:.0f}"


def _span(seconds: float) -> str:
    whole = int(seconds + 0.5)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
