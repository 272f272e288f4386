"""The key of `quire login`, as the app-server's `account/*` calls use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from quire.core.errors import UsageError
from quire.models.auth import KEY_VARIABLES, Key, remove_key, save_key, stored_key


class AccountKeys:
    """Implements `quire.server.calls.account.Keys`. `needed` is asked each time: the
    configuration may change. Keys in the environment count, as they do for requests."""

    def __init__(self, home: str, env: Mapping[str, str], needed: Callable[[], bool]) -> None:
        self._home = home
        self._env = env
        self._needed = needed

    @property
    def needed(self) -> bool:
        return self._needed()

    @property
    def present(self) -> bool:
        if any(self._env.get(name, "").strip() for name in KEY_VARIABLES):
            return True
        return stored_key(self._home) is not None

    def save(self, value: str) -> None:
        """Raises `ValueError` for what is no key, `UsageError` when it cannot be stored."""
        if not value.strip():
            raise ValueError("empty")
        try:
            Key(value, "account/login/start")
        except UsageError:
            raise ValueError("unusable") from None
        save_key(self._home, value)

    def remove(self) -> None:
        remove_key(self._home)
