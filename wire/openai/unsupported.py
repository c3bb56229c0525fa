"""Fields of OpenAI's that a server with an agent of its own cannot honour, or need not.

Who asks for what would change the answer is told so; a value that asks for nothing is taken. A
field that is not one of OpenAI's is refused, as OpenAI does: it may be a mistake in a name.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from wire.asked import Strict


@dataclass(frozen=True, slots=True)
class Only:
    """Takes null, and these values that ask for nothing."""

    neutral: tuple[Any, ...]

    def check(self, given: Any) -> Any:
        if given is None or given in self.neutral:
            return given
        taken = " or ".join(json.dumps(each) for each in self.neutral if each not in ([], {}))
        raise ValueError(f"only {taken} is supported here" if taken else "is not supported here")

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _: Any, __: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"enum": [None, *self.neutral]}


def only(*neutral: Any) -> Only:
    return Only(neutral)


Ignored: TypeAlias = Any
"""Means nothing here, whatever it is."""


class Unsupported(Strict):
    """What a chat completion may ask for, and not get."""

    most: ClassVar[int] = 64  # some clients send every field that there is, most of them null

    # The agent has tools of its own.
    tools: Annotated[Any, only([])] = None
    tool_choice: Annotated[Any, only("none", "auto")] = None
    functions: Annotated[Any, only([])] = None
    function_call: Annotated[Any, only("none", "auto")] = None
    web_search_options: Annotated[Any, only()] = None
    # One answer, and it is text.
    n: Annotated[Any, only(1)] = None
    response_format: Annotated[Any, only({"type": "text"})] = None
    modalities: Annotated[Any, only(["text"])] = None
    audio: Annotated[Any, only()] = None
    prediction: Annotated[Any, only()] = None
    moderation: Annotated[Any, only()] = None
    # How the model chooses its tokens.
    logprobs: Annotated[Any, only(False)] = None
    top_logprobs: Annotated[Any, only(0)] = None
    logit_bias: Annotated[Any, only({})] = None
    top_p: Annotated[Any, only(1)] = None
    frequency_penalty: Annotated[Any, only(0)] = None
    presence_penalty: Annotated[Any, only(0)] = None

    # Hints, labels, and what is for OpenAI's own house.
    parallel_tool_calls: Ignored = None
    prompt_cache_key: Ignored = None
    prompt_cache_options: Ignored = None
    prompt_cache_retention: Ignored = None
    reasoning_effort: Ignored = None
    safety_identifier: Ignored = None
    service_tier: Ignored = None
    store: Ignored = None
    verbosity: Ignored = None
