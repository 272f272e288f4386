"""Draws what a command prints in a terminal, as an SVG: the pictures of the README.

    python -m scripts.picture OUT.svg [--title TITLE] [--columns N] -- COMMAND ...

Runs the command in a real terminal and keeps its colours. No fonts or files from elsewhere.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from html import escape
from pathlib import Path

WIDTH, HEIGHT, LEFT, TOP = 8.43, 18, 16, 44
COLOURS = {"31": "#e5534b", "32": "#57ab5a", "33": "#c69026", "35": "#b083f0", "36": "#39c5cf"}
PLAIN, DIM, BACKGROUND = "#d1d7e0", "#7d8590", "#151b23"
STYLE = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="scripts.picture")
    parser.add_argument("out", type=Path)
    parser.add_argument("--title", default="")
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    text = run(options.command, options.columns)
    options.out.write_text(draw(text, options.title, options.columns), "utf-8")
    return 0


def run(command: list[str], columns: int) -> str:
    """What the command prints in a terminal of that width."""
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 60, columns, 0, 0))
        os.environ["TERM"] = "xterm-256color"
        os.execvp(command[0], command)
    data = b""
    try:
        while chunk := os.read(fd, 65536):
            data += chunk
    except OSError:  # the other side is closed: the end
        pass
    os.waitpid(pid, 0)
    return data.decode("utf-8", "replace").replace("\r\n", "\n")


def draw(text: str, title: str, columns: int) -> str:
    lines = [line.rpartition("\r\x1b[K")[2] for line in text.rstrip("\n").split("\n")]
    rows: list[str] = []
    for line in lines:
        rows += wrap(line, columns)
    width = int(columns * WIDTH + 2 * LEFT)
    height = TOP + len(rows) * HEIGHT + 12
    body = "\n".join(
        f'<text x="{LEFT}" y="{TOP + n * HEIGHT + 12}" xml:space="preserve">{spans(row)}</text>'
        for n, row in enumerate(rows)
    )
    dots = "".join(
        f'<circle cx="{20 + 18 * n}" cy="18" r="5.5" fill="{colour}"/>'
        for n, colour in enumerate(("#e5534b", "#c69026", "#57ab5a"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">\n<title>{escape(title)}</title>\n'
        f'<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}"/>\n{dots}\n'
        f'<g style="{STYLE};font-size:14px;white-space:pre" fill="{PLAIN}">\n'
        f'<text x="{width / 2}" y="22" text-anchor="middle" fill="{DIM}">{escape(title)}</text>\n'
        f"{body}\n</g>\n</svg>\n"
    )


def wrap(line: str, columns: int) -> list[str]:
    """Rows of at most `columns` visible characters."""
    rows, row, used = [], "", 0
    for piece in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|.", line):
        if len(piece) == 1:
            if used == columns:
                rows.append(row)
                row, used = "", 0
            used += 1
        row += piece
    return [*rows, row]


def spans(row: str) -> str:
    """The row with its colours as `tspan`s."""
    out, codes = "", ""
    for piece in re.split(r"(\x1b\[[0-9;?]*[A-Za-z])", row):
        if piece.startswith("\x1b"):
            codes = piece[2:-1] if piece.endswith("m") else codes
        elif piece:
            out += f"<tspan{attributes(codes)}>{escape(piece)}</tspan>"
    return out


def attributes(codes: str) -> str:
    parts = codes.split(";")
    colour = next((COLOURS[code] for code in parts if code in COLOURS), None)
    if "2" in parts:
        colour = DIM
    bold = ' font-weight="bold"' if "1" in parts else ""
    return bold + (f' fill="{colour}"' if colour else "")


if __name__ == "__main__":
    sys.exit(main())
