"""What is asked and granted beyond a sandbox, in the words of clients (Codex 0.169, row A13)."""

from __future__ import annotations

from quire.core.ports import Granted
from quire.core.writable import within
from quire.protocol.policy import Permissions
from quire.protocol.rpc.approvals import (
    AdditionalFileSystemPermissions,
    AdditionalNetworkPermissions,
    FileSystemSandboxEntry,
    PathFileSystemPath,
    PermissionsRequestApprovalResponse,
    RequestPermissionProfile,
)


def permissions_asked(asked: Permissions) -> RequestPermissionProfile:
    """Paths stand in it twice, as the older clients and as the newer ones read them."""
    files = AdditionalFileSystemPermissions(
        read=asked.read or None,
        write=asked.write or None,
        entries=(
            *(FileSystemSandboxEntry(path=_path(p), access="read") for p in asked.read),
            *(FileSystemSandboxEntry(path=_path(p), access="write") for p in asked.write),
        ),
    )
    return RequestPermissionProfile(
        network=AdditionalNetworkPermissions(enabled=True) if asked.network else None,
        file_system=files if files.entries else None,
    )


def reason_for(asked: Permissions, justification: str | None) -> str:
    """Why a command is asked about, for clients that are not told of permissions otherwise."""
    wishes = [f"write {path}" for path in asked.write] + [f"read {path}" for path in asked.read]
    wanted = ", ".join([*wishes, "the network"] if asked.network else wishes)
    words = f"asks for more in its sandbox: {wanted}"
    return f"{justification} ({words})" if justification else words


def granted(answer: PermissionsRequestApprovalResponse) -> Granted:
    """What the client granted: entries that name a path, and none that one with `deny` touches.
    Where such a one names no path, no files are granted."""
    files = answer.permissions.file_system or AdditionalFileSystemPermissions()
    network = answer.permissions.network
    paths: dict[str, list[str]] = {
        "read": list(files.read or ()),
        "write": list(files.write or ()),
        "deny": [],
    }
    for entry in files.entries or ():
        if isinstance(entry.path, PathFileSystemPath):
            paths[entry.access].append(entry.path.path)
        elif entry.access == "deny":
            paths["deny"].append("/")
    return Granted(
        permissions=Permissions(
            read=_apart(paths["read"], paths["deny"]),
            write=_apart(paths["write"], paths["deny"]),
            network=network is not None and network.enabled is True,
        ),
        for_session=answer.scope == "session",
        strict_review=answer.strict_auto_review is True,
    )


def _apart(paths: list[str], denied: list[str]) -> tuple[str, ...]:
    """Each once, without those that hold a denied path or lie in one."""
    return tuple(
        dict.fromkeys(
            path
            for path in paths
            if not any(within(path, place) or within(place, path) for place in denied)
        )
    )


def _path(path: str) -> PathFileSystemPath:
    return PathFileSystemPath(path=path)
