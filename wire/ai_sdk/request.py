"""What `DefaultChatTransport` sends: a chat, its messages with their parts, and what it adds."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.call_settings import CallSettings
from agent.request import Message, Role, RunRequest
from stream.errors import BadRequest
from wire.asked import Temperature, ThreadId
from wire.conversation import MAX_MESSAGES, question_and_history
from wire.named import DEFAULT_EXTRAS, Extra


class UiPart(BaseModel):
    """Of a message. Only text is said; tools, sources, thoughts and data are for people to see."""

    type: str
    text: str | None = None


class UiMessage(BaseModel):
    """What stands on the page of a chat."""

    role: Role
    parts: Annotated[list[UiPart], Field(fail_fast=True)]

    def content(self, place: int) -> str:
        """Raises `BadRequest` for what cannot be passed on to the model."""
        return "".join(self._texts(f"messages.{place}.parts"))

    def _texts(self, where: str) -> Iterator[str]:
        for place, part in enumerate(self.parts):
            if part.type == "file" and self.role != "assistant":
                raise BadRequest("files are not supported", field=f"{where}.{place}")
            if part.type == "text":
                if part.text is None:
                    raise BadRequest("is missing", field=f"{where}.{place}.text")
                yield part.text


class Shown(BaseModel):
    """What a client wants to see, and what it can take."""

    include: Annotated[list[Extra], Field(max_length=3)] = list(DEFAULT_EXTRAS)
    understands: Annotated[list[str], Field(max_length=16)] = Field(
        [], description="`reset-step`: text that may not be the answer comes at once."
    )

    @property
    def can_reset(self) -> bool:
        return "reset-step" in self.understands

    def unless(self, other: "Shown") -> "Shown":
        """This, but for what the other one says as well."""
        said = {name: getattr(other, name) for name in Shown.model_fields}
        given = other.model_fields_set
        return self.model_copy(update={name: said[name] for name in said.keys() & given})


class UiChatRequest(Shown):
    """A chat whose last message is the question. Other fields, which apps add, mean nothing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "chat-1",
                    "trigger": "submit-message",
                    "messages": [
                        {
                            "id": "message-1",
                            "role": "user",
                            "parts": [{"type": "text", "text": "What is the square root of 71?"}],
                        }
                    ],
                }
            ]
        },
    )

    id: ThreadId
    messages: Annotated[list[UiMessage], Field(max_length=MAX_MESSAGES, fail_fast=True)]
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    model: Annotated[str, Field(max_length=200)] | None = None
    temperature: Temperature | None = None

    def as_run(self) -> RunRequest:
        """Who stops and asks again has only left the first answer: so it is interrupted."""
        said = [Message(each.role, each.content(n)) for n, each in enumerate(self.messages)]
        question, history = question_and_history(said)
        return RunRequest(
            text=question,
            thread_id=self.id,
            # An answer that failed, or was stopped before its first word, says nothing.
            history=[message for message in history if message.content],
            settings=CallSettings(self.model, self.temperature),
            on_conflict="interrupt",
        )
