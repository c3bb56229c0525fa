"""What a server allows its users."""

from collections.abc import Collection
from dataclasses import dataclass

from agent.request import OnDisconnect
from stream.rate import Rate


@dataclass(frozen=True, slots=True)
class Policy:
    """What a server allows.

    `heartbeat` is how many seconds a follower hears nothing at most, `drain` how many runs in
    progress have to end when the server is told to.
    """

    models: Collection[str] = ()
    """That a request may name."""
    model: str | None = None
    """What runs that name none have, if that is known."""
    documents: bool = False
    """Whether the agent answers from documents."""
    max_runs: int = 100
    rate: Rate | None = None
    """How often each principal may start a run."""
    on_disconnect: OnDisconnect = 10.0
    heartbeat: float = 15.0
    drain: float = 0.0
