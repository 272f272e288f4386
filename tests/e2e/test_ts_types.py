"""The files of `generate-ts` are right TypeScript, and a client can be written with them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from quire.server.schema_ts import write_typescript
from tests.e2e.clients import needs_npm, node

HERE = Path(__file__).parent / "ts_sdk"
COMPILER = HERE / "node_modules" / "typescript" / "bin" / "tsc"
FLAGS = ("--noEmit", "--strict", "--target", "es2022", "--module", "esnext")
RESOLUTION = ("--moduleResolution", "bundler", "--isolatedModules")

pytestmark = needs_npm(HERE)


def test_a_client_compiles_against_the_generated_types(tmp_path: Path) -> None:
    write_typescript(str(tmp_path / "generated"), experimental=True)
    shutil.copy(HERE / "words.ts", tmp_path)
    command = [str(node()), str(COMPILER), *FLAGS, *RESOLUTION, "words.ts"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout


def test_every_module_is_in_an_index(tmp_path: Path) -> None:
    write_typescript(str(tmp_path), experimental=False)
    for folder in (tmp_path, tmp_path / "v2"):
        index = (folder / "index.ts").read_text("utf-8")
        for module in folder.glob("*.ts"):
            assert module.stem == "index" or f'"./{module.stem}"' in index
    assert not (tmp_path / "v2" / "ThreadQueueAddParams.ts").exists()
    assert "thread/queue/add" not in (tmp_path / "ClientRequest.ts").read_text("utf-8")
