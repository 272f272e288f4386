"""Trusting a project."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest

from quire.config.errors import ConfigError
from quire.config.trust import trust_of, trust_project


def level(home: Path, project: str) -> object:
    text = (home / "config.toml").read_text()
    return tomllib.loads(text)["projects"][project]["trust_level"]


@pytest.mark.parametrize(
    "before",
    [
        "",
        '# mine\nmodel = "x"  # best\n',
        '[projects."/other"]\n# why\ntrust_level = "untrusted"\n\n[features]\na = true\n',
        'projects = { "/other" = { trust_level = "untrusted" } }\n',
        'projects."/other".trust_level = "trusted"\n[tui]\ntheme = "x"\n',
        '[projects."/p/q"]\n# note\n\n[tui]\ntheme = "x"\n',
        '[projects."/a"]\ntrust_level = "trusted"\n[tui]\nx = 1\n[projects."/b"]\n',
        '\ufeffmodel = "x"\r\n',
    ],
)
def test_it_is_written_and_the_rest_stays(tmp_path: Path, before: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(before.encode())
    path.chmod(0o640)
    assert trust_project(str(tmp_path), "/p/q/r", "/p/q") == "/p/q"
    assert level(tmp_path, "/p/q") == "trusted"
    after = path.read_text()
    missing = [line for line in before.lstrip("\ufeff").split("\n") if line.strip() not in after]
    assert missing in ([], [before.split("\n")[0]])  # an inline table grows on its line
    old, new = tomllib.loads(before.lstrip("\ufeff")), tomllib.loads(after)
    new["projects"]["/p/q"] = old.get("projects", {}).get("/p/q")
    assert {k: v for k, v in new.items() if k != "projects"} == {
        k: v for k, v in old.items() if k != "projects"
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["config.toml"]
    trust_project(str(tmp_path), "/p/q/r", "/p/q")
    assert path.read_text() == after


def test_a_new_file_is_private_and_a_new_home_too(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    trust_project(str(home), "/p", None)
    assert level(home, "/p") == "trusted"
    assert stat.S_IMODE((home / "config.toml").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    home, target = tmp_path / "home", tmp_path / "dotfiles.toml"
    home.mkdir()
    target.write_text('model = "x"\n')
    (home / "config.toml").symlink_to(target)
    trust_project(str(home), "/p", None)
    assert (home / "config.toml").is_symlink()
    assert 'trust_level = "trusted"' in target.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[projects."/p"]\ntrust_level = "untrusted"\n', "/p is marked untrusted"),
        ("projects = 3\n", "`projects` is no table of tables"),
        ('projects."/p" = 3\n', "`projects` is no table of tables"),
        ("model = = 1\n", "line 1, column 9: invalid value"),
    ],
)
def test_it_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        trust_project(str(tmp_path), "/p", "/p")
    assert str(error.value).startswith(f"config: {path}: {message}")
    assert path.read_text() == text


def test_a_home_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        trust_project(str(tmp_path / "home"), "/p", None)


def test_whose_entry_counts(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    link = str(tmp_path / "link")
    assert trust_of({str(real): {"trust_level": "trusted"}}, link, None) == "trusted"
    assert trust_of({f"{link}/": {"trust_level": "trusted"}}, link, None) == "trusted"
    assert trust_of({link: {"trust_level": "trusted"}}, str(real), None) is None
    projects: dict[str, object] = {
        "/p": {"trust_level": "trusted"},
        "/p/sub": {"trust_level": "untrusted"},
    }
    assert trust_of(projects, "/p/sub", "/p") == "untrusted"
    assert trust_of(projects, "/p/other", "/p") == "trusted"
    assert trust_of(projects, "/p/other", None) is None
    assert trust_of({"/p": 3, "/q": {"trust_level": 1}}, "/q", "/p") is None
