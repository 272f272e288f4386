"""The composition root: the only package that knows every other.

Configuration in, a server with its ports wired out. Nothing is started before it is needed, but
the first sandbox, which is made ready while the rest is imported.
"""

from __future__ import annotations

from quire.app.choice import OFFLINE, ModelChoice, choose_model
from quire.app.profile import Profile
from quire.app.setup import Setup
from quire.sandbox.linux import LinuxSandbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    # asyncio comes with it, and must not before the sandbox is made ready.
    from quire.app.opener import Opener
    from quire.core.ports import Approver
    from quire.server.reviews import Reviews

__all__ = ["OFFLINE", "App", "ModelChoice", "Setup", "choose_model"]


class App:
    """What all threads of a process share. Made before asyncio is imported; `opener` is not."""

    def __init__(self, setup: Setup, choice: ModelChoice) -> None:
        self.profile = Profile(setup, choice)
        self.sandbox = LinuxSandbox(setup.home, setup.sandbox_layer)

    @property
    def setup(self) -> Setup:
        return self.profile.setup

    def prewarm(self) -> None:
        """Make the first sandbox ready while the rest is imported. It also fixes where the
        writable roots lead, before any command can replace them."""
        context = self.profile.context
        if context.sandbox.mode != "danger-full-access":
            self.sandbox.prewarm(context.sandbox, context.cwd)

    def opener(self, approver: Approver | None = None, *, person: bool = True) -> Opener:
        """Opens the threads of this process: `server.threads.ThreadOpener`. Without an `approver`
        nobody can be asked; without a `person` behind it the model cannot ask questions."""
        from quire.app.opener import Opener

        return Opener(self, approver, person=person)

    def reviews(self) -> Reviews:
        """Starts reviews in the threads of this process."""
        from quire.app.reviews import reviews

        return reviews(self.profile, self.sandbox)

    async def aclose(self) -> None:
        """End what threads share. Call after they are closed."""
        await self.sandbox.aclose()
