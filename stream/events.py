"""Everything that can happen in a run, as a closed union of frozen values.

A run is `RunStarted`, then any of the middle events, then exactly one of
`RunCompleted`, `RunFailed`, `RunCancelled`. The end is an event like any other:
no reader ever looks for a sentinel or a magic string.

`json_chat` has no use for `ThoughtDelta` and uncertain text; other formats do.

This module does no IO and knows neither asyncio nor LangChain.
"""

from typing import ClassVar, Literal, TypeAlias

from stream.value import value

FinishReason: TypeAlias = Literal["stop", "length", "content_filter"]


@value(frozen=True, slots=True)
class Usage:
    """Tokens that the model's provider counted, summed over the calls of a run."""

    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens
        )


@value(frozen=True, slots=True)
class RunStarted:
    """The first event of every run."""

    run_id: str
    thread_id: str
    type: ClassVar[Literal["run_started"]] = "run_started"


@value(frozen=True, slots=True)
class AnswerDelta:
    """A piece of the final answer, decoded.

    `certain=False` is text that may still turn out not to be the answer: an
    `AnswerConfirmed` or an `AnswerRetracted` follows and speaks of all of it.
    """

    text: str
    certain: bool = True
    type: ClassVar[Literal["answer_delta"]] = "answer_delta"


@value(frozen=True, slots=True)
class AnswerConfirmed:
    """All uncertain text so far is the answer."""

    type: ClassVar[Literal["answer_confirmed"]] = "answer_confirmed"


@value(frozen=True, slots=True)
class AnswerRetracted:
    """All uncertain text so far was not the answer.

    `certain=True` takes back the certain text as well: the run begins anew, which happens
    only where its operator wants it so.
    """

    certain: bool = False
    type: ClassVar[Literal["answer_retracted"]] = "answer_retracted"


@value(frozen=True, slots=True)
class ThoughtDelta:
    """A piece of what the model thought. Shown only to those who ask."""

    text: str
    type: ClassVar[Literal["thought_delta"]] = "thought_delta"


@value(frozen=True, slots=True)
class ToolStarted:
    """The agent calls a tool; `input` is the arguments as JSON text."""

    call_id: str
    name: str
    input: str
    type: ClassVar[Literal["tool_started"]] = "tool_started"


@value(frozen=True, slots=True)
class ToolFinished:
    """What the tool said, or, with `failed`, why it could not."""

    call_id: str
    name: str
    output: str
    failed: bool = False
    type: ClassVar[Literal["tool_finished"]] = "tool_finished"


@value(frozen=True, slots=True)
class SourceFound:
    """A passage that the answer may cite as `[number]`."""

    number: int
    title: str
    location: str
    passage: str
    score: float
    type: ClassVar[Literal["source_found"]] = "source_found"


@value(frozen=True, slots=True)
class RunCompleted:
    """The answer is whole, or as whole as `finish_reason` says."""

    finish_reason: FinishReason = "stop"
    usage: Usage = Usage()
    cited: tuple[int, ...] = ()
    """The numbers of the sources that the answer cites."""
    unknown: tuple[int, ...] = ()
    """What it cites that is no source."""
    type: ClassVar[Literal["run_completed"]] = "run_completed"


@value(frozen=True, slots=True)
class RunFailed:
    """The run ended early. `code` is from `stream.errors`; `message` is safe to show."""

    code: str
    message: str
    retryable: bool = False
    type: ClassVar[Literal["run_failed"]] = "run_failed"


@value(frozen=True, slots=True)
class RunCancelled:
    """Somebody stopped the run. What was answered until then stays."""

    usage: Usage = Usage()
    type: ClassVar[Literal["run_cancelled"]] = "run_cancelled"


RunEnded: TypeAlias = RunCompleted | RunFailed | RunCancelled
Event: TypeAlias = (
    RunStarted
    | AnswerDelta
    | AnswerConfirmed
    | AnswerRetracted
    | ThoughtDelta
    | ToolStarted
    | ToolFinished
    | SourceFound
    | RunEnded
)
