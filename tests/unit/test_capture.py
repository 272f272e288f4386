"""What is kept of a command's output, and what the model is told of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quire.tools.capture import Capture, excerpt, report


def captured(*chunks: bytes, limit: int = 64) -> Capture:
    capture = Capture(limit)
    for chunk in chunks:
        capture.append(chunk)
    return capture


@given(st.lists(st.binary(max_size=50)), st.integers(min_value=2, max_value=80))
def test_head_and_tail_are_exact_whatever_the_chunks(chunks: list[bytes], limit: int) -> None:
    whole = b"".join(chunks)
    head, omitted, tail = captured(*chunks, limit=limit).parts
    half = limit // 2
    assert head == whole[:half]
    assert tail == whole[half:][-half:]
    assert omitted == len(whole) - len(head) - len(tail)


def test_memory_is_bounded() -> None:
    import tracemalloc

    capture = Capture()
    chunk = b"x" * 65536
    tracemalloc.start()
    for _ in range(800):
        capture.append(bytes(chunk))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert capture.total == 800 * 65536
    assert peak < 3 * 1024 * 1024


def test_a_short_output_is_told_whole() -> None:
    text = report("abc123", 0.5, "Process exited with code 0", captured(b"hello\n"), 100)
    assert text == (
        "Chunk ID: abc123\nWall time: 0.5000 seconds\nProcess exited with code 0\n"
        "Original token count: 2\nOutput:\nhello\n"
    )


def test_the_middle_is_cut_out() -> None:
    data = b"".join(b"%d\n" % n for n in range(1, 20001))
    text, original = excerpt(captured(data, limit=1 << 20), 100)
    assert original == 27224
    assert text.startswith(
        "Warning: truncated output (original token count: 27224)\n"
        "Total output lines: 20000\n\n1\n2\n"
    )
    assert "…27124 tokens truncated…" in text
    assert text.endswith("\n20000\n")


def test_what_the_capture_lost_is_counted() -> None:
    text, original = excerpt(captured(b"a" * 100, limit=64), 10)
    assert original == 25
    assert text.startswith(
        "Warning: truncated output (original token count: 25)\n... 36 bytes omitted ...\n\naaa"
    )


@given(st.text(max_size=300), st.integers(min_value=1, max_value=20))
def test_characters_are_never_cut_in_half(text: str, tokens: int) -> None:
    data = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode()
    shown, _ = excerpt(captured(data, limit=1 << 20), tokens)
    assert "\ufffd" not in shown or "\ufffd" in data.decode()


def test_invalid_utf8_and_nul_are_shown_byte_by_byte() -> None:
    assert captured(b"a\xffb\x00c").text() == "a\ufffdb\x00c"


def test_the_budget_is_for_the_text_that_is_told() -> None:
    """The numbers are Codex 0.169's for `head -c 3000 /dev/zero | tr '\\0' '\\377'`."""
    text, original = excerpt(captured(b"\xff" * 3000, limit=1 << 20), 50)
    odd = "\ufffd" * 33
    assert original == 750
    assert text == (
        "Warning: truncated output (original token count: 2250)\nTotal output lines: 1\n\n"
        f"{odd}…2200 tokens truncated…{odd}"
    )


def test_a_budget_of_nothing() -> None:
    text, _ = excerpt(captured(b"hi\n"), 0)
    assert text == (
        "Warning: truncated output (original token count: 1)\nTotal output lines: 1\n\n"
        "…1 tokens truncated…"
    )


def test_what_was_left_out_counts_as_told() -> None:
    """Codex 0.169: 2,000,000 bytes and a last line, of which 1 MiB and a mark are kept."""
    data = b"x" * 2_000_000 + b"END\n"
    text, original = excerpt(captured(data, limit=1 << 20), 50)
    assert original == 500_001
    assert "…262102 tokens truncated…" in text
    whole, _ = excerpt(captured(data, limit=1 << 20), 400_000)
    assert whole == captured(data, limit=1 << 20).text()
    assert "x\n... 951428 bytes omitted ...\nx" in whole


def test_lines_end_with_a_line_feed() -> None:
    text, _ = excerpt(captured(b"a\rb\x0bc\x0c\x1cd\n" * 100, limit=1 << 20), 30)
    assert "Total output lines: 100\n" in text
