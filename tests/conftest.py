"""What every test may rely on: its own home, no keys, no network but this machine's own.

- `HOME`, `QUIRE_HOME` and the working temporary folders are new for each test and do not lie below
  `/tmp`, which sandboxes may write to.
- Keys, proxies and settings of whoever runs the tests are taken out of the environment.
- In this process a connection to any other machine raises. Child processes get proxy variables that
  lead nowhere, with an exception for loopback.
- With `CI` set, a skipped test fails and shows its reason.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from quire.testing.network_guard import forbid_network

IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")
NOWHERE = "http://127.0.0.1:9"
KEPT_SETTINGS = ("QUIRE_PROTOCOL_CMD",)

ENVIRONMENT = {
    "TERM": "xterm-256color",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "COLUMNS": "100",
    "LINES": "40",
    "GIT_CONFIG_NOSYSTEM": "1",
    "http_proxy": NOWHERE,
    "https_proxy": NOWHERE,
    "all_proxy": NOWHERE,
    "no_proxy": "127.0.0.1,localhost,::1",
}

GIT_CONFIG = """\
[user]
    name = Tester
    email = tester@example.invalid
[init]
    defaultBranch = main
"""

forbid_network()
settings.register_profile("quire", deadline=None, derandomize=IN_CI, print_blob=True)
settings.load_profile("quire")


# --- an environment of its own for each test -----------------------------------------------


def _folder_outside_tmp() -> str | None:
    """Where temporary folders may go that no sandbox lets a command write to."""
    for folder in ("/var/tmp", os.path.expanduser("~/.cache")):
        if os.path.isdir(folder) and os.access(folder, os.W_OK):
            return folder
    return None


_base = _folder_outside_tmp()
if _base is not None:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", _base)


def _is_personal(name: str) -> bool:
    """Settings and secrets of whoever runs the tests."""
    upper = name.upper()
    if upper in KEPT_SETTINGS:
        return False
    if upper.startswith(("QUIRE_", "CODEX_", "OPENAI_", "ANTHROPIC_", "GIT_", "XDG_", "PYTHON")):
        return upper != "PYTHONPATH"
    if upper.endswith(("_PROXY", "_API_KEY", "_TOKEN", "_SECRET")):
        return True
    return upper in ("TMPDIR", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "SSL_CERT_FILE", "PAGER")


@pytest.fixture(scope="session")
def git_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file, because variables that name a KEY do not reach the agent's commands."""
    path = tmp_path_factory.mktemp("git") / "config"
    path.write_text(GIT_CONFIG, "utf-8")
    return path


@pytest.fixture(autouse=True)
def clean_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, git_config: Path
) -> Path:
    """Gives the test's own HOME. It exists and is empty; `$QUIRE_HOME` below it does not exist."""
    for name in [name for name in os.environ if _is_personal(name)]:
        monkeypatch.delenv(name)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(git_config))
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("QUIRE_HOME", str(home / ".quire"))
    return home


# --- in CI, a skip is a failure ------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {_reason(report.longrepr)}"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {_reason(report.longrepr)}"
    return report


def _reason(longrepr: object) -> str:
    reason = longrepr[2] if isinstance(longrepr, tuple) and len(longrepr) == 3 else longrepr
    return str(reason).removeprefix("Skipped: ")
