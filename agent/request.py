"""What a wire asks of the runner: a question, and how it is to be run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from pydantic import TypeAdapter, ValidationError

from agent.call_settings import CallSettings
from agent.memory import Exchange
from stream.errors import StorageLost

OnDisconnect: TypeAlias = Literal["continue", "cancel"] | float
"""What a run does without a reader: goes on, ends at once, or ends after so many seconds."""
OnConflict: TypeAlias = Literal["reject", "interrupt"]
"""What becomes of a request whose thread is busy: it is refused, or the run there is stopped."""
Role: TypeAlias = Literal["system", "user", "assistant"]


class Message(NamedTuple):
    """Of a conversation that the client keeps."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A question, already checked by the wire that brought it.

    `history` is the conversation before it, from a client that keeps it itself; None is
    the thread's own memory. Without a thread such a run is not remembered. The answer ends
    before the first of the texts in `stop`.
    """

    text: str
    thread_id: str | None = None
    history: Sequence[Message] | None = None
    settings: CallSettings = field(default_factory=CallSettings)
    stop: Sequence[str] = ()
    on_disconnect: OnDisconnect | None = None  # None: as the server is set
    on_conflict: OnConflict = "reject"

    @property
    def is_remembered(self) -> bool:
        return self.history is None or self.thread_id is not None


_JSON = TypeAdapter(RunRequest)


def dump_request(request: RunRequest) -> str:
    """For a worker in another process."""
    return _JSON.dump_json(request).decode()


def load_request(text: str) -> RunRequest:
    """Raises `StorageLost` for what is none of ours, or of a version that knows more."""
    try:
        return _JSON.validate_json(text)
    except ValidationError as error:
        raise StorageLost("The queue holds something that is no request of ours.") from error


def exchanges(history: Iterable[Message]) -> list[Exchange]:
    """The questions of a conversation with the answers that they got."""
    found: list[Exchange] = []
    question: str | None = None
    for role, content in history:
        if role == "user":
            question = content
        elif role == "assistant" and question is not None:
            found.append(Exchange(question, content))
            question = None
    return found
