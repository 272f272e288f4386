"""P001-P015: the handshake, and messages that are wrong."""

from __future__ import annotations

from tests.protocol.conftest import NewProgram
from tests.protocol.program import Program
from tests.protocol.talk import Talk


def test_p001_initialize_tells_who_answers(new_program: NewProgram) -> None:
    said = new_program().initialize()
    assert said["userAgent"].startswith("suite/0.169.0 (")
    assert said["userAgent"].endswith("(suite; 1.2.3)")


def test_p002(talk: Talk) -> None:
    talk.play({"text": "hello there"})
    t = talk.run()
    print(t.words)
    assert 0
