"""The prompt as an append-only list that many states share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from quire.protocol.items import Encoded


class Prompt(Sequence[Encoded]):
    """The encoded items of a prompt, in its order. One append-only list is shared by all states
    of a thread; a state holds a length of it, so that appending is O(1)."""

    __slots__ = ("_items", "_length")

    def __init__(self, items: list[Encoded] | None = None, length: int = 0) -> None:
        self._items = [] if items is None else items
        self._length = length

    def extended(self, added: Sequence[Encoded]) -> Prompt:
        """This prompt and `added` after it. Copies only when this is not the newest state."""
        newest = self._length > 0 and len(self._items) == self._length
        shared = self._items if newest else self._items[: self._length]
        shared.extend(added)
        return Prompt(shared, len(shared))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Encoded]:
        for index in range(self._length):
            yield self._items[index]

    @overload
    def __getitem__(self, index: int) -> Encoded: ...
    @overload
    def __getitem__(self, index: slice) -> list[Encoded]: ...
    def __getitem__(self, index: int | slice) -> Encoded | list[Encoded]:
        if isinstance(index, slice):
            return [self._items[i] for i in range(*index.indices(self._length))]
        return self._items[range(self._length)[index]]
