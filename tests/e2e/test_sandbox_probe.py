"""What commands can and cannot do, for each mode, each layer, as root and as an ordinary user."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import quire
from quire.sandbox.keeper import libc

NOBODY = 65534
MODES = ("read-only", "workspace-write", "network")
NAMESPACED = ("bubblewrap", "namespaces")
SIGNALS_HELD = libc.landlock_version() >= libc.SCOPES_SINCE
WORDS = {"ok": "ok ok ok", "no": "no no no", "writes": "no ok ok", "network": "no no ok"}

# What is expected in read-only, workspace-write and workspace-write with network. `no` is any
# errno; `writes` is allowed where the workspace may be written, `network` where the network may be
# used. The second column is for landlock where it differs: what it cannot hold, and what it
# refuses for want of a better way.
TABLE: dict[str, tuple[str, ...]] = {
    "write_workspace": ("writes",),
    "write_workspace_entry": ("writes", "no"),
    "write_tmp": ("writes",),
    "write_dev_shm": ("ok", "no"),
    "write_outside": ("no",),
    "append_outside": ("no",),
    "truncate_outside": ("no",),
    "unlink_outside": ("no",),
    "chmod_outside": ("no", "ok"),
    "write_home": ("no",),
    "write_own_code": ("no",),
    "symlink_escape": ("no",),
    "new_symlink_escape": ("no",),
    "hardlink_escape": ("no",),
    "rename_out": ("no",),
    "dotdot_escape": ("no",),
    # A mount that is read-only still lets named pipes be written (and sockets be connected to).
    "fifo_outside": ("ok", "no"),
    "proc_root_escape": ("no",),
    "proc_cwd_escape": ("no",),
    "git_write": ("EROFS EROFS EROFS", "no"),
    "git_new": ("EROFS EROFS EROFS", "no"),
    "git_hardlink": ("no",),
    "git_chmod": ("no", "ok"),
    "git_truncate": ("no",),
    "git_remount": ("no",),
    "git_unlink": ("no",),
    "git_rmdir": ("no",),
    "git_rename": ("no",),
    "git_replace": ("no",),
    "missing_folder": ("no",),
    "missing_file": ("no",),
    "missing_symlink": ("no",),
    "missing_rename": ("no",),
    "missing_remove_stand_in": ("no",),
    "missing_in_tmpdir": ("no", "writes"),
    "nested_names": ("writes",),
    "tcp": ("network",),
    "tcp_listen": ("network",),
    "udp": ("network",),
    "unix_path": ("network",),
    "unix_abstract": ("no",),
    "unix_datagram": ("network",),
    "pair_datagram": ("no",),
    "pair_stream": ("ok",),
    "pair_passes_descriptors": ("ok",),
    "raw_socket": ("no",),
    "packet_socket": ("no",),
    "vsock": ("no",),
    "alg_socket": ("no",),
    "netlink_route": ("network",),
    "netlink_audit": ("no",),
    "signal_host": ("no",),
    "limit_host": ("no",),
    "see_host": ("no", "ok"),
    "read_host_memory": ("no",),
    "ptrace_host": ("no",),
    "ptrace_child": ("no",),
    "process_vm_read": ("EPERM EPERM EPERM",),
    "host_environment": ("no",),
    "own_environment": ("ok",),
    "own_descriptors": ("ok",),
    "own_privileges": ("ok",),
    "new_user_namespace": ("EPERM EPERM EPERM",),
    "new_mount_namespace": ("EPERM EPERM EPERM",),
    "new_network_namespace": ("EPERM EPERM EPERM",),
    "clone_user_namespace": ("EPERM EPERM EPERM",),
    "clone3": ("ENOSYS ENOSYS ENOSYS",),
    "enter_namespace": ("EPERM EPERM EPERM",),
    "mount": ("EPERM EPERM EPERM",),
    "unmount": ("EPERM EPERM EPERM",),
    "change_root": ("EPERM EPERM EPERM",),
    "pivot_root": ("EPERM EPERM EPERM",),
    "open_tree": ("EPERM EPERM EPERM",),
    "move_mount": ("EPERM EPERM EPERM",),
    "fsopen": ("EPERM EPERM EPERM",),
    "mount_setattr": ("EPERM EPERM EPERM",),
    "io_uring": ("EPERM EPERM EPERM",),
    "bpf": ("EPERM EPERM EPERM",),
    "perf_event": ("EPERM EPERM EPERM",),
    "keyctl": ("EPERM EPERM EPERM",),
    "add_key": ("EPERM EPERM EPERM",),
    "userfaultfd": ("EPERM EPERM EPERM",),
    "open_by_handle": ("EPERM EPERM EPERM",),
    "load_module": ("EPERM EPERM EPERM",),
    "load_kernel": ("EPERM EPERM EPERM",),
    "x32_call": ("EPERM EPERM EPERM",),
    "type_into_terminal": ("EPERM EPERM EPERM",),
    "system_v_memory": ("no",),
    "proc_sys": ("no",),
    "proc_sysrq": ("no",),
    "proc_irq": ("no",),
    "sys_write": ("no",),
    "dev_kmsg": ("no",),
    "dev_disk": ("no",),
    "make_device": ("no",),
    "terminal": ("ok",),
    "threads_and_fork": ("ok",),
    "asyncio_runs": ("ok",),
    "multiprocessing_runs": ("ok", "no"),
    "shared_memory_runs": ("ok", "no"),
}

# Refused to root without any sandbox too, on some machines: no proof that the sandbox refuses it.
NO_CONTROL = {"proc_root_escape", "proc_cwd_escape", "dev_disk", "x32_call"}
PLACES = {
    "python": Path(sys.base_prefix),
    "source": Path(quire.__file__).parents[1],
    "packages": Path(msgspec.__file__).parents[1],
}
MS_BIND = 4096


@pytest.fixture(scope="module")
def world() -> Iterator[Path]:
    """A folder that every user can enter, outside the temporary folders of sandboxes."""
    folder = Path("/var/tmp") / f"quire-probe-{os.getpid()}"
    folder.mkdir()
    folder.chmod(0o755)
    for name in ("sandbox_probe.py", "sandbox_driver.py"):
        shutil.copy(Path(__file__).with_name(name), folder)
        (folder / name).chmod(0o644)
    yield folder
    shutil.rmtree(folder)


def drive(world: Path, user: int, runs: list[str]) -> dict[str, dict[str, str]]:
    """Run the probe as `user`. Root sees to it that the user can reach Python and the code: they
    are mounted into `world`, in a mount namespace of the driver's own."""
    as_root = os.getuid() == 0
    folder = world / f"as-{user}"
    folder.mkdir()
    places = {name: world / name if as_root else place for name, place in PLACES.items()}
    if as_root:
        os.chown(folder, user, user)
        for place in places.values():
            place.mkdir(exist_ok=True)
    python = places["python"] / "bin" / f"python3.{sys.version_info.minor}"
    command = [python, world / "sandbox_driver.py", folder, world / "sandbox_probe.py"]
    env = {
        "PYTHONPATH": f"{places['source']}:{places['packages']}",
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "LD_LIBRARY_PATH": str(places["python"] / "lib"),
    }
    done = subprocess.run(
        [*map(str, command), str(user), *runs],
        env=env,
        capture_output=True,
        text=True,
        timeout=110,
        preexec_fn=(lambda: _show(places)) if as_root else None,
    )
    shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _show(places: dict[str, Path]) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    libc.unshare(libc.CLONE_NEWNS)
    libc.make_private("/")
    bind = ctypes.c_ulong(MS_BIND | libc.MS_REC)
    for name, target in places.items():
        done = library.mount(bytes(PLACES[name]), bytes(target), None, bind, None)
        assert done == 0, os.strerror(ctypes.get_errno())


