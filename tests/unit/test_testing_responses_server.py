"""The scripted model server, over real HTTP."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from quire.testing.responses_script import ScriptError, ScriptSource, parse_script
from quire.testing.responses_server import (
    ResponsesServer,
    ResponsesServerProcess,
    main,
    provider_config,
)

Json = dict[str, Any]

EXEC: Json = {"type": "function", "name": "exec_command", "parameters": {"properties": {"cmd": {}}}}
FREEFORM: Json = {"type": "custom", "name": "apply_patch"}


def user(text: str) -> Json:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def output(text: str = "done") -> Json:
    return {"type": "function_call_output", "call_id": "c", "output": text}


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One keep-alive connection to a server."""

    def __init__(self, url: str) -> None:
        self._http = http.client.HTTPConnection(url.split("/")[2], timeout=10)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def start(self, method: str, path: str, body: bytes = b"") -> http.client.HTTPResponse:
        self._http.request(method, path, body, {"authorization": "Bearer key"})
        return self._http.getresponse()

    def send(self, method: str, path: str, body: bytes = b"") -> Answer:
        answer = self.start(method, path, body)
        return Answer(answer.status, answer.headers, answer.read())

    def post(self, items: list[Json], tools: list[Json] | None = None) -> Answer:
        body = {"model": "m", "input": items, "tools": [EXEC] if tools is None else tools}
        return self.send("POST", "/v1/responses", json.dumps(body).encode())

    def events(self, items: list[Json], tools: list[Json] | None = None) -> list[Json]:
        answer = self.post(items, tools)
        assert answer.status == 200, answer.body
        assert answer.headers["content-type"] == "text/event-stream"
        return list(parse_events(answer.body))

    def items(self, items: list[Json], tools: list[Json] | None = None) -> list[Json]:
        return done_items(self.events(items, tools))


def parse_events(body: bytes) -> Iterator[Json]:
    for frame in body.decode().split("\n\n")[:-1]:
        event, data = frame.split("\n")
        document = json.loads(data.removeprefix("data: "))
        assert event == f"event: {document['type']}"
        yield document


def done_items(events: list[Json]) -> list[Json]:
    return [one["item"] for one in events if one["type"] == "response.output_item.done"]


def test_items_stream_as_the_responses_api_does() -> None:
    script = [
        [
            {"reasoning": "Hm."},
            {"text": "abc", "repeat": 3, "chunk": 4},
            {"call": "f", "args": {"a": 1}, "call_id": "mine", "namespace": "n"},
            {"custom": "g", "input": "x"},
            {"raw": {"type": "novelty_call"}},
            {"json": {"k": []}},
        ]
    ]
    with ResponsesServer(script) as server, Client(server.url) as client:
        events = client.events([user("go")])
    assert [one["sequence_number"] for one in events] == list(range(len(events)))
    types = [one["type"] for one in events]
    assert types[0] == "response.created" and types[-1] == "response.completed"
    deltas = [one for one in events if one["type"] == "response.output_text.delta"]
    assert [one["delta"] for one in deltas[:3]] == ["abca", "bcab", "c"]
    items = done_items(events)
    assert [item["type"] for item in items] == [
        "reasoning",
        "message",
        "function_call",
        "custom_tool_call",
        "novelty_call",
        "message",
    ]
    assert items[2] | {"id": ""} == {
        "type": "function_call",
        "id": "",
        "call_id": "mine",
        "name": "f",
        "arguments": '{"a":1}',
        "status": "completed",
        "namespace": "n",
    }
    assert items[5]["content"][0]["text"] == '{"k":[]}'
    response = events[-1]["response"]
    assert response["output"] == items and response["usage"]["total_tokens"] == 1050
    assert deltas[0]["item_id"] == items[1]["id"]


