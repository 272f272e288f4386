"""The edges of the core: a Protocol each, an adapter each, a scripted double each.

The core never touches a socket, a file or a process but through these.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from quire.protocol.events import LiveEvent
from quire.protocol.items import Encoded, HistoryItem, OutputBody, ToolCall
from quire.protocol.policy import Permissions, SandboxPolicy, TurnContext
from quire.protocol.records import Record
from quire.protocol.thread import ErrorInfo, ThreadItem, Usage

# --- the model -----------------------------------------------------------------------------


class ModelRequest(Struct, frozen=True, kw_only=True):
    """One request. `items` are the encoded history in prompt order; a later request of the same
    thread extends them and never changes one. `tools` is an encoded JSON array, the same for the
    whole thread. `attempt` counts the streams that broke since the last completed response."""

    thread_id: str
    turn_id: str
    items: Sequence[Encoded]
    tools: bytes
    context: TurnContext
    attempt: int = 0


class TextDelta(Struct, frozen=True):
    item_id: str
    delta: str


class SummaryDelta(Struct, frozen=True):
    item_id: str
    delta: str


class ItemDone(Struct, frozen=True):
    """An output item is complete. It is recorded at once and never asked for again."""

    item: HistoryItem


class Retrying(Struct, frozen=True):
    """The adapter waits and tries again; people see `message`."""

    message: str
    info: ErrorInfo


class StreamBroken(Struct, frozen=True):
    """Last event of a stream that broke after an item was complete: what is complete counts,
    the loop goes on from there. The adapter has already waited."""

    message: str


class Completed(Struct, frozen=True):
    """Last event of a stream that came to its end."""

    response_id: str
    usage: Usage


ModelEvent = TextDelta | SummaryDelta | ItemDone | Retrying | StreamBroken | Completed


class Model(Protocol):
    """Answers requests. One instance serves one thread; requests come one at a time."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Stream one answer. It ends with `Completed` or `StreamBroken`, or raises `ModelError`
        (nothing else). Retries happen inside, and only before the first `ItemDone`: what was
        complete is never asked for twice. The consumer may close the iterator at any time
        (cancellation); the connection is then dropped. Order: deltas of an item come before its
        `ItemDone`; items come in the response's order."""
        ...

    async def aclose(self) -> None:
        """Release connections. Never raises."""
        ...


# --- tools ---------------------------------------------------------------------------------


class CommandAction(Struct, frozen=True):
    """What the gate judges of a command. `script` is the text for the shell, `argv` the vector
    as displayed; `escalated` is true when the model asks to leave the sandbox. `prefix_rule` is
    the beginning of a command that the model suggests to allow from now on. `additional` is what
    the model asks for this one command, inside the sandbox."""

    script: str
    argv: tuple[str, ...]
    cwd: str
    escalated: bool = False
    justification: str | None = None
    prefix_rule: tuple[str, ...] = ()
    additional: Permissions | None = None


class PatchAction(Struct, frozen=True):
    """What the gate judges of a patch: absolute paths of all files it would write or remove."""

    paths: tuple[str, ...]


class NoAction(Struct, frozen=True):
    """A call without side effects outside the thread."""


Action = CommandAction | PatchAction | NoAction


# --- rules and people ----------------------------------------------------------------------

Decision = Literal["allow", "prompt", "forbidden"]


class Judgement(Struct, frozen=True, kw_only=True):
    """What the rules say of one command line. `decision` is the strictest of its parts, None when
    no rule decides: `allow` takes the command out of the sandbox and is there only when a rule
    allows every part. `reason` is the deciding rule's justification. `amendment` are the prefixes
    that would have to be allowed for the line never to be asked about again, one for each part
    that no rule allows yet; empty when no rule can say that (the line cannot be read)."""

    decision: Decision | None = None
    reason: str | None = None
    forced_rm: bool = False
    amendment: tuple[tuple[str, ...], ...] = ()


class CommandRules(Protocol):
    """The rules of a person, a project and a machine about commands."""

    def judge(self, action: CommandAction) -> Judgement:
        """Pure but for the rules that were loaded. Never raises: what cannot be read is judged
        on the safe side."""
        ...

    def remember(self, prefixes: tuple[tuple[str, ...], ...]) -> None:
        """Allow these prefixes from now on, and store it as the person's rules. Raises
        `UsageError` when they cannot be stored."""
        ...


