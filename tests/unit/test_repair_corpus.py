"""Cases of the repair benchmark: what is written is read, what is malformed is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.repair.corpus import CorpusError, load

WHOLE = {
    "title": "A title\n\n",
    "file": "=== file: a.py\nA = 1\nB = 2\n",
    "kept": "=== kept: test_a.py\nassert True\n",
    "mistake": "=== mistake: a.py\nB = 2\n",
    "instead": "=== instead\nB = 3\n",
}
names = st.from_regex(r"[a-z]{1,8}/?[a-z]{1,8}\.py", fullmatch=True)
lines = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
)
texts = st.lists(lines.filter(lambda line: not line.startswith("=== ")), max_size=5).map(
    lambda some: "".join(f"{line}\n" for line in some)
)


def written(folder: Path, text: str) -> Path:
    path = folder / "case.case"
    path.write_text(text, "utf-8")
    return path


@settings(max_examples=60)
@given(
    files=st.dictionaries(names, texts, max_size=4), kept=st.dictionaries(names, texts, min_size=1)
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, str], kept: dict[str, str]
) -> None:
    files["main.py"] = "FIRST\nright = 1\nLAST\n"
    sections = [f"=== file: {path}\n{text}" for path, text in files.items()]
    sections += [f"=== kept: {path}\n{text}" for path, text in kept.items()]
    sections += ["=== mistake: main.py\nright = 1\n", "=== instead\nwrong = 2\n"]
    path = written(tmp_path_factory.getbasetemp(), "Title\n\n" + "".join(sections))
    program = load(path)
    assert (program.title, program.right, program.kept) == ("Title", files, kept)
    assert program.broken == {**files, "main.py": "FIRST\nwrong = 2\nLAST\n"}


@pytest.mark.parametrize(
    "changed",
    [
        dict.fromkeys(WHOLE, ""),
        {"kept": ""},
        {"mistake": ""},
        {"instead": ""},
        {"mistake": "", "instead": ""},
        {"instead": "=== instead\nB = 2\n"},
        {"mistake": "=== mistake: a.py\nC = 2\n"},
        {"mistake": "=== mistake: other.py\nB = 2\n"},
        {"mistake": "=== mistake: a.py\n"},
        {"file": "=== file: a.py\nB = 2\nB = 2\n"},
        {"file": "stray text\n=== file: a.py\nB = 2\n"},
        {"file": "=== unknown: a.py\nB = 2\n"},
        {"file": "=== file:\nB = 2\n"},
        {"instead": "=== instead\nB = 3\n=== instead\nB = 4\n"},
    ],
)
def test_what_is_malformed_is_refused_in_one_line(changed: dict[str, str], tmp_path: Path) -> None:
    path = written(tmp_path, "".join({**WHOLE, **changed}.values()))
    with pytest.raises(CorpusError) as raised:
        load(path)
    assert str(raised.value).startswith("case")
    assert "\n" not in str(raised.value)


def test_the_whole_case_is_sound_and_no_text_is_refused(tmp_path: Path) -> None:
    assert load(written(tmp_path, "".join(WHOLE.values()))).broken == {"a.py": "A = 1\nB = 3\n"}
    (tmp_path / "case.case").write_bytes(b"A title\n\n=== file: a.py\n\xff\xfe\n")
    with pytest.raises(CorpusError, match=r"^case\.case: "):
        load(tmp_path / "case.case")