def test_turns_come_in_order_on_kept_connections_and_are_recorded() -> None:
    script = [{"sh": "echo {i}", "times": 2}, {"text": "Done.", "usage": {"input_tokens": 7}}]
    with ResponsesServer(script) as server:
        with Client(server.url) as client:
            calls = [client.items([user("go")])[0] for _ in range(2)]
            assert [json.loads(call["arguments"]) for call in calls] == [
                {"cmd": "echo 0"},
                {"cmd": "echo 1"},
            ]
            assert calls[0]["call_id"] != calls[1]["call_id"]
            with pytest.raises(AssertionError, match="1 of 3 turns"):
                server.assert_done()
            last = client.events([user("go"), output("four")])[-1]["response"]
            assert last["usage"]["total_tokens"] == 57 and last["end_turn"] is True
            server.assert_done()
            assert server.connections == 1
            refused = client.post([user("more")])
            assert refused.status == 400 and b"only 3 turns" in refused.body
            with pytest.raises(AssertionError, match="request 4"):
                server.assert_done()
        third = server.requests[2]
        assert third.json()["input"][1]["output"] == "four"
        assert (third.turn, third.final, third.last_output, third.status) == (2, True, 4, 200)
        assert third.headers["authorization"] == "Bearer key"
        assert third.done is not None and third.t <= third.tb <= third.done


def test_by_history_serves_many_sessions_at_once() -> None:
    steps = [{"text": "first", "times": 1}, {"sh": "a"}]
    script = {"turns": [{"items": [{"sh": "a"}, {"sh": "b"}]}, {"sh": "c"}, {"text": "end"}]}
    with ResponsesServer({**script, "by_history": True}) as server, Client(server.url) as client:
        # Two sessions, interleaved; the second one was resumed with another prompt.
        old = [user("x"), output(), output(), output(), user("again")]
        assert len(client.items([user("go")])) == 2
        assert len(client.items(old)) == 2
        after = [output(), output()]
        assert "c" in client.items([user("go"), *after])[0]["arguments"]
        assert "c" in client.items([*old, *after])[0]["arguments"]
        assert client.items([*old, *after, output()])[0]["type"] == "message"
        assert client.post([*old, *after, output(), output()]).status == 400
        server.swap({"turns": steps, "loop": True})
        texts = [client.items([user("go")])[0]["type"] for _ in range(3)]
        assert texts == ["message", "function_call", "message"]


def test_shell_and_patch_take_the_shape_that_is_offered() -> None:
    patch = "*** Begin Patch\n*** Delete File: a\n*** End Patch\n"
    script = {"turns": [[{"sh": "ls", "args": {"tty": True}}, {"patch": patch}]], "loop": True}
    function = {"type": "function", "name": "apply_patch", "parameters": {"properties": {"p": {}}}}
    older = {"type": "function", "name": "shell_command"}
    oldest = {"type": "function", "name": "shell"}
    with ResponsesServer(script) as server, Client(server.url) as client:
        shell, edit = client.items([user("go")], [EXEC, FREEFORM])
        assert (shell["name"], json.loads(shell["arguments"])) == (
            "exec_command",
            {"cmd": "ls", "tty": True},
        )
        assert (edit["type"], edit["input"]) == ("custom_tool_call", patch)
        shell, edit = client.items([user("go")], [older, function])
        assert json.loads(shell["arguments"])["command"] == "ls"
        assert json.loads(edit["arguments"]) == {"p": patch}
        shell, edit = client.items([user("go")], [oldest])
        assert json.loads(shell["arguments"])["command"] == ["bash", "-lc", "ls"]
        heredoc = f"apply_patch <<'END_OF_PATCH'\n{patch}END_OF_PATCH\n"
        assert json.loads(edit["arguments"])["command"][-1] == heredoc