class ApprovalRequest(Struct, frozen=True, kw_only=True):
    """A question to a person: may this call run? `reason` is for them. `amendment` are the
    prefixes that a rule would have to allow for never being asked again."""

    item_id: str
    action: CommandAction | PatchAction
    reason: str | None = None
    amendment: tuple[tuple[str, ...], ...] = ()


class Accepted(Struct, frozen=True):
    """It may run. `for_session`: the same again needs no question in this thread. `remember` are
    prefixes to allow from now on, as a rule."""

    for_session: bool = False
    remember: tuple[tuple[str, ...], ...] = ()


class Declined(Struct, frozen=True):
    """It may not run; the turn goes on. `message` is what the model is told in place of the
    usual words."""

    message: str | None = None


Answer = Accepted | Declined


class InputOption(Struct, frozen=True):
    label: str
    description: str


class InputQuestion(Struct, frozen=True, kw_only=True):
    """A question of the model to the person, with two or three answers to choose from."""

    id: str
    header: str
    question: str
    options: tuple[InputOption, ...] = ()


class InputRequest(Struct, frozen=True):
    item_id: str
    questions: tuple[InputQuestion, ...]


class PermissionRequest(Struct, frozen=True, kw_only=True):
    """The model asks for more than the sandbox gives, for commands and patches yet to come."""

    item_id: str
    permissions: Permissions
    reason: str | None = None


class Granted(Struct, frozen=True, kw_only=True):
    """What was granted, until the turn ends or, `for_session`, as long as the thread is open.
    `strict_review`: whatever runs in this turn from now on is reviewed first. Nothing granted is
    a refusal."""

    permissions: Permissions = Permissions()
    for_session: bool = False
    strict_review: bool = False


class Approver(Protocol):
    """Puts questions to whoever may answer them. All calls wait without limit and are cancelled
    with their turn: the question is then withdrawn. That the person wants the turn to end is no
    answer: the turn is interrupted, and the call with it."""

    async def decide(self, request: ApprovalRequest, ctx: ToolContext) -> Answer:
        """Raises `AgentError` when the turn must not go on (too many denials)."""
        ...

    async def ask(self, request: InputRequest, ctx: ToolContext) -> dict[str, tuple[str, ...]]:
        """The chosen or written answers by question id; empty when the person gave none."""
        ...

    async def permit(self, request: PermissionRequest, ctx: ToolContext) -> Granted:
        """What of it is granted. Who asked must not rely on its being less than the request."""
        ...


class Permitter(Protocol):
    """Grants more than the sandbox gives, and knows what is granted."""

    async def permit(self, request: PermissionRequest, ctx: ToolContext) -> Granted:
        """Ask for it, unless the policy forbids the question; what is granted is part of the
        request and holds from now on. Raises `ToolError` for what nobody can grant."""
        ...

    def pinned(self, wanted: Permissions, ctx: ToolContext) -> Permissions:
        """The same with every symlink resolved, as it stays from now on. Raises `ToolError` for
        what nobody can grant."""
        ...

    def covers(self, wanted: Permissions, ctx: ToolContext) -> bool:
        """True when the pinned `wanted` is granted already."""
        ...

    def widened(self, ctx: ToolContext, also: Permissions | None = None) -> ToolContext:
        """The context under what is granted now, and `also`."""
        ...

    def reviewed(self, ctx: ToolContext) -> ToolContext | None:
        """The context in which what runs in this turn must be reviewed first; None when it need
        not be."""
        ...


# --- running calls -------------------------------------------------------------------------


class ToolResult(Struct, frozen=True):
    """`content` goes to the model, already within its budget."""

    content: OutputBody
    ok: bool = True


class ToolContext(Protocol):
    """What a running tool may use of its turn. Items for people go through here."""

    @property
    def turn(self) -> TurnContext: ...
    @property
    def thread_id(self) -> str: ...
    @property
    def turn_id(self) -> str: ...

    def now_ms(self) -> int:
        """Wall clock, milliseconds since the epoch."""
        ...

    def publish(self, event: LiveEvent) -> None:
        """Show something now; not stored."""
        ...

    def begin(self, item: ThreadItem) -> None:
        """Publish `ItemStarted`, unless the item was begun already. Not stored."""
        ...

    def finish(self, item: ThreadItem) -> None:
        """Record `ItemCompleted` for an item that was begun (or not) with the same id."""
        ...


