"""asyncio without `ssl` and `inspect`: what is imported, and that everything still works."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.unit.model_server import OK, RawServer
from tests.unit.test_transport_tls import CA, server_context

ROOT = Path(__file__).parents[2]

REQUEST = """
import sys
from quire.models.light_asyncio import prepare
prepare(tls={tls})
import asyncio
early = sorted(set(sys.modules))
from tests.unit.model_server import collect, model_at, words
async def main():
    model = model_at("{url}", None, {env})
    print(words(await collect(model)))
    await model.aclose()
before = "ssl" in early
asyncio.run(main())
print(before, "ssl" in sys.modules)
"""

LIGHT = """
import sys
from quire.models.light_asyncio import prepare
prepare(tls=False)
import asyncio
from quire.core.ports import ModelRequest
from quire.models.provider import ProviderConfig
from quire.models.responses import ResponsesModel
from quire.protocol.policy import TurnContext
async def main():
    model = ResponsesModel(ProviderConfig(id="m", base_url="{url}"), None, env={})
    context = TurnContext(cwd="/", model="m", model_provider="m")
    request = ModelRequest(
        thread_id="t", turn_id="u", items=[], tools=b"[]", context=context
    )
    count = 0
    async for _ in model.stream(request):
        count += 1
    await model.aclose()
    print(count)
asyncio.run(main())
print(*sorted(sys.modules))
"""


def run_python(code: str, tls: bool) -> list[str]:
    """Run code in a fresh interpreter against a server; its output lines."""

    async def run() -> list[str]:
        async with RawServer(OK, tls=server_context() if tls else None) as server:
            program = code.replace("{url}", server.url)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, cwd=ROOT,
                env={**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}"},
            )  # fmt: skip
            out, _ = await process.communicate()
            assert process.returncode == 0
            return out.decode().splitlines()

    return asyncio.run(run())


def test_a_plain_request_loads_no_ssl_and_little_else() -> None:
    count, modules = run_python(LIGHT, tls=False)
    assert count == "2"
    loaded = set(modules.split())
    for name in ("ssl", "_ssl", "urllib", "email", "http", "random", "json",
                 "concurrent.futures.thread", "hashlib", "ipaddress"):  # fmt: skip
        assert name not in loaded, name


def test_tls_works_after_asyncio_was_imported_without_ssl() -> None:
    code = REQUEST.replace("{tls}", "False").replace("{env}", repr({"SSL_CERT_FILE": CA}))
    # The helper module imports ssl itself; what counts is that asyncio did without.
    said, loaded = run_python(code, tls=True)
    assert said == "['item message', 'completed r0']"
    assert loaded == "False True"


def test_tls_works_after_a_normal_import() -> None:
    code = REQUEST.replace("{tls}", "True").replace("{env}", repr({"SSL_CERT_FILE": CA}))
    assert run_python(code, tls=True) == ["['item message', 'completed r0']", "True True"]


STAND_IN = """
import sys
from quire.models.light_asyncio import prepare
prepare(tls=False)
before = sys.modules.keys() & {"ssl", "inspect"}
import asyncio
async def work():
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))
    return await asyncio.wait_for(asyncio.sleep(0, "slept"), 1)
print(before, asyncio.run(work()), sys.modules.keys() & {"ssl", "inspect"})
print(asyncio.iscoroutinefunction(work), "inspect" in sys.modules)
import inspect
print(type(inspect).__name__, inspect.iscoroutinefunction(work))
print(asyncio.run(work(), debug=True))
"""


def test_what_asyncio_rarely_needs_comes_when_it_is_needed() -> None:
    assert run_python(STAND_IN, tls=False) == [
        "set() slept set()",
        "True True",
        "module True",
        "slept",
    ]


def test_a_second_preparation_changes_nothing() -> None:
    code = "import asyncio\nfrom quire.models.light_asyncio import prepare\nprepare(False)\n"
    code += "import ssl, sys\nprint(ssl.OPENSSL_VERSION_NUMBER > 0, 'inspect' in sys.modules)"
    assert run_python(code, tls=False) == ["True True"]


def test_what_goes_wrong_is_logged_all_the_same() -> None:
    code = """
import sys
from quire.models.light_asyncio import prepare
prepare(tls=False)
import asyncio
print("logging" in sys.modules)
async def main():
    asyncio.get_running_loop().call_exception_handler({"message": "it went wrong"})
    await asyncio.to_thread(lambda: None)
asyncio.run(main())
print("logging" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "True"]
    assert "it went wrong" in done.stderr
