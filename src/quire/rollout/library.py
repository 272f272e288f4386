"""The stored threads of one home: list, find, name, put aside, delete.

The files are the only truth. What they say is read when it is asked for and kept in this process
while a file stays as it is; there is no index that could be wrong.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence

from quire.core.errors import RolloutError, UsageError
from quire.protocol.records import GitInfo, Record
from quire.protocol.stored import (
    MAX_PAGE,
    Hit,
    HitPage,
    ListQuery,
    Occurrence,
    Page,
    StoredThread,
)
from quire.rollout.heads import Head, Heads
from quire.rollout.lines import timestamp
from quire.rollout.listing import days, find_rollout, find_segment, segments
from quire.rollout.locks import WriterLock
from quire.rollout.notes import ThreadMetadata, ThreadName, thread_metadata, thread_names
from quire.rollout.pages import (
    Key,
    backwards_of,
    created_ms,
    cursor_of,
    key_of,
    newest_files,
    page_of,
    rollouts_in,
    updated_ms,
)
from quire.rollout.paths import (
    ARCHIVED,
    dated_folder,
    is_thread_id,
    make_folders,
    segment_of,
)
from quire.rollout.resume import load
from quire.rollout.search import MAX_BYTES, Term
from quire.rollout.turns import newest_turn_records, turn_records


class Library:
    """The threads below `home`. `now` gives seconds since the epoch. Several
    processes may use one home, and several threads of this process may read at once."""

    def __init__(self, home: str, now: Callable[[], float] = time.time) -> None:
        self.home = home
        self._now = now
        self._heads = Heads(self._find_segment)
        self._names = thread_names(home)
        self._metadata = thread_metadata(home)

    # --- reading -------------------------------------------------------------------------

    def list(self, query: ListQuery) -> Page:
        """One page. Threads in which nobody spoke, and files that cannot be read, are not in it.
        Raises `UsageError` for a cursor that is none."""
        start = key_of(query.cursor) if query.cursor is not None else None
        limit = min(max(query.limit, 1), MAX_PAGE)
        found: list[tuple[Key, StoredThread]] = []
        for key, thread in self.walk(query, start):
            if len(found) == limit:
                return page_of(query, found, more=True)
            found.append((key, thread))
        return page_of(query, found, more=False)

    def walk(
        self, query: ListQuery, start: Key | None = None
    ) -> Iterator[tuple[Key, StoredThread]]:
        """All threads that fit, lazily, behind `start`; the query's cursor and limit do not
        count."""
        files = newest_files(self.home, query.archived)
        by_time = query.sort_key == "updated_at"
        keys = sorted(
            ((updated_ms(path) if by_time else created_ms(path, thread_id), thread_id), path)
            for thread_id, path in files.items()
            if thread_id not in query.excluded_ids
        )
        for key, path in reversed(keys) if query.descending else keys:
            if start is not None and (key >= start if query.descending else key <= start):
                continue
            thread = self._fitting(path, query)
            if thread is not None:
                yield key, thread

    def find(self, id_or_name: str, *, archived: bool | None = None) -> str:
        """The id of a stored thread; an id wins over a name. `archived` False looks only among
        threads in use, True only among those put aside. Raises `UsageError` in Codex's words
        (0.169) when there is none, or several of that name."""
        if is_thread_id(id_or_name.lower()):
            self._files(id_or_name, archived)
            return id_or_name.lower()
        found = self.named(id_or_name, archived=archived)
        if not found:
            kind = {None: "saved", False: "active", True: "archived"}[archived]
            raise UsageError(f"No {kind} session found matching '{id_or_name}'.")
        if len(found) > 1:
            raise UsageError(
                f"Multiple sessions match '{id_or_name}' (including {found[0]} and {found[1]}); "
                "use a session UUID to disambiguate."
            )
        return found[0]

    def named(self, name: str, *, archived: bool | None = None) -> Sequence[str]:
        """The ids of the stored threads of this name."""
        return [
            thread_id
            for thread_id, note in self._names.all().items()
            if note.thread_name == name
            and is_thread_id(thread_id)
            and segments(self.home, thread_id, archived=archived)
        ]

    def thread(self, thread_id: str) -> StoredThread:
        """One thread, archived or not. Raises `UsageError` for an id that is not stored,
        `RolloutError` for a file that cannot be read."""
        path = self.path(thread_id)
        head = self._heads.head(path)
        if head is None:
            raise RolloutError(
                f"{path}:1: the first line is no readable session_meta line; restore the file "
                "from a copy"
            )
        return self._stored(path, head)

    def path(self, thread_id: str) -> str:
        """The newest file of a thread, archived or not. Raises `UsageError`."""
        path = find_rollout(self.home, thread_id)
        if path is None:
            raise _unknown(thread_id)
        return path

    def records(self, thread_id: str) -> tuple[Record, ...]:
        """Its whole log, items for people included, without the right to write it. Raises
        `UsageError`, `RolloutError`."""
        return tuple(load(self.path(thread_id), self._find_segment, items=True).records)

    def turn_records(self, thread_id: str, newest: int | None = None) -> list[Record]:
        """What people see of its log: beginnings and ends of turns, and their items. With
        `newest` those of the last so many turns, for which the rest of the file is not read.
        Raises `UsageError`, `RolloutError`."""
        path = self.path(thread_id)
        if newest is None:
            return turn_records(path, self._find_segment)
        return newest_turn_records(path, max(newest, 0), self._find_segment)

    def search(self, text: str, query: ListQuery) -> HitPage:
        """One page of the threads in which a person or the model said `text`. Raises `UsageError`
        for an empty text or a cursor that is none. A page may be short, even empty, and have a
        `next_cursor`: there is a bound on what is read for one."""
        term = Term(text)
        if not term:
            raise UsageError("thread/search requires a non-empty searchTerm")
        start = key_of(query.cursor) if query.cursor is not None else None
        limit = min(max(query.limit, 1), MAX_PAGE)
        hits: list[tuple[Key, Hit]] = []
        left, last = MAX_BYTES, start
        for key, thread in self.walk(query, start):
            if len(hits) == limit or left <= 0:
                break
            last = key
            left -= os.stat(thread.path).st_size if os.path.exists(thread.path) else 0
            snippet = self._snippet(thread, term)
            if snippet is not None:
                hits.append((key, Hit(thread, snippet)))
        else:
            last = None
        return HitPage(
            tuple(hit for _, hit in hits),
            cursor_of(last) if last is not None else None,
            backwards_of(query, hits[0][0]) if hits else None,
        )

    def occurrences(self, thread_id: str, text: str) -> Iterator[Occurrence]:
        """Every place of `text` in one thread, oldest first. Raises `UsageError`,
        `RolloutError`."""
        return Term(text).occurrences(self.path(thread_id), self._find_segment)

    # --- changing ------------------------------------------------------------------------

    def rename(self, thread_id: str, name: str) -> str:
        """Name a thread; several may have one name. Returns the name as it was stored, without
        blanks around it. Raises `UsageError` for an id that is not stored or an empty name,
        `RolloutError`."""
        name = name.strip()
        if not name:
            raise UsageError("thread name must not be empty")
        self.path(thread_id)
        self._names.add(ThreadName(thread_id.lower(), name, timestamp(self._now())))
        return name

    def set_metadata(self, thread_id: str, git: GitInfo | None) -> None:
        """What is shown as the thread's commit from now on (`thread/metadata/update`); None for
        nothing. Raises `UsageError`, `RolloutError`."""
        self.path(thread_id)
        git = git or GitInfo()
        note = ThreadMetadata(thread_id.lower(), git.commit_hash, git.branch, git.repository_url)
        self._metadata.add(note)

    def archive(self, thread_id: str) -> None:
        """Put a thread aside. Raises `UsageError` for one that is not in use or is being written
        by a living process (this one included), `RolloutError`."""
        paths = self._files(thread_id, archived=False)
        folder = os.path.join(self.home, ARCHIVED)
        moves = [(path, os.path.join(folder, os.path.basename(path))) for path in paths]
        self._move(thread_id, moves)

    def unarchive(self, thread_id: str) -> None:
        """Bring it back to the folder of its day. Raises like `archive`."""
        moves: list[tuple[str, str]] = []
        for path in reversed(self._files(thread_id, archived=True)):
            name = os.path.basename(path)
            folder = dated_folder(self.home, name)
            if folder is None:
                raise RolloutError(f"{path}: no date in its name says where it belongs; move it")
            moves.append((path, os.path.join(folder, name)))
        self._move(thread_id, moves)

    def delete(self, thread_id: str) -> None:
        """Remove a thread for good: its files, its name, what clients noted, what is queued.
        Raises `UsageError` for an id that is not stored, is being written, or has the history of a
        fork that Codex made; `RolloutError`."""
        from quire.rollout.queue import MessageQueue

        paths = self._files(thread_id, None)
        if self._is_continued(thread_id.lower(), paths):
            raise UsageError(
                f"cannot delete thread {thread_id}: forked history still references it"
            )
        lock = WriterLock(self.home, thread_id.lower())
        try:
            for path in paths:
                os.unlink(path)
                self._heads.forget(path)
        except OSError as exc:
            raise RolloutError(f"cannot delete {exc.filename}: {exc.strerror}") from exc
        finally:
            lock.release()
        self._names.remove(thread_id.lower())
        self._metadata.remove(thread_id.lower())
        MessageQueue(self.home).forget(thread_id.lower())

    # --- parts ---------------------------------------------------------------------------

    def _files(self, thread_id: str, archived: bool | None) -> list[str]:
        """The files of a thread, oldest first. Raises `UsageError` when there is none."""
        known = is_thread_id(thread_id.lower())
        paths = segments(self.home, thread_id, archived=archived) if known else []
        if not paths:
            raise _unknown(thread_id, "archived " if archived else "")
        return paths

    def _is_continued(self, thread_id: str, paths: Sequence[str]) -> bool:
        """True when the file of another thread begins in one of these."""
        ids = [segment_of(os.path.basename(path)) for path in paths]
        named = {segment or first for first, segment in filter(None, ids)}
        for folder in (*days(self.home), os.path.join(self.home, ARCHIVED)):
            for path in rollouts_in(folder):
                head = self._heads.head(path)
                base = head.base if head is not None and head.thread_id != thread_id else None
                if base is not None and base.thread_id in named:
                    return True
        return False

    def _move(self, thread_id: str, moves: list[tuple[str, str]]) -> None:
        """Each file is at its old or at its new place at any time, and none takes the place of
        another."""
        lock = WriterLock(self.home, thread_id.lower())
        try:
            for path, target in moves:
                make_folders(os.path.dirname(target))
                if os.path.lexists(target):
                    raise UsageError(f"cannot move {path}: {target} exists already; rename one")
                os.rename(path, target)
                self._heads.forget(path)
        except OSError as exc:
            raise RolloutError(f"cannot move {exc.filename}: {exc.strerror}") from exc
        finally:
            lock.release()

    def _find_segment(self, segment_id: str) -> str | None:
        return find_segment(self.home, segment_id)

    def _snippet(self, thread: StoredThread, term: Term) -> str | None:
        """None for a thread that cannot be read, too."""
        try:
            head = self._heads.head(thread.path)
            whole = head is not None and head.base is None
            if whole and not term.may_be_in(thread.path):
                return None
            return term.snippet(thread.path, self._find_segment)
        except (OSError, RolloutError):
            return None

    def _fitting(self, path: str, query: ListQuery) -> StoredThread | None:
        head = self._heads.head(path)
        if head is None or head.preview is None or not _passes(head, query):
            return None
        term = query.search_term
        if term and term not in head.preview and term not in (self._name(head.thread_id) or ""):
            return None
        if self._heads.rest(path, head).preview is None:
            return None
        return self._stored(path, head)

    def _name(self, thread_id: str) -> str | None:
        note = self._names.all().get(thread_id)
        return note.thread_name or None if note is not None else None

    def _stored(self, path: str, head: Head) -> StoredThread:
        rest = self._heads.rest(path, head)
        archived = os.path.dirname(path) == os.path.join(self.home, ARCHIVED)
        return StoredThread(
            id=head.thread_id,
            path=path,
            cwd=head.cwd,
            created_at=created_ms(path, head.thread_id) // 1000,
            updated_at=updated_ms(path) // 1000,
            preview=rest.preview or "",
            name=self._name(head.thread_id),
            archived=archived,
            model_provider=head.model_provider,
            model=rest.model,
            effort=rest.effort,
            source=head.source,
            source_kind=head.source_kind,
            thread_source=head.thread_source,
            originator=head.originator,
            cli_version=head.cli_version,
            git=self._git(head),
            forked_from=head.forked_from,
        )

    def _git(self, head: Head) -> GitInfo | None:
        note = self._metadata.all().get(head.thread_id)
        if note is None:
            return head.git
        git = GitInfo(note.sha, note.branch, note.origin_url)
        return git if git != GitInfo() else None


def _unknown(thread_id: str, kind: str = "") -> UsageError:
    return UsageError(f"no {kind}rollout found for thread id {thread_id}")


def _passes(head: Head, query: ListQuery) -> bool:
    return (
        (not query.cwds or head.cwd in query.cwds)
        and (not query.model_providers or head.model_provider in query.model_providers)
        and (not query.source_kinds or head.source_kind in query.source_kinds)
    )