class Invocation(Protocol):
    """One validated call, described and not yet run."""

    @property
    def action(self) -> Action: ...

    async def run(self, ctx: ToolContext) -> ToolResult:
        """Do it. Raises `ToolError` with words for the model. May be cancelled at any await: it
        must then stop what it started (or leave it to the tool set) and let the cancellation
        through."""
        ...

    def proposed(self, ctx: ToolContext) -> None:
        """A person is about to be asked: begin the item that they decide about."""
        ...

    def declined(self, ctx: ToolContext, reason: str) -> None:
        """The gate refused: publish what people should see of it. Called instead of `run`."""
        ...


class ToolSet(Protocol):
    """The tools of one thread."""

    @property
    def specs(self) -> bytes:
        """The encoded JSON array offered to the model; the same bytes for the whole thread."""
        ...

    def prepare(self, call: ToolCall, ctx: TurnContext) -> Invocation:
        """Parse and validate, with no effect. Raises `ToolError` with words for the model."""
        ...

    async def aclose(self) -> None:
        """End of the thread: kill what still runs. Never raises."""
        ...


# --- the sandbox ---------------------------------------------------------------------------


class SpawnSpec(Struct, frozen=True, kw_only=True):
    """One process to start. `argv[0]` is looked up in `env["PATH"]`. `tty` gives it a terminal of
    `size` (columns, rows); otherwise stdout and stderr are one pipe, or two with `split`, and stdin
    is empty, or with `stdin` a pipe.

    `cwd` is where it starts: the model may choose it, so it gives no right to write there. What
    `workspace-write` makes writable is `workspace_roots` (those of the turn) and the policy's
    own `writable_roots`."""

    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    policy: SandboxPolicy
    workspace_roots: tuple[str, ...] = ()
    tty: bool = False
    size: tuple[int, int] = (80, 24)
    stdin: bool = False
    split: bool = False


class Process(Protocol):
    """A running process and everything it starts."""

    @property
    def pid(self) -> int: ...

    async def read(self) -> bytes:
        """The next output, stdout and stderr as they come (with `split` only stdout); empty at
        the end, or when it ended and no more is there now. One reader. Cancelling it loses
        nothing."""
        ...

    async def read_error(self) -> bytes:
        """The next of stderr, as `read`; empty without `split`."""
        ...

    async def wait(self) -> int:
        """The exit code once it ended; 128 + n after signal n. May be called often, by many."""
        ...

    async def write(self, data: bytes) -> None:
        """To its terminal, or its stdin. Waits while it does not read. Raises `ToolError` when it
        has none, or it ended."""
        ...

    def close_input(self) -> None:
        """The end of its stdin, where that is a pipe. Idempotent."""
        ...

    def resize(self, size: tuple[int, int]) -> None:
        """Give its terminal another size (columns, rows); nothing when it has none."""
        ...

    def kill(self) -> None:
        """SIGKILL to the whole tree, also what left the process group. Idempotent, never raises."""
        ...

    def close(self) -> None:
        """Kill if need be and release descriptors. Idempotent."""
        ...


class Sandbox(Protocol):
    """Starts processes under a policy. Never starts one unsandboxed unless the policy says so."""

    @property
    def layer(self) -> str:
        """The layer in force: `bubblewrap`, `namespaces`, `landlock`, `none`."""
        ...

    def prewarm(self, policy: SandboxPolicy, cwd: str) -> None:
        """Make the next `spawn` under this policy faster, for a turn whose only workspace root is
        `cwd`. A hint: it may do nothing, it never raises, and it leaves nothing behind after
        `aclose`."""
        ...

    async def spawn(self, spec: SpawnSpec) -> Process:
        """Start it. Raises `ToolError` when the command cannot be started (no such folder), and
        `AgentError` when no sandbox can be made here: it names the failing system call and one
        remedy."""
        ...

    async def aclose(self) -> None:
        """Discard what was made ready; remove what was left in workspaces. Never raises."""
        ...


# --- log, people, time ---------------------------------------------------------------------


class Rollout(Protocol):
    """The thread's log. One writer."""

    def append(self, record: Record) -> None:
        """Store it before returning (handed to the kernel). Raises `RolloutError`."""
        ...

    def close(self) -> None:
        """Flush to the disk, give up the lock. Idempotent."""
        ...


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        ...


class IdSource(Protocol):
    def new(self) -> str:
        """A fresh UUIDv7 in its canonical text form."""
        ...
