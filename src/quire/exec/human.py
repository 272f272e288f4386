"""What a person sees of `quire exec`: live activity on stderr, the final message on stdout."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from quire.exec.style import Style, diff_lines, diff_stat
from quire.protocol.events import (
    AutoReviewed,
    Event,
    ItemStarted,
    ItemUpdated,
    StreamError,
    Warned,
)
from quire.protocol.local import ThreadInfo
from quire.protocol.quoting import command_line
from quire.protocol.records import ItemCompleted, ResponseCompleted, TurnCompleted
from quire.protocol.thread import (
    AgentMessageItem,
    CommandExecutionItem,
    EnteredReviewItem,
    FileChange,
    FileChangeItem,
    ImageViewItem,
    ReasoningItem,
    ThreadItem,
    TodoListItem,
    Usage,
)

MAX_OUTPUT_LINES = 5
MAX_DIFF_LINES = 60
_MARKS = {"pending": "☐", "in_progress": "◐", "completed": "☑"}


class Human:
    """Draws events as they come. The last agent message is held back: it is the result, and goes
    to stdout when the turn ends."""

    wants_deltas = False

    def __init__(self, err: TextIO, out: TextIO, style: Style) -> None:
        self._err = err
        self._out = out
        self._style = style
        self._held: str | None = None
        self._usage = Usage()
        self._status_shown = False
        self._blank = True
        # A terminal's lines are filled, other files get lines that are merely not endless.
        self._width = _terminal_width(err) if style.live else 160

    def opened(self, info: ThreadInfo, warnings: tuple[str, ...]) -> None:
        from quire import __version__

        style = self._style
        model = _printable(info.model)
        model += f" {info.reasoning_effort}" if info.reasoning_effort else ""
        facts = (model, info.sandbox.mode, _short_path(info.cwd))
        self._line(f"{style.bold('quire')} {__version__} · {' · '.join(facts)}")
        self._line(style.dim(f"thread {info.id}"))
        for warning in warnings:
            self._line(style.yellow(_printable(f"warning: {warning}")))
        self._gap()

    def event(self, event: Event) -> None:
        self._clear_status()
        match event:
            case ItemStarted(_, item) | ItemUpdated(_, item):
                self._began(item)
            case ItemCompleted(_, item):
                self._completed(item)
            case StreamError(_, message, _):
                self._line(self._style.yellow(_printable(message)))
            case Warned(message):
                self._line(self._style.yellow(_printable(f"warning: {message}")))
            case AutoReviewed(status=status) if status != "inProgress":
                self._line(self._style.yellow(_printable(event.sentence)))
            case ResponseCompleted():
                self._usage = event.thread_usage
            case TurnCompleted():
                self._ended(event)
            case _:
                pass

    def closed(self, final_message: str | None) -> None:
        """The end: the result on stdout, what it cost on stderr."""
        if self._usage.total_tokens or final_message is not None:
            self._gap()
        if self._usage.total_tokens:
            self._line(self._style.dim(f"tokens used\n{self._usage.total_tokens:,}"))
        self._err.flush()
        if final_message is not None:
            text = final_message.rstrip("\n")
            if self._out.isatty():
                text = "\n".join(map(_printable, text.split("\n")))
            self._out.write(text + "\n")
            self._out.flush()

    def _began(self, item: ThreadItem) -> None:
        self._release_message()
        if isinstance(item, CommandExecutionItem):
            self._status(f"$ {_one_line(_script(item))}")
        elif isinstance(item, TodoListItem):
            for step in item.steps:
                self._line(f"{_MARKS[step.status]} {_printable(step.step)}")

    def _completed(self, item: ThreadItem) -> None:
        style = self._style
        if isinstance(item, AgentMessageItem):
            self._release_message()
            self._held = item.text
            return
        if isinstance(item, CommandExecutionItem):
            self._release_message()
            self._command(item)
        elif isinstance(item, FileChangeItem):
            self._release_message()
            for change in item.changes:
                self._change(change, item.status)
        elif isinstance(item, ReasoningItem):
            for part in item.summary:
                self._line(style.dim(_one_line(part.replace("**", ""))))
        elif isinstance(item, ImageViewItem):
            self._line(f"{style.cyan('looked at')} {_short_path(item.path)}")
        elif isinstance(item, EnteredReviewItem):
            self._line(f"{style.cyan('reviewing')} {_one_line(item.review)}")

    def _release_message(self) -> None:
        if self._held is not None:
            self._gap()
            mark = self._style.bold("•")
            for row in wrapped(self._held.strip("\n"), self._width - 2):
                self._line(f"{mark} {row}" if row else "")
                mark = " "
            self._held = None

    def _command(self, item: CommandExecutionItem) -> None:
        style = self._style
        seconds = (item.duration_ms or 0) / 1000
        took = f" {seconds:.1f}s" if seconds >= 1 else ""
        mark = style.green("✓") if item.exit_code == 0 else style.red(f"✗ {item.exit_code}")
        script = _one_line(_script(item), self._width - 12)
        self._line(f"{style.magenta('$')} {script} {mark}{style.dim(took)}")
        lines = item.aggregated_output.rstrip("\n").split("\n")
        # A note about one line would take as much room as the line.
        shown = lines if len(lines) <= MAX_OUTPUT_LINES + 1 else lines[-MAX_OUTPUT_LINES:]
        if len(lines) > len(shown):
            self._line(style.dim(f"  … {len(lines) - len(shown)} lines above"))
        for line in shown:
            if line:
                self._line(style.dim(f"  {_one_line(line, self._width - 2)}"))

    def _change(self, change: FileChange, status: str) -> None:
        style = self._style
        added, removed = diff_stat(change)
        verb = {"add": "added", "delete": "deleted", "update": "edited"}[change.kind]
        if status != "completed":
            self._line(style.red(f"✗ not {verb}: {_short_path(change.path)}"))
            return
        target = f" → {_short_path(change.move_path)}" if change.move_path else ""
        stat = f"({style.green(f'+{added}')} {style.red(f'-{removed}')})"
        self._line(f"{style.cyan(verb)} {_short_path(change.path)}{target} {stat}")
        lines = diff_lines(change)
        for line in lines[:MAX_DIFF_LINES]:
            colour = style.green if line[:1] == "+" else style.red if line[:1] == "-" else style.dim
            self._line(colour(f"  {line}"))
        if len(lines) > MAX_DIFF_LINES:
            self._line(style.dim(f"  … {len(lines) - MAX_DIFF_LINES} more lines"))

    def _ended(self, event: TurnCompleted) -> None:
        if event.status == "completed":
            self._held = None
            return
        self._release_message()
        if event.status == "interrupted":
            self._line(self._style.yellow("interrupted"))
        elif event.error is not None:
            self._line(self._style.red(_printable(f"error: {event.error.message}")))

    def _status(self, text: str) -> None:
        """A line that the next event replaces; only where lines can be replaced."""
        if self._style.live:
            self._err.write(self._style.dim(f"{text[: self._width - 4]} …"))
            self._err.flush()
            self._status_shown = True

    def _clear_status(self) -> None:
        if self._status_shown:
            self._err.write("\r\x1b[K")
            self._status_shown = False

    def _gap(self) -> None:
        """One blank line, however often it is asked for."""
        if not self._blank:
            self._line("")

    def _line(self, text: str) -> None:
        self._blank = not text
        self._err.write(text + "\n")
        if self._style.live:
            self._err.flush()


def _script(item: CommandExecutionItem) -> str:
    """What a person wants to read of a command: the script, without the shell around it."""
    if len(item.command) == 3 and item.command[1] in ("-c", "-lc"):
        return item.command[2]
    return command_line(item.command)


def _one_line(text: str, width: int = 160) -> str:
    """Printable, one line, not too long."""
    clean = _printable(" ".join(text.split("\n")))
    return clean if len(clean) <= width else clean[: width - 1] + "…"


def wrapped(text: str, width: int) -> list[str]:
    """The rows of a text, broken between words where a line is longer than `width`."""
    rows: list[str] = []
    for line in map(_printable, text.split("\n")):
        while len(line) > width:
            cut = line.rfind(" ", 1, width + 1)
            cut = cut if cut > 0 else width
            rows.append(line[:cut])
            line = line[cut:].lstrip(" ")
        rows.append(line)
    return rows


def _printable(text: str) -> str:
    """Without control characters: those of foreign text never reach the terminal."""
    if text.isprintable():
        return text
    if "\x1b" in text:
        import re

        text = re.sub(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)", "", text)
    return "".join(c if c.isprintable() else "    " if c == "\t" else "" for c in text)


def _short_path(path: str) -> str:
    try:
        relative = os.path.relpath(path)
    except OSError:  # A command removed the folder we stand in.
        return _printable(_home_path(path))
    inside = not relative.startswith("..") and relative != "."
    return _printable(relative if inside else _home_path(path))


def _home_path(path: str) -> str:
    home = os.environ.get("HOME", "")
    if len(home) > 1 and path.startswith(home + "/"):
        return "~" + path[len(home) :]
    return path


def _terminal_width(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return 80


def human_display(color: str) -> Human:
    """The display for this process's stderr and stdout. `color` is auto, always or never."""
    err = sys.stderr
    tty = err.isatty()
    dumb = os.environ.get("TERM", "") == "dumb"
    coloured = color == "always" or (
        color == "auto" and tty and not dumb and "NO_COLOR" not in os.environ
    )
    return Human(err, sys.stdout, Style(coloured, tty and not dumb))
