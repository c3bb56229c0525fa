"""What is asked of the agent in this server's own words, on whatever wire."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, model_validator

from agent.call_settings import CallSettings
from agent.request import Message, OnConflict, Role, RunRequest
from wire.conversation import MAX_MESSAGES, MAX_TEXT, unsayable
from wire.named import DEFAULT_EXTRAS, Extra

MAX_FIELDS = 32


def _sayable(text: str) -> str:
    if not text.strip():
        raise ValueError("there is nothing in it")
    if "\0" in text:
        raise ValueError("the character NUL is not text")
    return text


Text = Annotated[
    str,
    Field(min_length=1, max_length=MAX_TEXT, description="What the user says."),
    AfterValidator(_sayable),
]


def keepable(text: str) -> str:
    """Text that may be given to a model, and kept. Raises `ValueError`."""
    if reason := unsayable(text):
        raise ValueError(reason)
    return text


Seconds = Annotated[float, Field(strict=True, ge=0, le=3600)]
Temperature = Annotated[float, Field(strict=True, ge=0, le=2)]
ThreadId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")]


class Strict(BaseModel):
    """Takes no fields but its own, and looks at no more than may be a mistake."""

    model_config = ConfigDict(extra="forbid")
    most: ClassVar[int] = MAX_FIELDS

    @model_validator(mode="before")
    @classmethod
    def _few(cls, given: Any) -> Any:
        """An error for each of a body's 26,000 fields would stop all streams for a moment."""
        if isinstance(given, dict) and len(given) > cls.most:
            raise ValueError(f"more than {cls.most} fields")
        return given


class Said(Strict):
    """A message of the conversation before a question."""

    role: Role
    content: Annotated[str, AfterValidator(keepable)]


class ChatRequest(Strict):
    """A question to the agent."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "What is the square root of 71?"}]},
    )

    text: Text
    thread_id: ThreadId | None = Field(None, description="Goes on with a conversation.")
    history: Annotated[list[Said], Field(max_length=MAX_MESSAGES, fail_fast=True)] | None = Field(
        None,
        description="The conversation before the question, in place of what the thread remembers. "
        "With a thread it replaces that memory; without one nothing is remembered.",
    )
    model: Annotated[str, Field(max_length=200)] | None = None
    temperature: Temperature | None = None
    stream: StrictBool = True
    include: Annotated[list[Extra], Field(max_length=3)] = list(DEFAULT_EXTRAS)
    on_disconnect: Literal["continue", "cancel"] | Seconds | None = Field(
        None, description="Go on, end at once, or end after so many seconds."
    )
    on_conflict: OnConflict = "reject"

    def as_run(self) -> RunRequest:
        return RunRequest(
            text=self.text,
            thread_id=self.thread_id,
            history=self.messages(),
            settings=CallSettings(self.model, self.temperature),
            on_disconnect=self.on_disconnect,
            on_conflict=self.on_conflict,
        )

    def messages(self) -> list[Message] | None:
        """What was said before the question, if the client keeps that itself."""
        if self.history is None:
            return None
        return [Message(said.role, said.content) for said in self.history]
