"""All words of the app-server: what a client may call, what the server tells and asks."""

from __future__ import annotations

from quire.protocol.rpc import (
    account,
    approvals,
    auto_review,
    command,
    config,
    elicitation,
    fs,
    git,
    hooks,
    item,
    models,
    permissions,
    process,
    review,
    search,
    server,
    skills,
    thread,
    thread_history,
    thread_queue,
    thread_terminals,
    turn,
)
from quire.protocol.rpc.method import Method, Notification, ServerRequest

METHODS: tuple[Method, ...] = (
    *server.METHODS,
    *thread.METHODS,
    *thread_history.METHODS,
    *thread_queue.METHODS,
    *thread_terminals.METHODS,
    *turn.METHODS,
    *auto_review.METHODS,
    *review.METHODS,
    *models.METHODS,
    *account.METHODS,
    *config.METHODS,
    *permissions.METHODS,
    *fs.METHODS,
    *search.METHODS,
    *git.METHODS,
    *command.METHODS,
    *process.METHODS,
    *skills.METHODS,
    *hooks.METHODS,
)

NOTIFICATIONS: tuple[Notification, ...] = (
    *server.NOTIFICATIONS,
    *thread.NOTIFICATIONS,
    *thread_history.NOTIFICATIONS,
    *thread_queue.NOTIFICATIONS,
    *turn.NOTIFICATIONS,
    *item.NOTIFICATIONS,
    *approvals.NOTIFICATIONS,
    *auto_review.NOTIFICATIONS,
    *account.NOTIFICATIONS,
    *fs.NOTIFICATIONS,
    *search.NOTIFICATIONS,
    *command.NOTIFICATIONS,
    *process.NOTIFICATIONS,
    *skills.NOTIFICATIONS,
)

REQUESTS: tuple[ServerRequest, ...] = (*approvals.REQUESTS, *elicitation.REQUESTS)
