"""The items of a turn and what a person sends, under short names."""

from __future__ import annotations

from quire.protocol.rpc.items import AgentMessageThreadItem as AgentMessage
from quire.protocol.rpc.items import CommandExecutionThreadItem as CommandExecution
from quire.protocol.rpc.items import FileChangeThreadItem as FileChange
from quire.protocol.rpc.items import ImageUserInput as Image
from quire.protocol.rpc.items import LocalImageUserInput as LocalImage
from quire.protocol.rpc.items import MentionUserInput as Mention
from quire.protocol.rpc.items import PlanThreadItem as Plan
from quire.protocol.rpc.items import ReasoningThreadItem as Reasoning
from quire.protocol.rpc.items import TextUserInput as Text
from quire.protocol.rpc.items import ThreadItem as ThreadItem
from quire.protocol.rpc.items import UserMessageThreadItem as UserMessage

__all__ = [
    "AgentMessage",
    "CommandExecution",
    "FileChange",
    "Image",
    "LocalImage",
    "Mention",
    "Plan",
    "Reasoning",
    "Text",
    "ThreadItem",
    "UserMessage",
]
