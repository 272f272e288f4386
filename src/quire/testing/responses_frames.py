"""Scripted items as the events of the Responses API's stream (`text/event-stream`)."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec

from quire.testing.responses_request import ModelQuery
from quire.testing.responses_script import ItemSpec, TurnSpec, UsageSpec

Json = dict[str, object]
Event = tuple[str, Json]

_NOTHING: tuple[Json, ...] = ()
_encoder = msgspec.json.Encoder()


def turn_frames(turn: TurnSpec, query: ModelQuery, tag: str, prompts: int = 0) -> Iterator[bytes]:
    """The SSE frames of one answer. Ids derive from `tag`; `prompts` is what `count` tells."""
    for sequence, (event, data) in enumerate(_turn_events(turn, query, tag, prompts)):
        document = _encoder.encode({"type": event, "sequence_number": sequence, **data})
        yield b"event: %b\ndata: %b\n\n" % (event.encode(), document)


def _turn_events(turn: TurnSpec, query: ModelQuery, tag: str, prompts: int) -> Iterator[Event]:
    response: Json = {
        "id": f"resp_{tag}",
        "object": "response",
        "created_at": int(time.time()),
        "model": query.model,
        "status": "in_progress",
        "output": [],
    }
    yield "response.created", {"response": response}
    output: list[Json] = []
    for index, spec in enumerate(turn.items):
        item = _item(spec, query, f"{tag}_{index}", prompts)
        output.append(item)
        yield from _item_events(item, index, spec.chunk)
    if turn.end is None:
        done = {"status": "completed", "output": output, "usage": _usage(turn.usage)}
        yield "response.completed", {"response": response | done | {"end_turn": turn.is_final}}
        return
    for event, data in turn.end:
        given = data.get("response")
        whole = response | msgspec.convert(given, Json) if given is not None else None
        yield event, data if whole is None else data | {"response": whole}


def _usage(spec: UsageSpec) -> Json:
    return {
        "input_tokens": spec.input_tokens,
        "input_tokens_details": {"cached_tokens": spec.cached_tokens},
        "output_tokens": spec.output_tokens,
        "output_tokens_details": {"reasoning_tokens": spec.reasoning_tokens},
        "total_tokens": spec.input_tokens + spec.output_tokens,
    }


# --- items ---------------------------------------------------------------------------------


def _item(spec: ItemSpec, query: ModelQuery, tag: str, prompts: int) -> Json:
    """The finished item of a spec, in the shape of the tools that the request offers."""
    if spec.raw is not None:
        return spec.raw
    if spec.reasoning is not None:
        summary = [{"type": "summary_text", "text": spec.reasoning}]
        return {
            "type": "reasoning",
            "id": f"rs_{tag}",
            "summary": summary,
            "encrypted_content": "opaque",
        }
    call_id = spec.call_id or f"call_{tag}"
    if spec.custom is not None:
        return _custom(tag, call_id, spec.custom, spec.input)
    if spec.call is not None:
        args = spec.args if isinstance(spec.args, str) else _encoder.encode(spec.args).decode()
        item = _function(tag, call_id, spec.call, args)
        return item if spec.namespace is None else item | {"namespace": spec.namespace}
    if spec.sh is not None:
        return _shell(spec.sh, spec, query, tag, call_id)
    if spec.patch is not None:
        return _patch(spec.patch, spec, query, tag, call_id)
    return _message(tag, _message_text(spec, prompts))


def _message_text(spec: ItemSpec, prompts: int) -> str:
    if spec.text is not None:
        return spec.text * spec.repeat
    return f"turns={prompts}" if spec.count else _encoder.encode(spec.json).decode()


def _message(tag: str, text: str) -> Json:
    return {
        "type": "message",
        "id": f"msg_{tag}",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


def _function(tag: str, call_id: str, name: str, arguments: str) -> Json:
    return {
        "type": "function_call",
        "id": f"fc_{tag}",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        "status": "completed",
    }


def _custom(tag: str, call_id: str, name: str, text: str) -> Json:
    return {
        "type": "custom_tool_call",
        "id": f"ctc_{tag}",
        "call_id": call_id,
        "name": name,
        "input": text,
        "status": "completed",
    }


def _shell(command: str, spec: ItemSpec, query: ModelQuery, tag: str, call_id: str) -> Json:
    """`exec_command {cmd}` unless the request offers only an older shell tool."""
    extra = {} if isinstance(spec.args, str) else spec.args
    args: Json = {"cmd": command, **extra}
    name = "exec_command"
    if query.tool(name) is None and query.tool("shell_command") is not None:
        name, args = "shell_command", {"command": command, **extra}
    elif query.tool(name) is None and query.tool("shell") is not None:
        name, args = "shell", {"command": ["bash", "-lc", command], **extra}
    return _function(tag, call_id, name, _encoder.encode(args).decode())


def _patch(text: str, spec: ItemSpec, query: ModelQuery, tag: str, call_id: str) -> Json:
    """A freeform `apply_patch`, a function, or a heredoc for the shell, as offered."""
    tool = query.tool("apply_patch")
    if tool is None:
        command = f"apply_patch <<'END_OF_PATCH'\n{text.rstrip()}\nEND_OF_PATCH\n"
        return _shell(command, spec, query, tag, call_id)
    if tool.parameters is None:
        return _custom(tag, call_id, tool.name, text)
    parameter = next(iter(tool.parameters.properties), "input")
    return _function(tag, call_id, tool.name, _encoder.encode({parameter: text}).decode())


# --- events of an item ---------------------------------------------------------------------


def _item_events(item: Json, index: int, chunk: int) -> Iterator[Event]:
    match item:
        case {"type": "message", "id": str(key), "content": [{"text": str(text)}]}:
            yield from _message_events(item, key, text, index, chunk)
        case {"type": "reasoning", "id": str(key), "summary": [{"text": str(text)}]}:
            yield from _reasoning_events(item, key, text, index)
        case {"type": "function_call", "id": str(key), "arguments": str(text)}:
            open_item = item | {"arguments": "", "status": "in_progress"}
            yield _added(open_item, index)
            at: Json = {"item_id": key, "output_index": index}
            yield "response.function_call_arguments.delta", at | {"delta": text}
            yield "response.function_call_arguments.done", at | {"arguments": text}
        case {"type": "custom_tool_call", "id": str(key), "input": str(text)}:
            yield _added(item | {"input": "", "status": "in_progress"}, index)
            at = {"item_id": key, "output_index": index}
            yield "response.custom_tool_call_input.delta", at | {"delta": text}
            yield "response.custom_tool_call_input.done", at | {"input": text}
        case _:
            yield _added(item, index)
    yield "response.output_item.done", {"output_index": index, "item": item}


def _added(item: Json, index: int) -> Event:
    return "response.output_item.added", {"output_index": index, "item": item}


def _message_events(item: Json, key: str, text: str, index: int, chunk: int) -> Iterator[Event]:
    yield _added(item | {"status": "in_progress", "content": _NOTHING}, index)
    at: Json = {"item_id": key, "output_index": index, "content_index": 0}
    part: Json = {"type": "output_text", "text": "", "annotations": []}
    yield "response.content_part.added", at | {"part": part}
    for start in range(0, len(text), chunk):
        yield "response.output_text.delta", at | {"delta": text[start : start + chunk]}
    yield "response.output_text.done", at | {"text": text}
    yield "response.content_part.done", at | {"part": part | {"text": text}}


def _reasoning_events(item: Json, key: str, text: str, index: int) -> Iterator[Event]:
    yield _added(item | {"summary": _NOTHING}, index)
    at: Json = {"item_id": key, "output_index": index, "summary_index": 0}
    part: Json = {"type": "summary_text", "text": ""}
    yield "response.reasoning_summary_part.added", at | {"part": part}
    yield "response.reasoning_summary_text.delta", at | {"delta": text}
    yield "response.reasoning_summary_text.done", at | {"text": text}
