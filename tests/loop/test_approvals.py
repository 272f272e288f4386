"""Questions to a person, by a scripted one: what runs, what the model is told, what stays legal."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from quire.core.admit import Facts
from quire.core.errors import UsageError
from quire.core.gate import Gate
from quire.core.ports import (
    Accepted,
    Action,
    ApprovalRequest,
    CommandAction,
    Declined,
    Judgement,
    PatchAction,
)
from quire.protocol.ops import Interrupt
from quire.protocol.policy import GranularApproval, SandboxPolicy, TurnContext
from quire.testing import ScriptedApprover, ScriptedModel, ScriptedTools, call, say, turn_context
from quire.testing.scripted_approver import Reply
from tests.loop.support import World, assert_legal

ASKING = replace(turn_context(), approval_policy="on-request")
REJECTED = 'exec_command failed: CreateProcess { message: "Rejected(\\"rejected by user\\")" }'


class Rules:
    """Rules by the first word of a script; remembers what it is told to."""

    def __init__(self, verdicts: dict[str, Judgement] | None = None, full: bool = False) -> None:
        self.remembered: list[tuple[str, ...]] = []
        self._verdicts = verdicts or {}
        self._full = full

    def judge(self, action: CommandAction) -> Judgement:
        return self._verdicts.get(action.script.split()[0], Judgement())

    def remember(self, prefixes: tuple[tuple[str, ...], ...]) -> None:
        if self._full:
            raise UsageError("rules: cannot be written")
        self.remembered += prefixes


def command(script: str, *, escalated: bool = False) -> CommandAction:
    return CommandAction(script, ("/bin/bash", "-lc", script), "/project", escalated, "please")


def world_of(
    actions: dict[str, Action],
    approver: ScriptedApprover,
    rules: Rules | None = None,
    calls: int = 1,
) -> tuple[World, ScriptedModel, ScriptedTools]:
    """A world whose model calls each tool of `actions`, `calls` times over, then says so."""
    rules = rules or Rules()
    facts = Facts(judge=rules.judge, writable=lambda path, turn: path.startswith("/project"))
    scripts = [[call(name, {}) for name in actions] for _ in range(calls)]
    model = ScriptedModel([*scripts, [say("done")]])
    tools = ScriptedTools(dict.fromkeys(actions, "ran"), actions)
    return World(model, tools, gate=Gate(facts, rules, approver)), model, tools


def told(model: ScriptedModel) -> list[str]:
    items = [msgspec.json.decode(raw) for raw in model.prompts[-1]]
    return [item["output"] for item in items if item["type"] == "function_call_output"]


def run(
    actions: dict[str, Action],
    approver: ScriptedApprover,
    rules: Rules | None = None,
    context: TurnContext = ASKING,
    calls: int = 1,
) -> tuple[list[str], ScriptedTools]:
    async def body() -> tuple[list[str], ScriptedTools]:
        world, model, tools = world_of(actions, approver, rules, calls)
        assert await world.run(context=context) == "completed"
        model.assert_prompt_only_grows()
        assert_legal(world.thread.state.prompt)
        return told(model), tools

    return asyncio.run(body())


# --- what is asked -------------------------------------------------------------------------


def test_a_sandboxed_command_needs_no_question() -> None:
    approver = ScriptedApprover()
    assert run({"t": command("git push")}, approver)[0] == ["ran"]
    assert approver.asked == []


@pytest.mark.parametrize(
    ("action", "rules"),
    [
        (command("touch /etc/x", escalated=True), None),
        (command("rm -rf x"), Rules({"rm": Judgement(forced_rm=True)})),
        (command("git push"), Rules({"git": Judgement(decision="prompt", reason="ask me")})),
        (PatchAction(("/etc/hosts",)), None),
    ],
)
def test_it_runs_when_the_person_says_so(action: Action, rules: Rules | None) -> None:
    approver = ScriptedApprover([Accepted()])
    outputs, tools = run({"t": action}, approver, rules)
    assert outputs == ["ran"]
    assert len(approver.asked) == 1
    assert tools.proposed == tools.started


def test_a_declined_command_does_not_run_and_the_turn_goes_on() -> None:
    outputs, tools = run({"t": command("x", escalated=True)}, ScriptedApprover([Declined()]))
    assert outputs == [REJECTED]
    assert tools.started == []
    assert [reason for _, reason in tools.declined] == [REJECTED]


def test_a_declined_patch_has_its_own_words() -> None:
    outputs, _ = run({"t": PatchAction(("/etc/hosts",))}, ScriptedApprover([Declined()]))
    assert outputs == ["patch rejected by user"]


def test_the_reason_of_a_reviewer_reaches_the_model() -> None:
    outputs, _ = run({"t": command("x", escalated=True)}, ScriptedApprover([Declined("too risky")]))
    assert outputs == ["too risky"]


def test_without_anybody_to_ask_it_is_refused() -> None:
    async def body() -> None:
        model = ScriptedModel([[call("t", {})], [say("done")]])
        tools = ScriptedTools({"t": "ran"}, {"t": command("x", escalated=True)})
        facts = Facts(judge=lambda _: Judgement(), writable=lambda path, turn: True)
        world = World(model, tools, gate=Gate(facts))
        await world.run(context=ASKING)
        assert tools.started == []

    asyncio.run(body())


# --- rules ---------------------------------------------------------------------------------


def test_what_a_rule_forbids_is_never_asked() -> None:
    approver = ScriptedApprover([Accepted()])
    rules = Rules({"git": Judgement(decision="forbidden", reason="no pushing")})
    outputs, _ = run({"t": command("git push")}, approver, rules)
    assert "no pushing" in outputs[0]
    assert approver.asked == []


def test_an_allow_rule_takes_the_command_out_of_the_sandbox() -> None:
    rules = Rules({"cargo": Judgement(decision="allow")})
    actions: dict[str, Action] = {"t": command("cargo test"), "u": command("ls")}
    _, tools = run(actions, ScriptedApprover(), rules)
    assert tools.modes == ["danger-full-access", "workspace-write"]


@pytest.mark.parametrize("escalated", [True, False])
def test_accepted_it_has_the_rights_that_were_asked_for(escalated: bool) -> None:
    rules = Rules({"rm": Judgement(forced_rm=True)})
    action = command("rm -rf x", escalated=escalated)
    _, tools = run({"t": action}, ScriptedApprover([Accepted()]), rules)
    assert tools.modes == ["danger-full-access" if escalated else "workspace-write"]


def test_always_is_stored_at_the_width_that_was_approved() -> None:
    rules = Rules()
    amendment = (("cargo", "test"), ("npm", "ci"))
    run(
        {"t": command("x", escalated=True)}, ScriptedApprover([Accepted(remember=amendment)]), rules
    )
    assert rules.remembered == [("cargo", "test"), ("npm", "ci")]


def test_what_was_accepted_runs_although_the_rule_cannot_be_stored() -> None:
    approver = ScriptedApprover([Accepted(remember=(("a",),))])
    assert run({"t": command("x", escalated=True)}, approver, Rules(full=True))[0] == ["ran"]


def test_for_the_session_is_the_same_command_only() -> None:
    approver = ScriptedApprover([Accepted(for_session=True), Declined()])
    actions: dict[str, Action] = {"t": command("x", escalated=True)}
    outputs, _ = run(actions, approver, calls=3)
    assert outputs == ["ran", "ran", "ran"]
    assert len(approver.asked) == 1
    approver = ScriptedApprover([Accepted(for_session=True), Declined()])
    two: dict[str, Action] = {
        "t": command("x", escalated=True),
        "u": command("x y", escalated=True),
    }
    assert sorted(run(two, approver)[0]) == sorted(["ran", REJECTED])


def test_for_the_session_holds_for_each_file_of_a_patch() -> None:
    approver = ScriptedApprover([Accepted(for_session=True), Declined()])
    actions: dict[str, Action] = {
        "a": PatchAction(("/etc/a", "/etc/b")),
    }
    outputs, _ = run(actions, approver, calls=2)
    assert outputs == ["ran", "ran"]
    assert len(approver.asked) == 1


# --- policies ------------------------------------------------------------------------------


@pytest.mark.parametrize("sandbox_approval", [True, False])
@pytest.mark.parametrize("rules_approval", [True, False])
def test_the_granular_table_says_what_is_asked(
    sandbox_approval: bool, rules_approval: bool
) -> None:
    granular = GranularApproval(
        sandbox_approval=sandbox_approval, rules=rules_approval, mcp_elicitations=False
    )
    context = replace(ASKING, approval_policy=granular)
    approver = ScriptedApprover([Accepted()])
    rules = Rules({"git": Judgement(decision="prompt")})
    outputs, _ = run(
        {"t": command("x", escalated=True), "u": command("git push")}, approver, rules, context
    )
    assert [output == "ran" for output in outputs] == [sandbox_approval, rules_approval]
    assert len(approver.asked) == sandbox_approval + rules_approval


def test_under_never_nobody_is_asked() -> None:
    approver = ScriptedApprover([Accepted()])
    outputs, _ = run({"t": command("x", escalated=True)}, approver, context=turn_context())
    assert outputs[0].startswith("approval policy is Never")
    assert approver.asked == []


def test_in_full_access_an_escalation_is_no_question() -> None:
    context = replace(ASKING, sandbox=SandboxPolicy(mode="danger-full-access"))
    approver = ScriptedApprover()
    assert run({"t": command("x", escalated=True)}, approver, context=context)[0] == ["ran"]


# --- interrupts ----------------------------------------------------------------------------


def test_an_interrupt_withdraws_the_question_and_leaves_a_legal_history() -> None:
    async def body() -> None:
        approver = ScriptedApprover(["silence"])
        world, _, tools = world_of({"t": command("x", escalated=True)}, approver)
        await world.start(context=ASKING)
        await approver.waiting.wait()
        await world.thread.submit(Interrupt())
        assert await world.thread.wait() == "interrupted"
        assert len(approver.withdrawn) == 1
        assert tools.started == [] and len(tools.declined) == 1
        assert_legal(world.thread.state.prompt)
        assert world.thread.state.pending == ()

    asyncio.run(body())


replies = st.sampled_from([Accepted(), Accepted(for_session=True), Declined(), "silence"])


@settings(max_examples=40, deadline=None)
@given(
    answers=st.lists(replies, min_size=1, max_size=4),
    kinds=st.lists(st.sampled_from(["plain", "escalated", "patch", "rm"]), min_size=1, max_size=4),
)
def test_any_answers_leave_a_legal_history(answers: list[Reply], kinds: list[str]) -> None:
    made: dict[str, Action] = {
        "plain": command("ls"),
        "escalated": command("x", escalated=True),
        "patch": PatchAction(("/etc/a",)),
        "rm": command("rm -rf x"),
    }

    async def body() -> None:
        approver = ScriptedApprover(answers)
        rules = Rules({"rm": Judgement(forced_rm=True)})
        actions = {f"t{n}": made[kind] for n, kind in enumerate(kinds)}
        world, _, _ = world_of(actions, approver, rules, calls=2)
        await world.start(context=ASKING)
        for _ in range(60):
            await asyncio.sleep(0)
        await world.thread.submit(Interrupt())
        assert_legal(world.thread.state.prompt)
        assert world.thread.state.pending == ()
        assert all(isinstance(request, ApprovalRequest) for request in approver.asked)

    asyncio.run(body())
