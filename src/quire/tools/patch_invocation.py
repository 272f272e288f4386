"""One `apply_patch` call: checked, judged, done (Codex 0.169, rows T8, T9, A4)."""

from __future__ import annotations

import os

from quire.core.errors import ToolError
from quire.core.ports import PatchAction, ToolContext, ToolResult
from quire.protocol.events import FilesPatched
from quire.protocol.thread import ChangeKind, FileChange, FileChangeItem, ItemStatus
from quire.tools.patch_apply import ApplyError, Change, apply, listing, summary, verify
from quire.tools.patch_parser import Patch, PatchError, parse_patch
from quire.tools.patch_texts import texts_of

DECLINED = "patch rejected by user"
_FAILED = "apply_patch verification failed: "
_NO_ENVIRONMENTS = "apply_patch environment selection is unavailable for this turn"
_EMPTY = "patch rejected: empty patch"


def prepare_patch(call_id: str, text: str, cwd: str, heading: str = "") -> PatchInvocation:
    """Parse a patch and check it against the files below `cwd`; changes nothing. `heading` goes
    before the report of success. Raises `ToolError`."""
    try:
        patch = parse_patch(text)
    except PatchError as error:
        raise ToolError(_FAILED + error.for_model()) from None
    if patch.environment_id is not None:
        raise ToolError(_NO_ENVIRONMENTS)
    if not patch.hunks:
        raise ToolError(_EMPTY)
    return PatchInvocation(call_id, patch, cwd, heading)


class PatchInvocation:
    """A patch that fits the files. What is judged is what is written: both are the resolved
    places that were fixed here."""

    def __init__(self, call_id: str, patch: Patch, cwd: str, heading: str) -> None:
        self._call_id = call_id
        self._patch = patch
        self._cwd = cwd
        self._heading = heading
        self._changes = self._verified()

    def _verified(self) -> list[Change]:
        try:
            return verify(self._patch, self._cwd)
        except PatchError as error:
            raise ToolError(_FAILED + error.for_model()) from None
        except ApplyError as error:
            raise ToolError(_FAILED + str(error)) from None

    @property
    def action(self) -> PatchAction:
        return PatchAction(tuple(path for change in self._changes for path in change.places))

    def proposed(self, ctx: ToolContext) -> None:
        ctx.begin(self._item(_shown(self._changes), "inProgress"))

    def declined(self, ctx: ToolContext, reason: str) -> None:
        """Codex shows the item when a person declined, and nothing when a policy refused."""
        if reason == DECLINED:
            ctx.finish(self._item(_shown(self._changes), "declined"))

    async def run(self, ctx: ToolContext) -> ToolResult:
        """Never awaits: between the check and the last rename no other call of this process comes
        in, and a cancellation finds all or nothing done."""
        self._check_again()
        started = ctx.now_ms()
        shown = _shown(self._changes)
        ctx.begin(self._item(shown, "inProgress"))
        report, error = summary(self._changes), ""
        texts = tuple(text for change in self._changes for text in texts_of(change))
        try:
            apply(self._changes)
            ctx.publish(FilesPatched(ctx.turn_id, texts))
        except ApplyError as exc:
            report, error = "", f"{exc}\n"
            if exc.done:
                error += "Changed before that:\n" + listing(exc.done)
        status: ItemStatus = "failed" if error else "completed"
        ctx.finish(self._item(shown, status, report, error))
        seconds = round(max(0, ctx.now_ms() - started) / 1000, 1)
        text = f"Wall time: {seconds:g} seconds\nOutput:\n{report or error}"
        if error:
            return ToolResult(f"Exit code: 1\n{text}", ok=False)
        return ToolResult(f"{self._heading}Exit code: 0\n{text}")

    def _check_again(self) -> None:
        """A person may have taken a while to allow it. Raises `ToolError` when the patch does not
        fit any more, or would now write other places than those that were judged."""
        if not any(_is_stale(change) for change in self._changes):
            return
        judged = self.action
        self._changes = self._verified()
        if self.action != judged:
            raise ToolError(_FAILED + "the files changed while the patch was being checked")

    def _item(
        self, shown: tuple[FileChange, ...], status: ItemStatus, stdout: str = "", stderr: str = ""
    ) -> FileChangeItem:
        return FileChangeItem(self._call_id, shown, status, stdout, stderr)


def _is_stale(change: Change) -> bool:
    """True when the file that was read is not what it was."""
    if change.status is None:
        return False
    try:
        now = os.stat(change.path)
    except OSError:
        return True
    then = change.status
    return not os.path.samestat(now, then) or (now.st_size, now.st_mtime_ns, now.st_ctime_ns) != (
        *(then.st_size, then.st_mtime_ns, then.st_ctime_ns),
    )


def _shown(changes: list[Change]) -> tuple[FileChange, ...]:
    """The changes for people, by path."""
    kinds: dict[str, ChangeKind] = {"A": "add", "M": "update", "D": "delete"}
    items = [
        FileChange(change.path, kinds[change.mark], change.diff(), change.move_path)
        for change in changes
    ]
    return tuple(sorted(items, key=_path_of))


def _path_of(change: FileChange) -> str:
    return change.path