def test_a_prompt_carries_its_own_script() -> None:
    play = '#play [[{"sh": "a"}, {"sh": "b"}], {"text": "x", "usage": {}}, {"text": "never"}] end'
    with ResponsesServer() as server, Client(server.url) as client:
        prompt = user(f"Please. {play}")
        context = user("<environment_context/>")
        assert len(client.items([context, prompt])) == 2
        answer = client.items([context, prompt, output(), output()])
        assert answer[0]["content"][0]["text"] == "x"
        later = [prompt, output(), output(), user('#play {"count": "turns"}'), context]
        assert client.items(later)[0]["content"][0]["text"] == "turns=2"
        assert "finished" in str(client.items([*later, output()]))
        assert client.items([user("hello")])[0]["content"][0]["text"] == "ok"
        assert client.post([user('#play {"status": 429}')]).status == 429
        for bad in ("#play {", '#play {"nonsense": 1}'):
            assert client.post([user(bad)]).status == 400
        assert len(server.complaints) == 2


def test_failures_carry_body_and_headers() -> None:
    script = [
        {"status": 429, "headers": {"retry-after": "2"}, "error": {"error": {"code": "slow"}}},
        {"status": 502, "error": "<html>bad gateway</html>"},
        {"status": 500},
        {"text": "x", "headers": {"x-note": "hi"}},
    ]
    with ResponsesServer(script) as server, Client(server.url) as client:
        first = client.post([])
        assert (first.status, first.headers["retry-after"]) == (429, "2")
        assert first.json() == {"error": {"code": "slow"}}
        second = client.post([])
        assert second.headers["content-type"] == "text/plain" and b"html" in second.body
        assert client.post([]).json()["error"]["message"] == "scripted failure"
        last = client.post([])
        assert last.headers["x-note"] == "hi" and len(last.body) > 100
        assert [one.status for one in server.requests] == [429, 502, 500, 200]


def test_streams_are_cut_stalled_and_ended_as_scripted() -> None:
    script: list[Json] = [
        {"text": "abcdef", "chunk": 1, "cut_after": 5},
        {"text": "abcdef", "cut_after_bytes": 40},
        {"text": "abcdef", "cut_after": 0},
        {"text": "abcdef", "end": []},
        {"text": "a", "end": [["response.failed", {"response": {"error": {"code": "x"}}}]]},
        {"wire": "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab"},
        {"wire": ""},
    ]
    with ResponsesServer(script) as server:
        cut: list[bytes] = []
        for _ in range(3):
            with (
                Client(server.url) as client,
                pytest.raises(http.client.IncompleteRead) as caught,
            ):
                client.post([])
            cut.append(caught.value.partial)
        assert len(list(parse_events(cut[0]))) == 5
        assert len(cut[1]) == 40 and cut[2] == b""
        with Client(server.url) as client:
            assert client.events([])[-1]["type"] == "response.output_item.done"
            failed = client.events([])[-1]
            assert failed["type"] == "response.failed"
            assert failed["response"]["error"] == {"code": "x"} and failed["response"]["id"]
            with pytest.raises(http.client.IncompleteRead):
                client.post([])
        with Client(server.url) as client, pytest.raises(http.client.RemoteDisconnected):
            client.post([])
        assert [one.cut for one in server.requests] == [True] * 3 + [False] * 2 + [True] * 2


def test_a_stalled_stream_waits_for_the_client_to_leave() -> None:
    with ResponsesServer([{"text": "x", "stall_after": 2}, {"delay": 0.05, "text": "y"}]) as server:
        with Client(server.url) as client:
            answer = client.start("POST", "/v1/responses", b"{}")
            assert answer.read1(65536).startswith(b"event: response.created")
            server.wait_for_requests(1)
            assert server.requests[0].done is None
        with Client(server.url) as client:
            began = time.monotonic()
            client.events([])
            assert time.monotonic() - began >= 0.05
        with pytest.raises(TimeoutError, match="2 of 3"):
            server.wait_for_requests(3, timeout=0.01)


def test_pace_spaces_frames_out() -> None:
    with ResponsesServer([{"text": "x", "pace": 0.01}]) as server, Client(server.url) as client:
        began = time.monotonic()
        events = client.events([])
        assert time.monotonic() - began >= 0.01 * len(events)


