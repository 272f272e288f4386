"""Files that a permission profile hides: from commands, from patches, from `view_image`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from quire.core.errors import AgentError
from quire.core.ports import SpawnSpec
from quire.core.writable import writable
from quire.protocol.policy import SandboxPolicy, TurnContext
from quire.sandbox.bubblewrap import find
from quire.sandbox.linux import LinuxSandbox
from quire.sandbox.repository import submodule_pointers
from quire.tools.real_disk import RealDisk
from tests.e2e.played import call, patch, play
from tests.e2e.quire import Place


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "workspace"
    (folder / "deep" / "keys").mkdir(parents=True)
    (folder / "deep" / "keys" / "id").write_text("SECRET")
    (folder / "token").write_text("SECRET")
    (folder / "plain").write_text("PLAIN")
    return folder


def policy(workspace: Path, mode: str = "workspace-write") -> SandboxPolicy:
    paths = (str(workspace / "deep" / "keys"), str(workspace / "token"))
    if mode == "read-only":
        return SandboxPolicy(denied_reads=paths)
    return SandboxPolicy(mode="workspace-write", exclude_slash_tmp=True, denied_reads=paths)


def run(workspace: Path, wanted: SandboxPolicy, layer: str | None, *scripts: str) -> list[str]:
    """What each script prints, one sandbox each."""

    async def main() -> list[str]:
        sandbox = LinuxSandbox(str(workspace.parent / "quire-home"), layer)
        try:
            return [await _printed(sandbox, workspace, wanted, script) for script in scripts]
        finally:
            await sandbox.aclose()

    return asyncio.run(main())


async def _printed(
    sandbox: LinuxSandbox, workspace: Path, wanted: SandboxPolicy, script: str
) -> str:
    process = await sandbox.spawn(
        SpawnSpec(
            argv=("/bin/sh", "-c", script),
            cwd=str(workspace),
            env={"PATH": os.environ["PATH"]},
            policy=wanted,
            workspace_roots=(str(workspace),),
        )
    )
    printed = b""
    while data := await process.read():
        printed += data
    await process.wait()
    process.close()
    return printed.decode()


@pytest.mark.skipif(not find(), reason="bubblewrap is not here")
@pytest.mark.parametrize("mode", ["read-only", "workspace-write"])
def test_commands_do_not_see_it(workspace: Path, mode: str) -> None:
    read, moved, after = run(
        workspace,
        policy(workspace, mode),
        "bubblewrap",
        "cat plain token deep/keys/id; ls -A deep/keys; cat /proc/self/root$PWD/token",
        "mv token t; mv deep/keys k; mv deep d; rm -rf token deep; umount token; echo x > token",
        "cat token t k/id d/keys/id deep/keys/id; cat plain",
    )
    assert "PLAIN" in read
    assert "SECRET" not in read + moved + after
    assert (workspace / "token").read_text() == "SECRET"
    assert (workspace / "deep" / "keys" / "id").read_text() == "SECRET"


@pytest.mark.parametrize("layer", ["namespaces", "landlock"])
def test_a_layer_that_cannot_hide_runs_nothing(workspace: Path, layer: str) -> None:
    with pytest.raises(AgentError, match="has to be hidden, which only bubblewrap can do"):
        run(workspace, policy(workspace), layer, "echo ran > plain")
    assert (workspace / "plain").read_text() == "PLAIN"


def test_our_own_tools_do_not_see_it_either(workspace: Path) -> None:
    (workspace / "link").symlink_to(workspace / "deep")
    hides = policy(workspace).hides
    for path in ("token", "deep/keys", "deep/keys/id", "link/keys/id", "deep/../token"):
        assert hides(str(workspace / path), os.path.realpath), path
    for path in ("plain", "deep", "tokens"):
        assert not hides(str(workspace / path), os.path.realpath), path
    turn = TurnContext(
        cwd=str(workspace),
        model="m",
        model_provider="p",
        sandbox=policy(workspace),
        workspace_roots=(str(workspace),),
    )
    home = str(workspace.parent / "home")
    disk = RealDisk(home, None, (), os.path.realpath, submodule_pointers)
    assert writable("plain", turn, None, disk)
    assert not writable("token", turn, None, disk)


def test_a_run_with_a_profile_hides_it_everywhere(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (place.repo / "token").write_text("SECRET")
    profile = (
        '[permissions.dev]\nextends = ":workspace"\n'
        f'[permissions.dev.filesystem]\n"{place.repo}/token" = "none"\n'
    )
    script = [
        {"sh": "cat token"},
        call("view_image", {"path": "token"}),
        {"patch": patch("*** Update File: token\n@@\n-SECRET\n+x\n")},
        {"text": "done"},
    ]
    flag = "-cdefault_permissions=dev"
    told = [str(output) for output in play(place, script, flag, config=profile).outputs]
    assert "SECRET" not in told[0] and "Permission denied" in told[0]
    assert told[1].endswith("Permission denied (os error 13)")
    assert "patch rejected" in told[2]
    assert (place.repo / "token").read_text() == "SECRET"
