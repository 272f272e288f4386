"""What the model was granted beyond its sandbox, and for how long (Codex 0.169, row A13).

A grant opens folders and the network inside the sandbox; it never takes a command out of it. What
is protected stays protected, what is hidden stays hidden.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from quire.core.admit import may_ask
from quire.core.errors import ToolError
from quire.core.ports import Approver, Granted, PermissionRequest, ToolContext
from quire.core.unsandboxed import UnderTurn
from quire.core.writable import is_machine, within
from quire.protocol.policy import PROTECTED_NAMES, Permissions, SandboxPolicy, TurnContext

_NOTHING = Permissions()


class Places(Struct, frozen=True):
    """What must be known of the disk. `pin` gives the real path of what exists or not, as it stays
    while commands run, and raises `ToolError` for a relative one and for one that a command has
    replaced; `held` are real folders that nobody can open: Quire's own."""

    pin: Callable[[str], str]
    held: tuple[str, ...] = ()


class Permits:
    """Implements `core.ports.Permitter` for one thread. `limit` gives the settings of a turn as
    far as the machine's administrator allows them. Without an `approver` nothing is granted."""

    def __init__(
        self,
        approver: Approver | None,
        places: Places,
        limit: Callable[[TurnContext], TurnContext] = lambda turn: turn,
    ) -> None:
        self._approver = approver
        self._places = places
        self._limit = limit
        self._turn_id: str | None = None
        self._of_turn = _NOTHING
        self._strict = False
        self._of_thread: dict[SandboxPolicy, Permissions] = {}

    async def permit(self, request: PermissionRequest, ctx: ToolContext) -> Granted:
        turn = ctx.turn
        if self._approver is None or not may_ask(turn.approval_policy, "permissions"):
            return Granted()
        wanted = self.pinned(request.permissions, ctx)
        if widened(turn, wanted) != self._widened(turn, wanted):
            return Granted()
        answer = await self._approver.permit(replace(request, permissions=wanted), ctx)
        granted = replace(answer, permissions=self._within(answer.permissions, wanted, ctx))
        if granted.permissions == _NOTHING or (granted.strict_review and granted.for_session):
            return Granted()
        self._keep(granted, ctx)
        return granted

    def pinned(self, wanted: Permissions, ctx: ToolContext) -> Permissions:
        read = tuple(dict.fromkeys(map(self._places.pin, wanted.read)))
        write = tuple(dict.fromkeys(map(self._places.pin, wanted.write)))
        policy = ctx.turn.sandbox
        if policy.mode == "danger-full-access":
            return Permissions(read=read, write=write, network=wanted.network)
        for path in (*read, *write):
            if not path.isprintable():  # Where a link leads may look like another question.
                raise ToolError(f"{path!r} cannot be shown to the person who decides")
            if policy.hides(path, self._places.pin):
                raise ToolError(f"{path} is hidden by the permission profile and stays hidden")
        for path in write:
            self._check(path)
        return Permissions(read=read, write=write, network=wanted.network)

    def covers(self, wanted: Permissions, ctx: ToolContext) -> bool:
        if ctx.turn.sandbox.mode == "danger-full-access":
            return True
        held = self._held(ctx)
        return (
            (held.network or not wanted.network)
            and all(_is_below(path, held.write) for path in wanted.write)
            and all(_is_below(path, (*held.read, *held.write)) for path in wanted.read)
        )

    def widened(self, ctx: ToolContext, also: Permissions | None = None) -> ToolContext:
        more = self._held(ctx)
        if also is not None:
            more = _union(more, also)
        turn = self._widened(ctx.turn, more)
        return ctx if turn == ctx.turn else UnderTurn(ctx, turn)

    def reviewed(self, ctx: ToolContext) -> ToolContext | None:
        if not self._strict or ctx.turn_id != self._turn_id:
            return None
        return UnderTurn(ctx, self._limit(replace(ctx.turn, approvals_reviewer="auto_review")))

    def _keep(self, granted: Granted, ctx: ToolContext) -> None:
        if granted.for_session:
            policy = ctx.turn.sandbox
            known = self._of_thread.get(policy, _NOTHING)
            self._of_thread[policy] = _union(known, granted.permissions)
            return
        if self._turn_id != ctx.turn_id:
            self._turn_id, self._of_turn, self._strict = ctx.turn_id, _NOTHING, False
        self._of_turn = _union(self._of_turn, granted.permissions)
        self._strict = self._strict or granted.strict_review

    def _held(self, ctx: ToolContext) -> Permissions:
        """What is granted in this turn. A grant for the thread counts only under the policy that
        it was given under: who narrows the sandbox later means it."""
        held = self._of_thread.get(ctx.turn.sandbox, _NOTHING)
        return _union(held, self._of_turn) if ctx.turn_id == self._turn_id else held

    def _widened(self, turn: TurnContext, more: Permissions) -> TurnContext:
        """As `widened`, as far as it is allowed; the turn as it is when that is not allowed."""
        wide = widened(turn, more)
        return wide if self._limit(wide).sandbox == wide.sandbox else turn

    def _within(self, given: Permissions, wanted: Permissions, ctx: ToolContext) -> Permissions:
        """The part of what was given that was asked for."""
        readable = (*wanted.read, *wanted.write)
        read = (self._usable(Permissions(read=(path,)), ctx).read for path in given.read)
        write = (self._usable(Permissions(write=(path,)), ctx).write for path in given.write)
        return Permissions(
            read=tuple(path for (path,) in filter(None, read) if _is_below(path, readable)),
            write=tuple(path for (path,) in filter(None, write) if _is_below(path, wanted.write)),
            network=given.network and wanted.network,
        )

    def _usable(self, given: Permissions, ctx: ToolContext) -> Permissions:
        try:
            return self.pinned(given, ctx)
        except ToolError:
            return _NOTHING

    def _check(self, path: str) -> None:
        """Raise `ToolError` for a place that cannot be made writable."""
        if is_machine(path):
            raise ToolError(f"{path} would open the whole machine; ask for the folder you need")
        names = {name.casefold() for name in path.split("/")}
        protected = next((name for name in PROTECTED_NAMES if name in names), None)
        if protected is not None or any(within(path, place) for place in self._places.held):
            raise ToolError(f"{path} is protected ({protected or 'settings'}) and stays read-only")


def widened(turn: TurnContext, more: Permissions) -> TurnContext:
    """The turn with `more` open to commands and patches. A read-only turn opens that alone."""
    policy = turn.sandbox
    if policy.mode == "danger-full-access" or not (more.write or more.network):
        return turn
    if policy.mode == "workspace-write":
        opened = replace(
            policy,
            writable_roots=tuple(dict.fromkeys((*policy.writable_roots, *more.write))),
            network_access=policy.network_access or more.network,
        )
        return replace(turn, sandbox=opened)
    opened = SandboxPolicy(
        mode="workspace-write",
        writable_roots=more.write,
        network_access=more.network,
        exclude_tmpdir_env_var=True,
        exclude_slash_tmp=True,
        denied_reads=policy.denied_reads,
    )
    return replace(turn, sandbox=opened, workspace_roots=())


def _is_below(path: str, places: tuple[str, ...]) -> bool:
    return any(within(path, place) for place in places)


def _union(one: Permissions, other: Permissions) -> Permissions:
    return Permissions(
        read=tuple(dict.fromkeys((*one.read, *other.read))),
        write=tuple(dict.fromkeys((*one.write, *other.write))),
        network=one.network or other.network,
    )
