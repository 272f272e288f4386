"""Records of every kind, for property tests of what is stored."""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st

from quire.protocol.items import (
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    HistoryItem,
    InputText,
    Message,
    OutputText,
    Reasoning,
    SummaryText,
    encode_item,
    history_item,
)
from quire.protocol.policy import GranularApproval, SandboxPolicy, TurnContext
from quire.protocol.records import (
    FragmentsChanged,
    GitInfo,
    ItemAdded,
    ItemCompleted,
    Record,
    ResponseCompleted,
    SessionMeta,
    TurnCompleted,
    TurnSettings,
    TurnStarted,
)
from quire.protocol.thread import (
    AgentMessageItem,
    CommandExecutionItem,
    ErrorInfo,
    ErrorItem,
    FileChange,
    FileChangeItem,
    ImageViewItem,
    PlanStep,
    ReasoningItem,
    TodoListItem,
    Usage,
    UserMessageItem,
)

THREAD = "01a1f874-cfed-77b3-bd86-3ac47aebb23e"

text = st.text(st.characters(codec="utf-8"), max_size=30)
paths = text.map(lambda name: "/" + name)
ids = st.sampled_from(["a", "b", "call_1", "msg_01"])
numbers = st.integers(0, 2**53)
seconds = st.integers(0, 4_000_000_000)
maybe_text = st.none() | text

ERROR_CODES = (
    *("contextWindowExceeded", "usageLimitExceeded", "rateLimitExceeded", "serverOverloaded"),
    *("modelNotFound", "unauthorized", "badRequest", "internalServerError", "sandboxError"),
    *("httpConnectionFailed", "responseStreamConnectionFailed", "responseStreamDisconnected"),
    *("responseTooManyFailedAttempts", "other"),
)

usages = st.builds(Usage, *[numbers] * 6)

metas = st.builds(
    SessionMeta,
    thread_id=st.just(THREAD),
    timestamp=text,
    cwd=paths,
    originator=text,
    cli_version=text,
    source=text,
    model_provider=text,
    base_instructions=text,
    workspace_roots=st.lists(paths, max_size=2).map(tuple),
    forked_from=maybe_text,
    git=st.none() | st.builds(GitInfo, maybe_text, maybe_text, maybe_text),
    context_window=st.none() | numbers,
)

contexts = st.builds(
    TurnContext,
    cwd=paths,
    model=text,
    model_provider=text,
    sandbox=st.builds(
        SandboxPolicy,
        mode=st.sampled_from(["read-only", "workspace-write", "danger-full-access"]),
        writable_roots=st.lists(paths, max_size=2).map(tuple),
        network_access=st.booleans(),
        exclude_tmpdir_env_var=st.booleans(),
        exclude_slash_tmp=st.booleans(),
        denied_reads=st.lists(paths, max_size=2).map(tuple),
    ),
    approval_policy=st.sampled_from(["never", "on-request"])
    | st.builds(
        GranularApproval,
        sandbox_approval=st.booleans(),
        rules=st.booleans(),
        mcp_elicitations=st.booleans(),
        request_permissions=st.booleans(),
        skill_approval=st.booleans(),
    ),
    approvals_reviewer=st.sampled_from(["user", "auto_review"]),
    workspace_roots=st.lists(paths, max_size=2).map(tuple),
    effort=st.sampled_from([None, "none", "high", "persistent"]),
    summary=st.sampled_from([None, "auto", "none"]),
    verbosity=st.sampled_from([None, "low", "high"]),
    output_schema=maybe_text,
    service_tier=maybe_text,
    context_window=numbers,
    max_output_tokens=numbers,
    parallel_tool_calls=st.booleans(),
    shell=paths,
)


def _unknown_item(members: dict[str, str]) -> HistoryItem:
    return history_item(msgspec.json.encode({"type": "something_new", **members}))


