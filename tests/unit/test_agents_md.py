"""AGENTS.md: which files, in which order, how much, and what a hostile repository cannot do."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.extend.agents_md import Instructions, Limits, load_instructions


@contextmanager
def ordinary_user(folder: str) -> Iterator[None]:
    """Root reads everything: step down while in here, with `folder` to work in."""
    if os.geteuid() != 0:
        yield
        return
    os.chown(folder, 65534, 65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


class Setup:
    def __init__(self, base: Path) -> None:
        self.home = base / "home"
        self.root = base / "repo"
        self.cwd = self.root / "sub"
        self.home.mkdir()
        self.cwd.mkdir(parents=True)

    def write(self, **files: str | bytes) -> None:
        """Files by folder: `home`, `root`, `cwd`, with `_override` or nothing behind it."""
        for name, text in files.items():
            folder, _, override = name.partition("_")
            path = getattr(self, folder) / ("AGENTS.override.md" if override else "AGENTS.md")
            path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def load(self, max_bytes: int = 32_768, *fallback: str, root: bool = True) -> Instructions:
        found = str(self.root) if root else None
        return load_instructions(str(self.home), str(self.cwd), found, Limits(max_bytes, fallback))

    def body(self, max_bytes: int = 32_768, *fallback: str) -> str:
        text = self.load(max_bytes, *fallback).text
        assert text is not None
        head, _, rest = text.partition("\n\n<INSTRUCTIONS>\n")
        assert head == f"# AGENTS.md instructions for {self.cwd}"
        assert rest.endswith("\n</INSTRUCTIONS>")
        return rest.removesuffix("\n</INSTRUCTIONS>")


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


def test_nothing(setup: Setup) -> None:
    assert setup.load() == Instructions()


def test_the_whole_fragment(setup: Setup) -> None:
    """The very text of Codex 0.169 for these files."""
    setup.write(home="\n\n  global doc \n\n", root="root doc\n\n", cwd="sub doc")
    loaded = setup.load()
    assert loaded.text == (
        f"# AGENTS.md instructions for {setup.cwd}\n\n<INSTRUCTIONS>\nglobal doc\n\n"
        "--- project-doc ---\n\nroot doc\n\n\n\nsub doc\n</INSTRUCTIONS>"
    )
    files = [setup.home, setup.root, setup.cwd]
    assert loaded.sources == tuple(str(f / "AGENTS.md") for f in files)
    assert loaded.warnings == ()


def test_only_the_global_file(setup: Setup) -> None:
    setup.write(home="mine", root="theirs")
    only = "# AGENTS.md instructions\n\n<INSTRUCTIONS>\nmine\n</INSTRUCTIONS>"
    loaded = setup.load(0)
    assert (loaded.text, loaded.warnings) == (only, ())


def test_overrides(setup: Setup) -> None:
    setup.write(root="root", cwd="sub", cwd_override="other", home="a", home_override="b")
    assert setup.body() == "b\n\n--- project-doc ---\n\nroot\n\nother"
    setup.write(cwd_override=" \n", home_override="\n")
    # A blank override silences its folder; the global one gives way to AGENTS.md.
    assert setup.body() == "a\n\n--- project-doc ---\n\nroot"


def test_fallback_names(setup: Setup) -> None:
    (setup.cwd / "B.md").write_text("b")
    (setup.cwd / "C.md").write_text("c")
    (setup.root / "secret").write_text("secret")
    assert setup.body(32_768, "A.md", "B.md", "C.md") == "b"
    setup.write(cwd="real")
    assert setup.body(32_768, "B.md") == "real"
    names = ("../secret", str(setup.root / "secret"), "sub/B.md")
    assert setup.load(32_768, *names).sources == (str(setup.cwd / "AGENTS.md"),)


def test_without_a_repository_only_the_folder_itself(setup: Setup) -> None:
    setup.write(root="root", cwd="sub")
    text = setup.load(root=False).text
    assert text is not None and "root" not in text.split("\n", 1)[1] and "sub" in text


def test_a_root_that_is_not_above_reads_only_the_folder(setup: Setup) -> None:
    setup.write(root="root", cwd="sub")
    loaded = load_instructions(str(setup.home), str(setup.cwd), str(setup.home))
    assert loaded.sources == ()
    assert "is a link out of" in loaded.warnings[0]


def test_nothing_is_cut_without_a_warning(setup: Setup) -> None:
    setup.write(home="g" * 100, root="r" * 10, cwd="s" * 10)
    loaded = setup.load(12)
    assert setup.body(12).endswith("r" * 10 + "\n\nss")
    assert loaded.warnings == (
        (
            f"AGENTS.md: {setup.cwd}/AGENTS.md is cut to 2 of 10 bytes: a project's instructions "
            "may have 12 in all; shorten them or raise project_doc_max_bytes"
        ),
    )
    loaded = setup.load(5)
    assert len(loaded.warnings) == 2
    assert f"{setup.root}/AGENTS.md is cut to 5 of 10 bytes" in loaded.warnings[0]
    assert f"{setup.cwd}/AGENTS.md is left out" in loaded.warnings[1]
    assert loaded.sources == (f"{setup.home}/AGENTS.md", f"{setup.root}/AGENTS.md")
    assert setup.load(20).warnings == ()


@given(limit=st.integers(1, 30), text=st.text(max_size=20))
def test_a_cut_never_splits_a_character(
    limit: int, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    setup = Setup(tmp_path_factory.mktemp("cut"))
    text = "x" + text.replace("\0", "").replace("\ufeff", "")
    setup.write(cwd=text)
    body = setup.body(limit)
    assert text.startswith(body)
    assert len(body.encode()) <= limit
    whole = len(text.encode()) <= limit
    assert (body == text) == whole == (setup.load(limit).warnings == ())


def test_what_is_no_text(setup: Setup) -> None:
    setup.write(root=b"\xef\xbb\xbfbom", cwd=b"a\xff\xfeb\0c")
    loaded = setup.load()
    assert setup.body() == "bom\n\na\ufffd\ufffdbc"
    path = setup.cwd / "AGENTS.md"
    assert loaded.warnings == (
        f"AGENTS.md: {path} is not valid UTF-8; the model sees replacement characters",
        f"AGENTS.md: {path} has NUL bytes, which are left out",
    )


class TestHostile:
    @pytest.mark.parametrize("target", ["/etc/passwd", "../../home/secret", "../.git/config"])
    def test_links_out_of_the_files_are_not_followed(self, setup: Setup, target: str) -> None:
        (setup.home / "secret").write_text("secret")
        (setup.root / ".git").mkdir()
        (setup.root / ".git" / "config").write_text("token")
        (setup.cwd / "AGENTS.md").symlink_to(target)
        loaded = setup.load()
        assert loaded.text is None
        (warning,) = loaded.warnings
        path = setup.cwd / "AGENTS.md"
        assert warning == f"AGENTS.md: {path} is a link out of the repository's files"

    def test_a_linked_folder_is_no_way_out(self, setup: Setup, tmp_path: Path) -> None:
        (tmp_path / "private").mkdir()
        (tmp_path / "private" / "AGENTS.md").write_text("secret")
        (setup.root / "link").symlink_to(tmp_path / "private")
        loaded = load_instructions(str(setup.home), str(setup.root / "link"), str(setup.root))
        assert loaded.text is None
        assert len(loaded.warnings) == 1

    def test_links_inside_are_fine(self, setup: Setup) -> None:
        (setup.root / "CLAUDE.md").write_text("shared")
        (setup.cwd / "AGENTS.md").symlink_to("../CLAUDE.md")
        assert setup.body() == "shared"

    def test_a_linked_checkout_is_fine(self, setup: Setup, tmp_path: Path) -> None:
        setup.write(root="root")
        (tmp_path / "alias").symlink_to(setup.root)
        alias = str(tmp_path / "alias")
        assert load_instructions(str(setup.home), alias, alias).sources == (f"{alias}/AGENTS.md",)

    def test_pipes_folders_devices_and_dead_links(self, setup: Setup) -> None:
        path = setup.cwd / "AGENTS.md"
        os.mkfifo(path)
        assert setup.load().warnings == (f"AGENTS.md: {path} is not a regular file",)
        path.unlink()
        path.mkdir()
        assert setup.load().warnings == (f"AGENTS.md: {path} is not a regular file",)
        path.rmdir()
        path.symlink_to("/dev/zero")
        assert setup.load().warnings == (f"AGENTS.md: {path} is not a regular file",)
        path.unlink()
        path.symlink_to("nowhere")
        assert setup.load().warnings == (f"AGENTS.md: {path} is a link that leads nowhere",)

    def test_unreadable(self) -> None:
        with tempfile.TemporaryDirectory() as folder, ordinary_user(folder):
            setup = Setup(Path(folder))
            setup.write(cwd="x", home="y", root="z")
            (setup.cwd / "AGENTS.md").chmod(0)
            (setup.home / "AGENTS.md").chmod(0)
            loaded = setup.load()
            assert setup.body() == "z"
        assert loaded.warnings == tuple(
            f"AGENTS.md: {place}/AGENTS.md cannot be read: Permission denied"
            for place in (setup.home, setup.cwd)
        )

    def test_a_pipe_as_the_global_file(self, setup: Setup) -> None:
        os.mkfifo(setup.home / "AGENTS.md")
        (warning,) = setup.load().warnings
        assert warning.endswith("cannot be read: not a regular file")