def test_http_mistakes_of_a_client_are_complaints() -> None:
    with ResponsesServer([{"text": "x"}]) as server:
        host = server.url.split("/")[2].split(":")
        with socket.create_connection((host[0], int(host[1]))) as sock:
            sock.sendall(b"POST /v1/responses HTTP/1.1\r\n\r\n")  # no Host
            assert sock.recv(100) == b""
        with Client(server.url) as client:
            assert client.send("POST", "/v1/responses", b"not json").status == 400
        assert len(server.complaints) == 2 and "Host" in server.complaints[0]
        assert server.requests[0].json() == "not json"
        with pytest.raises(AssertionError, match="Host"):
            server.assert_done()


def test_expect_continue_is_answered() -> None:
    with ResponsesServer() as server:
        host, port = server.url.split("/")[2].split(":")
        with socket.create_connection((host, int(port))) as sock:
            sock.sendall(
                b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            assert sock.recv(100).startswith(b"HTTP/1.1 100")
            sock.sendall(b"2\r\n{}\r\n0\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200")


def test_other_paths() -> None:
    with ResponsesServer([{"text": "x"}]) as server, Client(server.url) as client:
        models = client.send("GET", "/v1/models?a=b")
        assert models.json() == {"object": "list", "data": [], "models": []}
        assert b"no such path" in client.send("GET", "/v1/other").body
        assert client.send("POST", "/__script", b'{"turns": [{"bad": 1}]}').status == 400
        assert client.send("POST", "/__script", b'["x"]').status == 400
        assert client.send("POST", "/__script", b'[{"text": "new"}]').status == 200
        assert client.items([])[0]["content"][0]["text"] == "new"
        stats = client.send("GET", "/__stats").json()
        assert (stats["connections"], stats["unused"], stats["complaints"]) == (1, 0, [])


@pytest.mark.parametrize(
    "script",
    [
        b"{",
        b'"text"',
        b'{"turn": []}',
        [{"text": "a", "sh": "b"}],
        [{"txt": "a"}],
        [{"items": [{"text": "a"}], "dely": 1}],
        [{"text": "a", "chunk": 0}],
        [3],
    ],
)
def test_bad_scripts_are_refused(script: ScriptSource) -> None:
    with pytest.raises(ScriptError, match="script"):
        parse_script(script)


def test_process_logs_without_credentials(tmp_path: Any) -> None:
    log = str(tmp_path / "log.jsonl")
    with ResponsesServerProcess(log, bodies=True) as server:
        server.swap({"turns": [{"text": "one", "repeat": 9000}], "loop": True})
        with Client(server.url) as client:
            first = client.events([user("go")])
            again = client.events([user("go"), output("12345")])
        assert len(first) == len(again) > 1000
        server.post("/__mark", {"rep": 1})
        (one, two), none = server.requests(), server.requests()
        assert two.last_output == 5 and two.json()["model"] == "m" and none == []
        assert two.done is not None and one.done is not None and one.done <= two.t
        with pytest.raises(ValueError, match="turn 0"):
            server.swap([{"bad": 1}])
    with open(log) as file:
        text = file.read()
    assert "Bearer key" not in text and '"mark":{"rep":1}' in text
    assert os.stat(log).st_mode & 0o777 == 0o600


def test_command_line(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "script.json"
    assert main(["--script", str(script)]) == 2
    script.write_text('[{"nonsense": true}]')
    assert main(["--script", str(script)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert "No such file" in errors[0] and "turn 0" in errors[1]
    shown = subprocess.run(
        [sys.executable, "-m", "quire.testing.responses_server", "--help"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--script" in shown.stdout


def test_provider_config_is_toml() -> None:
    import tomllib

    config = tomllib.loads(provider_config("http://127.0.0.1:1/v1", extra="stream_max_retries = 1"))
    assert config["model_providers"]["mock"]["base_url"] == "http://127.0.0.1:1/v1"
    assert config["model_providers"]["mock"]["stream_max_retries"] == 1
