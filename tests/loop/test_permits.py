"""More than the sandbox gives: what is asked, what is kept and for how long, what it opens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from quire.core.admit import Facts
from quire.core.gate import Gate
from quire.core.permits import Permits, Places
from quire.core.ports import (
    Accepted,
    ApprovalRequest,
    Declined,
    Granted,
    Judgement,
    PermissionRequest,
    ToolContext,
)
from quire.core.writable import writable
from quire.protocol.policy import (
    ApprovalPolicy,
    GranularApproval,
    Permissions,
    SandboxPolicy,
    TurnContext,
)
from quire.testing import FakeSandbox, ScriptedApprover, ScriptedModel, call, patch, say, shell
from quire.testing.builders import turn_context
from quire.testing.scripted_approver import Reply
from quire.tools.apply_patch import ApplyPatch
from quire.tools.exec_command import ExecCommand
from quire.tools.real_disk import RealDisk
from quire.tools.registry import Registry
from quire.tools.request_permissions import RequestPermissions
from quire.tools.sessions import Sessions
from tests.loop.support import World

CLOSED = SandboxPolicy(mode="workspace-write", exclude_slash_tmp=True, exclude_tmpdir_env_var=True)
NOTHING = {"permissions": {"network": None, "file_system": None}, "scope": "turn"}
Limit = Callable[[TurnContext], TurnContext]


class PlainShell:
    def launch(
        self, displayed: tuple[str, ...], call_id: str, ctx: ToolContext
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        return displayed, {"PATH": "/usr/bin:/bin"}


def pin(path: str) -> str:
    return str(Path(path).resolve())


def may(path: str, turn: TurnContext) -> bool:
    return writable(path, turn, None, RealDisk())


class Bench:
    """A thread whose model asks for permissions, runs commands and patches, by a script."""

    def __init__(
        self,
        folder: Path,
        *turns: list[Any],
        grants: tuple[Granted, ...] = (),
        replies: tuple[Reply, ...] = (),
        limit: Limit = lambda turn: turn,
    ) -> None:
        self.project, self.other = folder / "project", folder / "other"
        for made in (self.project, self.other):
            made.mkdir(exist_ok=True)
        self.approver = ScriptedApprover(replies, grants=grants)
        self.sandbox = FakeSandbox({"true": ""})
        permits = Permits(self.approver, Places(pin, (str(folder / "home"),)), limit)
        gate = Gate(Facts(lambda action: Judgement(), may), None, self.approver, permits)
        steps = [step for turn in turns for step in (*([item] for item in turn), [say("done")])]
        self.model = ScriptedModel(steps)
        tools = Registry(
            [
                RequestPermissions(permits),
                ExecCommand(Sessions(self.sandbox), PlainShell(), additional=True),
                ApplyPatch(),
            ]
        )
        self.world = World(self.model, tools, gate=gate)

    def run(
        self,
        *policies: ApprovalPolicy,
        sandbox: SandboxPolicy = CLOSED,
        sandboxes: tuple[SandboxPolicy, ...] = (),
    ) -> list[str]:
        """What the model is told by its tools in all turns; one turn for each of `policies`."""

        async def body() -> None:
            for number, policy in enumerate(policies or ("on-request",)):
                held = sandboxes[number] if sandboxes else sandbox
                turn = turn_context(str(self.project), sandbox=held)
                context = replace(turn, approval_policy=policy, parallel_tool_calls=False)
                assert await self.world.run(context=context) == "completed"

        asyncio.run(body())
        items = [json.loads(raw) for raw in self.model.prompts[-1]]
        return [item["output"] for item in items if item["type"].endswith("_call_output")]

    @property
    def policies(self) -> list[SandboxPolicy]:
        """What the commands ran under."""
        return [spec.policy for spec in self.sandbox.spawned]


def asking(*, write: tuple[Path | str, ...] = (), network: bool | None = None) -> Any:
    """A call that asks for these."""
    files = {"write": [str(path) for path in write]} if write else None
    wanted = {"file_system": files, "network": None if network is None else {"enabled": network}}
    return call("request_permissions", {"permissions": wanted, "reason": "please"})


def given(*paths: Path, network: bool = False, **more: bool) -> Granted:
    permissions = Permissions(write=tuple(str(path) for path in paths), network=network)
    return Granted(permissions=permissions, **more)


RUN = shell("true")


# --- what is asked and told ----------------------------------------------------------------


def test_the_person_is_asked_and_the_model_told_what_was_granted(tmp_path: Path) -> None:
    other = tmp_path / "other"
    bench = Bench(tmp_path, [asking(write=("../other",), network=True)], grants=(given(other),))
    (told,) = bench.run()
    assert json.loads(told) == {
        "permissions": {"network": None, "file_system": {"write": [str(other)]}},
        "scope": "turn",
    }
    (request,) = bench.approver.asked
    assert isinstance(request, PermissionRequest)
    assert request.permissions == Permissions(write=(str(other),), network=True)
    assert request.reason == "please"


def test_the_question_names_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "link").symlink_to(tmp_path / "other")
    bench = Bench(tmp_path, [asking(write=("link/new",))])
    bench.run()
    (request,) = bench.approver.asked
    assert isinstance(request, PermissionRequest)
    assert request.permissions.write == (str(tmp_path / "other" / "new"),)


@pytest.mark.parametrize(
    "policy",
    ["never", GranularApproval(sandbox_approval=True, rules=True, mcp_elicitations=True)],
)
def test_where_nobody_may_be_asked_nothing_is_granted(
    tmp_path: Path, policy: ApprovalPolicy
) -> None:
    other = tmp_path / "other"
    bench = Bench(tmp_path, [asking(write=(other,)), RUN], grants=(given(other),))
    assert json.loads(bench.run(policy)[0]) == NOTHING
    assert bench.approver.asked == []
    assert bench.policies == [CLOSED]


def test_a_granular_policy_can_let_it_be_asked(tmp_path: Path) -> None:
    policy = GranularApproval(
        sandbox_approval=False, rules=False, mcp_elicitations=False, request_permissions=True
    )
    other = tmp_path / "other"
    bench = Bench(tmp_path, [asking(write=(other,)), RUN], grants=(given(other),))
    bench.run(policy)
    assert bench.policies[0].writable_roots == (str(other),)


def test_a_refusal_grants_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [asking(write=("../other",)), RUN])
    assert json.loads(bench.run()[0]) == NOTHING
    assert len(bench.approver.asked) == 1
    assert bench.policies == [CLOSED]


def test_never_more_than_was_asked_for(tmp_path: Path) -> None:
    other, beside = tmp_path / "other", tmp_path / "beside"
    link = other / "link"
    other.mkdir()
    link.symlink_to("/etc")
    answer = given(other / "sub", beside, link, tmp_path, Path("relative"), network=True)
    bench = Bench(tmp_path, [asking(write=(other,)), RUN], grants=(answer,))
    bench.run()
    assert bench.policies == [replace(CLOSED, writable_roots=(str(other / "sub"),))]


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/", "would open the whole machine"),
        ("/proc/self", "would open the whole machine"),
        (".git", "is protected (.git)"),
        ("../other/.GIT/hooks", "is protected (.git)"),
        ("../home/rules", "is protected (settings)"),
        ("../secret/key", "is hidden by the permission profile"),
        ("root", "would open the whole machine"),
        ("a\0b", "cannot be shown"),
        ("a\n- read b", "cannot be shown"),
        ("odd", "cannot be shown"),
    ],
)
def test_what_nobody_can_grant_is_not_asked(tmp_path: Path, path: str, fault: str) -> None:
    bench = Bench(tmp_path, [asking(write=(path,))], grants=(given(tmp_path),))
    (bench.project / "root").symlink_to("/")
    (bench.project / "odd").symlink_to(tmp_path / "\u202e")
    hiding = replace(CLOSED, denied_reads=(str(tmp_path / "secret"),))
    assert fault in bench.run(sandbox=hiding)[0]
    assert bench.approver.asked == []


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"permissions": {}}, "request_permissions requires at least one permission"),
        ({"permissions": {"file_system": {"write": []}}}, "at least one permission"),
        ({"permissions": {"network": {"enabled": False}}}, "at least one permission"),
        ({}, "failed to parse function arguments: missing field `permissions`"),
        ({"permissions": {"bogus": 1}}, "unknown field `bogus`, expected `network` or"),
        (
            {"permissions": {"network": {"enabled": True}}, "environment_id": "far"},
            "unknown turn environment id `far`",
        ),
    ],
)
def test_faulty_requests(tmp_path: Path, arguments: Any, fault: str) -> None:
    bench = Bench(tmp_path, [call("request_permissions", arguments)])
    assert fault in bench.run()[0]
    assert bench.approver.asked == []


# --- how long it holds ---------------------------------------------------------------------


def test_a_grant_for_the_turn_ends_with_it(tmp_path: Path) -> None:
    other = tmp_path / "other"
    grants = (given(other, network=True),)
    bench = Bench(tmp_path, [asking(write=(other,), network=True), RUN], [RUN], grants=grants)
    bench.run("on-request", "on-request")
    open_, closed = bench.policies
    assert open_ == replace(CLOSED, writable_roots=(str(other),), network_access=True)
    assert closed == CLOSED


def test_a_grant_for_the_session_holds_while_its_policy_does(tmp_path: Path) -> None:
    other = tmp_path / "other"
    grants = (given(other, for_session=True),)
    turns = ([asking(write=(other,)), RUN], [RUN], [RUN], [RUN])
    bench = Bench(tmp_path, *turns, grants=grants)
    read_only = SandboxPolicy()
    policies: list[ApprovalPolicy] = ["on-request", "never", "on-request", "on-request"]
    told = bench.run(*policies, sandboxes=(CLOSED, CLOSED, read_only, CLOSED))
    assert json.loads(told[0])["scope"] == "session"
    wide = replace(CLOSED, writable_roots=(str(other),))
    assert bench.policies == [wide, wide, read_only, wide]


def test_grants_add_up(tmp_path: Path) -> None:
    other, third = tmp_path / "other", tmp_path / "third"
    grants = (given(other), given(third, for_session=True), given(network=True))
    steps = [asking(write=(other,)), asking(write=(third,)), asking(network=True), RUN]
    bench = Bench(tmp_path, steps, [RUN], grants=grants)
    bench.run("on-request", "on-request")
    first, second = bench.policies
    assert set(first.writable_roots) == {str(other), str(third)}
    assert first.network_access
    assert second == replace(CLOSED, writable_roots=(str(third),))


def test_a_read_only_turn_opens_what_was_granted_alone(tmp_path: Path) -> None:
    other = tmp_path / "other"
    bench = Bench(tmp_path, [asking(write=(other,)), RUN], grants=(given(other),))
    bench.run(sandbox=SandboxPolicy(denied_reads=("/secret",)))
    (spec,) = bench.sandbox.spawned
    expected = replace(CLOSED, writable_roots=(str(other),), denied_reads=("/secret",))
    assert (spec.policy, spec.workspace_roots) == (expected, ())


def test_the_administrator_s_limit_holds(tmp_path: Path) -> None:
    def limit(turn: TurnContext) -> TurnContext:
        return replace(turn, sandbox=replace(turn.sandbox, mode="read-only"))

    other = tmp_path / "other"
    bench = Bench(tmp_path, [asking(write=(other,)), RUN], grants=(given(other),), limit=limit)
    assert json.loads(bench.run(sandbox=SandboxPolicy())[0]) == NOTHING
    assert bench.approver.asked == []
    assert bench.policies == [SandboxPolicy()]


# --- patches -------------------------------------------------------------------------------


def adding(path: Path) -> Any:
    return patch(f"*** Add File: {path}\n+hi\n")


def test_a_patch_may_write_what_was_granted_until_the_turn_ends(tmp_path: Path) -> None:
    other = tmp_path / "other"
    steps = [asking(write=(other,)), adding(other / "a"), adding(other / ".git" / "b")]
    bench = Bench(tmp_path, steps, [adding(other / "c")], grants=(given(other),))
    bench.run("on-request", "on-request")
    assert (other / "a").read_text() == "hi\n"
    assert not (other / ".git").exists()
    assert not (other / "c").exists()
    questions = [asked for asked in bench.approver.asked if isinstance(asked, ApprovalRequest)]
    assert len(questions) == 2


# --- for one command -----------------------------------------------------------------------


def wanting(**permissions: object) -> Any:
    mode = "with_additional_permissions"
    return shell("true", sandbox_permissions=mode, additional_permissions=permissions)


def test_one_command_may_ask_for_itself(tmp_path: Path) -> None:
    steps = [wanting(file_system={"write": ["../other"]}), RUN]
    bench = Bench(tmp_path, steps, replies=(Accepted(),))
    bench.run()
    (request,) = bench.approver.asked
    assert isinstance(request, ApprovalRequest)
    assert bench.policies == [replace(CLOSED, writable_roots=(str(bench.other),)), CLOSED]


def test_what_is_granted_already_needs_no_question(tmp_path: Path) -> None:
    other = tmp_path / "other"
    steps = [asking(write=(other,)), wanting(file_system={"write": [str(other / "sub")]})]
    bench = Bench(tmp_path, steps, grants=(given(other),))
    bench.run()
    assert len(bench.approver.asked) == 1
    assert bench.policies == [replace(CLOSED, writable_roots=(str(other),))]


def test_a_session_answer_covers_the_same_wish_alone(tmp_path: Path) -> None:
    wish, more = {"write": ["../other"]}, {"write": ["../third"]}
    steps = [wanting(file_system=wish), wanting(file_system=wish), wanting(file_system=more)]
    bench = Bench(tmp_path, steps, replies=(Accepted(for_session=True), Declined()))
    told = bench.run()
    assert len(bench.approver.asked) == 2
    assert len(bench.sandbox.spawned) == 2
    assert "rejected by user" in told[2]


def test_without_a_sandbox_there_is_nothing_to_ask_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [wanting(file_system={"write": [".git"]})])
    full = SandboxPolicy(mode="danger-full-access")
    bench.run("never", sandbox=full)
    assert bench.policies == [full]
    assert bench.approver.asked == []


@pytest.mark.parametrize(
    ("policy", "arguments", "fault"),
    [
        ("never", {"network": {"enabled": True}}, "reject command"),
        ("on-request", None, "missing `additional_permissions`; provide at least one"),
        ("on-request", {"network": {}}, "missing `additional_permissions`; provide at least one"),
        ("on-request", {"file_system": {"write": [".git"]}}, "is protected"),
    ],
)
def test_a_command_that_is_refused_without_a_question(
    tmp_path: Path, policy: ApprovalPolicy, arguments: Any, fault: str
) -> None:
    mode = "with_additional_permissions"
    step = shell("true", sandbox_permissions=mode, additional_permissions=arguments)
    bench = Bench(tmp_path, [step])
    assert fault in bench.run(policy)[0]
    assert bench.approver.asked == []


# --- strict review -------------------------------------------------------------------------


def test_a_strict_grant_has_everything_reviewed_until_the_turn_ends(tmp_path: Path) -> None:
    other = tmp_path / "other"
    grants = (given(other, strict_review=True),)
    steps = [asking(write=(other,)), RUN, RUN, adding(other / "a")]
    replies = (Accepted(for_session=True), Declined("too risky"), Accepted())
    bench = Bench(tmp_path, steps, [RUN], grants=grants, replies=replies)
    told = bench.run("on-request", "on-request")
    assert json.loads(told[0])["strict_auto_review"] is True
    assert told[2] == "too risky"
    assert (other / "a").exists()
    assert len(bench.approver.asked) == 4
    assert len(bench.policies) == 2
    assert bench.approver.reviewers == ["auto_review"] * 3


def test_a_strict_grant_for_the_session_is_none(tmp_path: Path) -> None:
    other = tmp_path / "other"
    grants = (given(other, strict_review=True, for_session=True),)
    bench = Bench(tmp_path, [asking(write=(other,)), RUN], grants=grants)
    assert json.loads(bench.run()[0]) == NOTHING
    assert bench.policies == [CLOSED]