def wrong(name: str, expected: str, outcome: str) -> str:
    refused = outcome.startswith("E")
    right = refused if expected == "no" else outcome == expected
    return "" if right else f"{name}: expected {expected}, found {outcome}"


def expected_in(layer: str, mode: str, columns: tuple[str, ...]) -> str:
    column = columns[0 if layer in NAMESPACED else -1]
    return WORDS.get(column, column).split()[MODES.index(mode)]


USERS = [0, NOBODY] if os.getuid() == 0 else [os.getuid()]


@pytest.mark.parametrize("layer", ["bubblewrap", "namespaces", "landlock"])
@pytest.mark.parametrize("user", USERS)
def test_probe(world: Path, layer: str, user: int) -> None:
    report = drive(world, user, [f"{layer}:{mode}" for mode in MODES])
    faults: list[str] = []
    for mode in MODES:
        found = report[f"{layer}:{mode}"]
        assert found.pop("layer", None) == layer, found
        assert found.pop("left") == "nothing"
        assert found.keys() == TABLE.keys()
        for name, columns in TABLE.items():
            expected = expected_in(layer, mode, columns)
            if name == "signal_host" and layer == "landlock" and not SIGNALS_HELD:
                expected = "ok"
            fault = wrong(name, expected, found[name])
            faults += [f"{mode}: {fault}"] if fault else []
    assert not faults, "\n".join(faults)


@pytest.mark.skipif(os.getuid() != 0, reason="only root is refused nothing without a sandbox")
def test_without_a_sandbox_the_probe_reaches_what_the_sandbox_refuses(world: Path) -> None:
    found = drive(world, 0, ["none:full"])["none:full"]
    held = {name for name, columns in TABLE.items() if columns[0] != "ok"} - NO_CONTROL
    refusals = ("EPERM", "EROFS", "EACCES")
    assert {name: found[name] for name in held if found[name] in refusals} == {}
