"""A request for a chat completion, as OpenAI's clients make it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, StrictBool

from agent.call_settings import CallSettings
from agent.request import Message, RunRequest
from stream.errors import BadRequest
from wire.asked import Temperature, ThreadId
from wire.conversation import MAX_MESSAGES, question_and_history
from wire.openai.unsupported import Unsupported, only

MAX_STOPS = 4
MAX_TOKENS = 10_000_000
Tokens = Annotated[int, Field(strict=True, ge=1, le=MAX_TOKENS)]
_EXAMPLE: dict[str, Any] = {
    "model": "offline",
    "messages": [{"role": "user", "content": "What is the square root of 71?"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}


def _parts(content: Any) -> Any:
    """A text is one part of text, and nothing is none."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [] if content is None else content


def _listed(stop: Any) -> Any:
    if isinstance(stop, str):
        return [stop]
    return [] if stop is None else stop


class TextPart(BaseModel):
    """Of a message's content."""

    type: Annotated[Any, only("text")]
    text: str


class ChatMessage(BaseModel):
    """Of the conversation. What clients send back of an answer, and means nothing, is ignored."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[
        list[TextPart],
        FailFast(),  # an error for each of a body's parts would stop all streams for a moment
        BeforeValidator(_parts, json_schema_input_type=str | list[TextPart] | None),
    ] = []
    tool_calls: Annotated[Any, only([])] = None
    function_call: Annotated[Any, only()] = None
    audio: Annotated[Any, only()] = None

    def as_message(self) -> Message:
        text = "".join(part.text for part in self.content)
        return Message("system" if self.role == "developer" else self.role, text)


class StreamOptions(BaseModel):
    """Others than this mean nothing here."""

    include_usage: StrictBool | None = Field(None, description="A last chunk says what was used.")


class Metadata(BaseModel):
    """A client's own labels; ours is among them, because there clients can put it."""

    thread_id: ThreadId | None = Field(None, description="Goes on with a conversation.")


class ChatCompletionRequest(Unsupported):
    """The messages are the conversation, and the last one is the question."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    messages: Annotated[list[ChatMessage], FailFast(), Field(max_length=MAX_MESSAGES)]
    model: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="One that `/v1/models` lists."
    )
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    metadata: Metadata | None = None
    temperature: Temperature | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    stop: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=256)]],
        Field(max_length=MAX_STOPS),
        BeforeValidator(_listed, json_schema_input_type=str | list[str] | None),
    ] = Field([], description="The answer ends before the first of these.")
    seed: Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)] | None = None
    user: Annotated[str, Field(max_length=512)] | None = None
    include_reasoning: StrictBool | None = Field(
        None, description="Thoughts come as `reasoning_content`; without it, never."
    )

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def as_run(self, model: str | None) -> RunRequest:
        """Raises `BadRequest`. Without a thread the conversation is this one and nothing else."""
        text, history = question_and_history([each.as_message() for each in self.messages])
        thread_id = self.metadata.thread_id if self.metadata else None
        return RunRequest(
            text=text,
            thread_id=thread_id,
            history=history if history or thread_id is None else None,
            settings=CallSettings(
                model, self.temperature, self._max_tokens(), self.seed, self.user or None
            ),
            stop=self.stop,
        )

    def _max_tokens(self) -> int | None:
        """By its new name or by its old one."""
        new, old = self.max_completion_tokens, self.max_tokens
        if new is not None and old is not None and new != old:
            raise BadRequest("is not the same as max_completion_tokens", field="max_tokens")
        return old if new is None else new
