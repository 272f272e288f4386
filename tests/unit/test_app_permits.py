"""What can be granted on this machine: real paths, held in place; the administrator's limits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from quire.app.permits import offered, permits_for
from quire.config.requirements import Requirements
from quire.core.errors import ToolError
from quire.core.ports import Granted, PermissionRequest, ToolContext
from quire.protocol.policy import Permissions, SandboxPolicy
from quire.sandbox.linux import LinuxSandbox
from quire.testing import ScriptedApprover, turn_context
from tests.unit.test_exec_command import Context

READ_ONLY = Requirements(allowed_sandbox_modes=("read-only",))
USER_ONLY = Requirements(allowed_approvals_reviewers=("user",))


class Generous(ScriptedApprover):
    """Grants whatever is asked."""

    strict = False

    async def permit(self, request: PermissionRequest, ctx: ToolContext) -> Granted:
        self.asked.append(request)
        return Granted(permissions=request.permissions, strict_review=self.strict)


class Bench:
    def __init__(self, folder: Path, required: Requirements | None = None) -> None:
        self.approver = Generous()
        home = folder / "home"
        home.mkdir()
        self.sandbox = LinuxSandbox(str(home))
        self.permits = permits_for(str(home), self.approver, self.sandbox.root, required)
        turn = turn_context(str(folder), sandbox=SandboxPolicy())
        self.ctx = Context(replace(turn, approval_policy="on-request"))

    def ask(self, *write: str) -> Granted:
        request = PermissionRequest(item_id="call-1", permissions=Permissions(write=write))
        return asyncio.run(self.permits.permit(request, self.ctx))


def test_only_with_a_feature_can_anything_be_asked() -> None:
    assert not offered({"view_image": True, "request_permissions_tool": False})
    assert offered({"request_permissions_tool": True})
    assert offered({"exec_permission_approvals": True})


def test_a_link_is_granted_where_it_leads(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/opt")
    assert Bench(tmp_path).ask(str(link)).permissions.write == ("/opt",)


def test_a_root_that_was_replaced_cannot_be_opened(tmp_path: Path) -> None:
    bench, link = Bench(tmp_path), tmp_path / "link"
    link.symlink_to("/opt")
    assert bench.sandbox.root(str(link)) == "/opt"
    link.unlink()
    link.mkdir()
    with pytest.raises(ToolError, match="was /opt and now leads to"):
        bench.ask(str(link))


@pytest.mark.parametrize("path", ["home", "home/rules", "home/../home/x"])
def test_quire_s_own_folder_cannot_be_opened(tmp_path: Path, path: str) -> None:
    with pytest.raises(ToolError, match="is protected"):
        Bench(tmp_path).ask(str(tmp_path / path))


def test_a_relative_path_is_nobody_s(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="not absolute"):
        Bench(tmp_path).ask("relative")


def test_a_mode_that_is_not_allowed_cannot_be_reached(tmp_path: Path) -> None:
    bench = Bench(tmp_path, READ_ONLY)
    assert bench.ask(str(tmp_path / "x")) == Granted()
    assert bench.approver.asked == []
    one = Permissions(write=(str(tmp_path / "x"),), network=True)
    assert bench.permits.widened(bench.ctx, one).turn.sandbox == SandboxPolicy()


def test_a_reviewer_that_is_not_allowed_is_not_asked(tmp_path: Path) -> None:
    bench = Bench(tmp_path, USER_ONLY)
    bench.approver.strict = True
    bench.ask(str(tmp_path / "x"))
    reviewed = bench.permits.reviewed(bench.ctx)
    assert reviewed is not None
    assert reviewed.turn.approvals_reviewer == "user"
