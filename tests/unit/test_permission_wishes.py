"""What a person is shown of a wish for more than the sandbox gives, in every front end."""

from __future__ import annotations

import pytest

from quire.acp.permissions import tool_call
from quire.client.questions import ApprovalRequest
from quire.mcp_server.approvals import approval_form
from quire.protocol.policy import Permissions
from quire.protocol.rpc.approvals import (
    AdditionalFileSystemPermissions,
    CommandExecutionRequestApprovalParams,
    FileSystemSandboxEntry,
    GrantedPermissionProfile,
    PathFileSystemPath,
    PermissionsRequestApprovalParams,
    PermissionsRequestApprovalResponse,
    RequestPermissionProfile,
    RootFileSystemSpecialPath,
    SpecialFileSystemPath,
)
from quire.server.permissions import granted, permissions_asked

WANTED = Permissions(read=("/r",), write=("/w", "/v"), network=True)
WISHES = ("read /r", "write /w", "write /v", "the network")
IDS = {"thread_id": "t", "turn_id": "u", "item_id": "i", "started_at_ms": 1, "cwd": "/repo"}


def request(asked: RequestPermissionProfile, kind: str = "permissions") -> ApprovalRequest:
    params = PermissionsRequestApprovalParams(**IDS, permissions=asked)
    if kind == "command":
        params = CommandExecutionRequestApprovalParams(
            **IDS, kind="command", environment_id="local", additional_permissions=asked
        )
    return ApprovalRequest(
        kind="command" if kind == "command" else "permissions",
        thread_id="t",
        turn_id="u",
        item_id="i",
        reason="because",
        command="true",
        cwd="/repo",
        params=params,
    )


@pytest.mark.parametrize("kind", ["permissions", "command"])
def test_every_wish_is_shown(kind: str) -> None:
    asked = request(permissions_asked(WANTED), kind)
    assert asked.wishes == WISHES
    message = approval_form(asked).message
    shown = str(tool_call(asked).content)
    for wish in WISHES:
        assert f"- {wish}" in message
        assert f"- {wish}" in shown


def test_places_that_are_no_path_are_shown_too() -> None:
    root = SpecialFileSystemPath(value=RootFileSystemSpecialPath())
    entries = (FileSystemSandboxEntry(path=root, access="write"),)
    files = AdditionalFileSystemPermissions(entries=entries)
    assert request(RequestPermissionProfile(file_system=files)).wishes == (
        'write {"type":"special","value":{"kind":"root"}}',
    )


def entry(path: str, access: str) -> FileSystemSandboxEntry:
    kind = "deny" if access == "deny" else "write"
    return FileSystemSandboxEntry(path=PathFileSystemPath(path=path), access=kind)


@pytest.mark.parametrize(
    ("entries", "write"),
    [
        ((entry("/a", "write"),), ("/b", "/a")),
        ((entry("/b", "deny"), entry("/a", "write")), ("/a",)),
        ((entry("/b/c", "deny"),), ()),
        ((entry("/", "deny"), entry("/a", "write")), ()),
        (
            (
                FileSystemSandboxEntry(
                    path=SpecialFileSystemPath(value=RootFileSystemSpecialPath()), access="deny"
                ),
            ),
            (),
        ),
        (
            (
                FileSystemSandboxEntry(
                    path=SpecialFileSystemPath(value=RootFileSystemSpecialPath()), access="write"
                ),
            ),
            ("/b",),
        ),
    ],
)
def test_a_denied_entry_takes_back_what_it_touches(
    entries: tuple[FileSystemSandboxEntry, ...], write: tuple[str, ...]
) -> None:
    files = AdditionalFileSystemPermissions(write=("/b",), entries=entries)
    profile = GrantedPermissionProfile(file_system=files)
    answer = PermissionsRequestApprovalResponse(permissions=profile)
    assert granted(answer).permissions == Permissions(write=write)
