"""`quire debug`: what a model would be told, and what is known of models (row P13)."""

from __future__ import annotations

import os
import sys

from quire.cli.exec import OPTIONS as EXEC_OPTIONS
from quire.cli.exec import working_folder
from quire.cli.options import CommandLineError, Option, help_text, parse

_SHARED = ("config", "enable", "disable", "image", "model", "profile", "sandbox", "cd", "add-dir")
PROMPT_OPTIONS = (
    *(option for option in EXEC_OPTIONS if option.key in _SHARED),
    Option(("--help", "-h"), "Show this help"),
)
MODELS_OPTIONS = (
    Option(("--bundled",), "The catalog that Quire brings, whatever the configuration says"),
    Option(("--config", "-c"), "Set a config key: KEY=VALUE, VALUE as in TOML", "KEY=VALUE", True),
    Option(("--help", "-h"), "Show this help"),
)
HELP = """\
Debugging tools

Usage: quire debug COMMAND [OPTIONS]

Commands:
  prompt-input [PROMPT]  The items of a new thread's first request, as JSON
  models                 The model catalog, as JSON
"""


def run(argv: list[str]) -> int:
    """Run `quire debug ARGV`; the exit code. Raises `QuireError`."""
    match argv[:1]:
        case ["prompt-input"]:
            return _prompt_input(argv[1:])
        case ["models"]:
            return _models(argv[1:])
        case [] | ["-h"] | ["--help"]:
            sys.stdout.write(HELP)
            return 0
        case _:
            raise CommandLineError(f"there is no `quire debug {argv[0]}`; see quire debug --help")


def _prompt_input(argv: list[str]) -> int:
    parsed = parse(argv, PROMPT_OPTIONS)
    if parsed.flag("help"):
        usage = "quire debug prompt-input [OPTIONS] [PROMPT]"
        sys.stdout.write(help_text(usage, "Show what a model would be told.", PROMPT_OPTIONS))
        return 0
    if len(parsed.words) > 1:
        raise CommandLineError(f"unexpected argument '{parsed.words[1]}' found; quote the prompt")
    import msgspec

    from quire.app import App, Setup, choose_model
    from quire.cli.exec_run import load_config
    from quire.cli.home import quire_home
    from quire.protocol.local import InputPart, LocalImageInput, TextInput

    images = [os.path.abspath(name) for name in parsed.all("image")]
    cwd, home, env = working_folder(parsed.one("cd")), quire_home(), dict(os.environ)
    loaded = load_config(parsed, home, cwd)
    choice = choose_model(loaded.config, env, home)
    app = App(Setup(home=home, cwd=cwd, env=env, loaded=loaded), choice)
    parts: list[InputPart] = [LocalImageInput(image) for image in images]
    parts += [TextInput(word) for word in parsed.words]
    items = app.opener().prompt_input(tuple(parts))
    document = b"[" + b",".join(bytes(item) for item in items) + b"]"
    sys.stdout.write(msgspec.json.format(document, indent=2).decode() + "\n")
    return 0


def _models(argv: list[str]) -> int:
    parsed = parse(argv, MODELS_OPTIONS)
    if parsed.flag("help"):
        about = "Show the model catalog."
        sys.stdout.write(help_text("quire debug models [OPTIONS]", about, MODELS_OPTIONS))
        return 0
    import msgspec

    from quire.cli.exec_run import load_config
    from quire.cli.home import quire_home
    from quire.models.catalog import load

    path = None
    if not parsed.flag("bundled"):
        path = load_config(parsed, quire_home(), os.getcwd()).config.model_catalog_json
    sys.stdout.write(msgspec.json.encode({"models": load(path)}).decode() + "\n")
    return 0
