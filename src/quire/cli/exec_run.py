"""From a parsed `quire exec` command line to its exit code."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from quire.app import App, ModelChoice, Setup, choose_model
from quire.cli.exec import working_folder
from quire.cli.home import quire_home
from quire.cli.options import CommandLineError, Parsed
from quire.config.load import ConfigSources, LoadedConfig, load
from quire.core.errors import UsageError
from quire.models.light_asyncio import prepare

if TYPE_CHECKING:
    from quire.exec.run import Display, Job, Outcome
    from quire.protocol.review import ReviewTarget
    from quire.server.threads import Threads

MOST_SECONDS = 1_000_000
NOT_A_REPOSITORY = "Not inside a trusted directory and --skip-git-repo-check was not specified."


def run_exec(
    parsed: Parsed,
    prompt: str | None,
    subcommand: str | None,
    thread_id: str | None,
    review: ReviewTarget | None = None,
) -> int:
    """Run it; without a prompt the thread is only opened, with `review` it reviews that. Raises
    `QuireError` for what cannot be started."""
    images = _images(parsed)
    last_message_file = _absolute(parsed.one("output-last-message"))
    schema = _output_schema(parsed.one("output-schema"))
    max_seconds = _max_seconds(parsed)
    cwd = working_folder(parsed.one("cd"))
    home = quire_home()
    loaded = _configured(parsed, home, cwd)
    _check_repository(parsed, loaded)
    env = dict(os.environ)
    choice = choose_model(loaded.config, env, home)
    if review is not None:
        _check_reviewer(loaded, choice)
    app = App(
        Setup(
            home=home,
            cwd=cwd,
            env=env,
            loaded=loaded,
            thread_source=parsed.one("thread-source") or "user",
            ignore_rules=parsed.flag("ignore-rules"),
        ),
        choice,
    )
    # Of a broken rule file: nobody is here to be asked about every command instead.
    app.profile.rules().check()
    resume = _thread_to_resume(home, cwd, subcommand, thread_id)
    if last_message_file is not None:
        _write_last_message(last_message_file, "", "a")  # A wrong path costs no turn.
    app.prewarm()
    prepare(choice.needs_tls)
    # From here on asyncio may be imported.
    from quire.exec.run import Job
    from quire.protocol.local import LocalImageInput, TextInput

    text = () if prompt is None else (TextInput(prompt),)
    job = Job(
        input=(*(LocalImageInput(image) for image in images), *text) if text else (),
        resume=resume,
        fork=subcommand == "fork",
        ephemeral=parsed.flag("ephemeral"),
        output_schema=schema,
        warnings=loaded.warnings,
        review=review,
        mute_on_sigterm=parsed.flag("experimental-json"),
        max_seconds=max_seconds,
    )
    run = _run if review is None else partial(_run_review, fail_on=parsed.one("fail-on"))
    outcome = run(app, job, _display(parsed))
    _after(outcome, last_message_file, max_seconds)
    return outcome.exit_code


def _after(outcome: Outcome, last_message_file: str | None, max_seconds: int | None) -> None:
    """Say what the exit code means where it needs words, and keep the last message."""
    from quire.exec.run import EXIT_OUT_OF_TIME

    if outcome.exit_code == EXIT_OUT_OF_TIME:
        sys.stderr.write(
            f"error: the turn was interrupted after the {max_seconds} s of --max-seconds; "
            "`quire exec resume --last` goes on\n"
        )
    done = outcome.exit_code == 0 or outcome.final_message is not None
    if last_message_file is not None and done:
        _keep_last_message(last_message_file, outcome.final_message)


def _configured(parsed: Parsed, home: str, cwd: str) -> LoadedConfig:
    loaded = load_config(parsed, home, cwd)
    return _trust(parsed, home, loaded) if parsed.flag("trust") else loaded


def _images(parsed: Parsed) -> list[str]:
    """Absolute paths of the images that go with the prompt."""
    names = (name for given in parsed.all("image") for name in given.split(",") if name)
    return [os.path.abspath(name) for name in names]


def _run_review(app: App, job: Job, display: Display, fail_on: str | None) -> Outcome:
    """A run whose exit code also depends on what was found: `fail_on` is P0 to P3."""
    from msgspec.structs import replace

    from quire.exec.review import ReviewWatch, judged

    watch = ReviewWatch(display)
    outcome = _run(app, job, watch)
    limit = None if fail_on is None else int(fail_on[1:])
    code = judged(outcome, watch.output, limit)
    return replace(outcome, exit_code=code)


def _check_reviewer(loaded: LoadedConfig, choice: ModelChoice) -> None:
    """Refuse before anything is stored. Raises `UsageError`."""
    from quire.app.reviews import check_model

    check_model(loaded.config.review_model or choice.info.slug)


def _run(app: App, job: Job, display: Display) -> Outcome:
    import asyncio

    from quire.client.client import Client
    from quire.exec.run import StopSignals, run
    from quire.server.memory import MemoryTransport

    stop = StopSignals()

    async def main() -> Outcome:
        try:
            reviews = None if job.review is None else app.reviews()
            transport = MemoryTransport(_threads(app), reviews)
            return await run(Client(transport), job, display, stop)
        finally:
            await app.aclose()

    return asyncio.run(main())


def _threads(app: App) -> Threads:
    """Threads in which nobody can be asked but, where that is configured, the automatic
    reviewer."""
    from quire.server.threads import Threads

    if app.profile.context.approvals_reviewer != "auto_review":
        return Threads(app.opener())
    from quire.app.approvals import auto_reviewer

    reviewer = auto_reviewer(lambda thread_id: threads.find(thread_id))
    threads = Threads(app.opener(reviewer, person=False))
    return threads


def _keep_last_message(path: str, text: str | None) -> None:
    """`-o FILE`: the last message without a newline (row E8)."""
    if text is None:
        sys.stderr.write(f"Warning: no last agent message; wrote empty content to {path}\n")
    _write_last_message(path, text or "")


def _write_last_message(path: str, text: str, mode: str = "w") -> None:
    try:
        with open(path, mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as exc:
        raise UsageError(f"-o: cannot write {path}: {exc.strerror}") from None


def load_config(parsed: Parsed, home: str, cwd: str) -> LoadedConfig:
    """The configuration under these options. Raises `ConfigError`."""
    loaded = load(config_sources(parsed, home, cwd))
    return _with_folders(loaded, [os.path.join(cwd, name) for name in parsed.all("add-dir")])


def config_sources(parsed: Parsed, home: str, cwd: str) -> ConfigSources:
    """Where these options look for the configuration."""
    flags: dict[str, object] = {f"features.{name}": True for name in parsed.all("enable")}
    flags |= {f"features.{name}": False for name in parsed.all("disable")}
    if model := parsed.one("model"):
        flags["model"] = model
    if mode := parsed.one("sandbox"):
        flags["sandbox_mode"] = mode
    if (seconds := _max_seconds(parsed)) is not None:
        flags["offline.max_seconds"] = seconds
    if parsed.flag("approve-for-me"):
        flags |= _approve_for_me(parsed)
    if parsed.flag("dangerously-bypass-approvals-and-sandbox"):
        flags["sandbox_mode"] = "danger-full-access"
        flags["approval_policy"] = "never"
    return ConfigSources(
        home=home,
        cwd=cwd,
        overrides=tuple(parsed.all("config")),
        flags=flags,
        profile=parsed.one("profile"),
        strict=parsed.flag("strict-config"),
        ignore_user=parsed.flag("ignore-user-config"),
    )


def _approve_for_me(parsed: Parsed) -> dict[str, object]:
    for other in ("sandbox", "dangerously-bypass-approvals-and-sandbox"):
        if parsed.flag(other):
            raise CommandLineError(f"'--approve-for-me' cannot be used with '--{other}'")
    return {
        "sandbox_mode": "workspace-write",
        "approval_policy": "on-request",
        "approvals_reviewer": "auto_review",
    }


def _with_folders(loaded: LoadedConfig, folders: list[str]) -> LoadedConfig:
    """`--add-dir` adds to the configured `writable_roots`."""
    from msgspec.structs import replace

    if not folders:
        return loaded
    write = loaded.config.sandbox_workspace_write
    roots = tuple(dict.fromkeys((*map(os.path.normpath, folders), *write.writable_roots)))
    write = replace(write, writable_roots=roots)
    return replace(loaded, config=replace(loaded.config, sandbox_workspace_write=write))


def _thread_to_resume(
    home: str, cwd: str, subcommand: str | None, thread_id: str | None
) -> str | None:
    """The thread that `resume` or `fork` is about; None to start a new one."""
    if subcommand is None:
        return None
    if thread_id is not None:
        return _by_name(home, thread_id)
    from quire.rollout.store import RolloutStore

    newest = RolloutStore(home).latest(cwd)
    if newest is None:
        sys.stderr.write("There is no thread of this folder yet; starting a new one.\n")
    return newest


def _by_name(home: str, session: str) -> str:
    """The id of the thread of this name; an id, and what names nothing, as it is."""
    from quire.rollout.paths import is_thread_id

    if is_thread_id(session.lower()):
        return session
    from quire.rollout.library import Library

    library = Library(home)
    return library.find(session) if library.named(session) else session


def _trust(parsed: Parsed, home: str, loaded: LoadedConfig) -> LoadedConfig:
    from quire.config.errors import one_line
    from quire.config.trust import trust_project

    cwd = os.getcwd()
    project = trust_project(home, cwd, loaded.project_root)
    sys.stderr.write(f"Trusted from now on: {one_line(project)}\n")
    return load_config(parsed, home, cwd)


def _check_repository(parsed: Parsed, loaded: LoadedConfig) -> None:
    from quire.config.repository import find_root

    allowed = (
        parsed.flag("skip-git-repo-check")
        or parsed.flag("dangerously-bypass-approvals-and-sandbox")
        or loaded.trust == "trusted"
    )
    if not allowed and find_root(os.getcwd()) is None:
        raise UsageError(NOT_A_REPOSITORY)


def _max_seconds(parsed: Parsed) -> int | None:
    given = parsed.one("max-seconds")
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and 0 < int(given) <= MOST_SECONDS):
        raise CommandLineError(
            f"invalid value '{given}' for '--max-seconds <SECONDS>': a whole number from 1 to "
            f"{MOST_SECONDS}"
        )
    return int(given)


def _output_schema(path: str | None) -> str | None:
    if path is None:
        return None
    import msgspec

    try:
        with open(path, "rb") as file:
            text = file.read()
        document = msgspec.json.decode(text)
    except OSError as exc:
        raise UsageError(f"--output-schema: cannot read {path}: {exc.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"--output-schema: {path} is not valid JSON: {exc}") from None
    if not isinstance(document, dict):
        raise UsageError(f"--output-schema: {path}: a JSON Schema is an object at its top level")
    return text.decode()


def _absolute(path: str | None) -> str | None:
    return None if path is None else os.path.abspath(path)


def _display(parsed: Parsed) -> Display:
    if parsed.flag("json") or parsed.flag("experimental-json"):
        from quire.exec.jsonl import JsonDisplay

        return JsonDisplay(sys.stdout.buffer)
    from quire.exec.human import human_display

    return human_display(parsed.one("color") or "auto")