items = st.one_of(
    st.builds(
        Message,
        role=st.sampled_from(["developer", "user", "system"]),
        content=st.lists(st.builds(InputText, text), max_size=2).map(tuple),
        id=ids,
    ).map(encode_item),
    st.builds(
        Message, role=st.just("assistant"), content=st.tuples(st.builds(OutputText, text))
    ).map(encode_item),
    st.builds(
        Reasoning,
        summary=st.tuples(st.builds(SummaryText, text)),
        encrypted_content=maybe_text,
        id=ids,
    ).map(encode_item),
    st.builds(FunctionCall, name=text, arguments=text, call_id=ids).map(encode_item),
    st.builds(CustomToolCall, name=text, input=text, call_id=ids).map(encode_item),
    st.builds(FunctionCallOutput, call_id=ids, output=text).map(encode_item),
    st.builds(CustomToolCallOutput, call_id=ids, output=text).map(encode_item),
    st.dictionaries(text.map(lambda key: f"x{key}"), text, max_size=2).map(_unknown_item),
)

additions = st.builds(
    ItemAdded,
    items,
    st.sampled_from(["user", "model", "tool", "fragment", "note"]),
    st.none() | ids,
)


def _change(path: str, kind: str, diff: str, move: str | None) -> FileChange:
    if kind == "update":
        return FileChange(path, "update", diff, move)
    return FileChange(path, "add" if kind == "add" else "delete", diff)


statuses = st.sampled_from(["inProgress", "completed", "failed", "declined"])
shown_items = st.one_of(
    st.builds(UserMessageItem, ids, text, st.lists(paths, max_size=2).map(tuple)),
    st.builds(AgentMessageItem, ids, text),
    st.builds(ReasoningItem, ids, st.lists(text, max_size=2).map(tuple), st.lists(text).map(tuple)),
    st.builds(
        CommandExecutionItem,
        id=ids,
        command=st.lists(text, max_size=3).map(tuple),
        cwd=paths,
        status=statuses,
        process_id=maybe_text,
        source=st.sampled_from(
            ["agent", "userShell", "unifiedExecStartup", "unifiedExecInteraction"]
        ),
        aggregated_output=text,
        exit_code=st.none() | st.integers(-1, 255),
        duration_ms=st.none() | seconds,
    ),
    st.builds(
        FileChangeItem,
        ids,
        st.lists(
            st.builds(
                _change, paths, st.sampled_from(["add", "delete", "update"]), text, maybe_text
            ),
            max_size=3,
            unique_by=lambda change: change.path,
        ).map(tuple),
        statuses,
        text,
        text,
    ),
    st.builds(
        TodoListItem,
        ids,
        st.lists(
            st.builds(PlanStep, text, st.sampled_from(["pending", "in_progress", "completed"])),
            max_size=3,
        ).map(tuple),
    ),
    st.builds(ImageViewItem, ids, paths),
    st.builds(ErrorItem, ids, text),
)

ends = st.builds(
    TurnCompleted,
    turn_id=ids,
    status=st.sampled_from(["completed", "interrupted"]),
    last_agent_message=maybe_text,
    started_at=seconds,
    completed_at=seconds,
    duration_ms=numbers,
) | st.builds(
    TurnCompleted,
    turn_id=ids,
    status=st.just("failed"),
    error=st.none()
    | st.builds(ErrorInfo, text, st.sampled_from(ERROR_CODES), st.none() | st.integers(100, 599)),
    last_agent_message=maybe_text,
    started_at=seconds,
)

records_after_meta: st.SearchStrategy[Record] = st.one_of(
    st.builds(TurnStarted, ids, seconds, numbers),
    st.builds(TurnSettings, ids, contexts),
    st.builds(FragmentsChanged, st.dictionaries(text, text, max_size=3), st.booleans()),
    additions,
    st.builds(ItemCompleted, ids, shown_items, numbers, numbers),
    st.builds(ResponseCompleted, ids, text, usages, usages),
    ends,
)

logs: st.SearchStrategy[list[Record]] = st.builds(
    lambda meta, rest: [meta, *rest], metas, st.lists(records_after_meta, max_size=12)
)
"""Logs as they are written: a `SessionMeta`, then anything."""
