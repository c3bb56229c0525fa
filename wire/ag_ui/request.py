"""What an AG-UI client sends: the names of its run, its conversation, and what it wishes."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    ValidationInfo,
)
from pydantic.alias_generators import to_camel

from agent.call_settings import CallSettings
from agent.request import Message, Role, RunRequest
from wire.asked import Strict, Temperature, ThreadId, keepable
from wire.conversation import MAX_MESSAGES, question_and_history
from wire.named import DEFAULT_EXTRAS, Extra

_ROLES: Mapping[str, Role] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
}
"""Of messages that somebody said. The others are what earlier answers left at the client."""


def _no_tools(tools: list[Any]) -> list[Any]:
    if tools:
        raise ValueError("the agent cannot call tools of the client; it has its own")
    return tools


def _no_resume(entries: list[Any]) -> list[Any]:
    if entries:
        raise ValueError("there is no interrupt to answer; runs here do not pause")
    return entries


def _as_parts(content: Any, info: ValidationInfo) -> Any:
    if content is None or info.data.get("role") not in _ROLES:
        return []
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


Name = Annotated[str, Field(max_length=256)]
Said = Annotated[str, AfterValidator(keepable)]


def _is_silent(message: Message) -> bool:
    return message.role == "assistant" and not message.content


class TextPart(BaseModel):
    """The only kind of part that the agent can read."""

    type: Literal["text"]
    text: str


Parts = Annotated[
    list[TextPart],
    FailFast(),
    BeforeValidator(_as_parts, json_schema_input_type=str | list[TextPart] | dict[str, Any] | None),
]


class AgUiMessage(BaseModel):
    """One of the conversation, or what an earlier answer left in it."""

    id: Name
    role: Literal["user", "assistant", "system", "developer", "tool", "activity", "reasoning"]
    content: Parts = []

    def as_said(self) -> Message:
        """What nobody said is a silent assistant: so each message keeps its place."""
        text = "".join(part.text for part in self.content)
        return Message(_ROLES.get(self.role, "assistant"), text)


class Context(BaseModel):
    """Something that the agent is to know."""

    description: Said
    value: Said


class Resume(Strict):
    """Which run to hear again, from its first word. Without an id: the thread's present one."""

    run_id: Annotated[str, Field(max_length=128)] | None = None


class ForwardedProps(BaseModel):
    """What this server understands of an application's own properties."""

    model: Annotated[str, Field(max_length=200)] | None = None
    temperature: Temperature | None = None
    include: Annotated[list[Extra], Field(max_length=3)] = list(DEFAULT_EXTRAS)
    lastword: Resume | None = None


class RunAgentInput(BaseModel):
    """A run's names, and the conversation whose last message is the question."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        json_schema_extra={
            "examples": [
                {
                    "threadId": "thread-1",
                    "runId": "run-1",
                    "messages": [{"id": "1", "role": "user", "content": "What is 6 * 7?"}],
                }
            ]
        },
    )

    thread_id: ThreadId
    run_id: Name
    parent_run_id: Name | None = None
    messages: Annotated[list[AgUiMessage], FailFast(), Field(max_length=MAX_MESSAGES)]
    tools: Annotated[list[Any], AfterValidator(_no_tools)] | None = None
    context: Annotated[list[Context], Field(max_length=100)] | None = None
    forwarded_props: ForwardedProps | None = None
    resume: Annotated[list[Any], AfterValidator(_no_resume)] | None = None

    @property
    def props(self) -> ForwardedProps:
        return self.forwarded_props or ForwardedProps()

    def as_run(self) -> RunRequest:
        """Raises `BadRequest` if nothing is asked."""
        said = [message.as_said() for message in self.messages]
        while said and _is_silent(said[-1]):
            said.pop()  # what a run that failed left behind the question
        text, history = question_and_history(said)
        return RunRequest(
            text=text,
            thread_id=self.thread_id,
            history=[*self._known(), *(each for each in history if not _is_silent(each))],
            settings=CallSettings(self.props.model, self.props.temperature),
            on_conflict="interrupt",  # a client that stops a run only leaves
        )

    def _known(self) -> list[Message]:
        lines = [f"{each.description}: {each.value}" for each in self.context or ()]
        return [Message("system", "\n".join(lines))] if lines else []
