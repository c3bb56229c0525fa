"""LangChain's own parsers of whole replies, one for each format: what is the answer?"""

from collections.abc import Callable
from contextlib import suppress

from langchain_classic.agents import AgentOutputParser
from langchain_classic.agents.conversational.output_parser import ConvoOutputParser
from langchain_classic.agents.output_parsers import (
    JSONAgentOutputParser,
    ReActJsonSingleInputOutputParser,
    ReActSingleInputOutputParser,
    ToolsAgentOutputParser,
    XMLAgentOutputParser,
)
from langchain_core.agents import AgentAction, AgentFinish
from langchain_core.exceptions import OutputParserException
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk

Chunks = list[ChatGenerationChunk]
Parse = Callable[[Chunks], str]
"""The answer in these chunks, or nothing."""


def _text(parser: AgentOutputParser) -> Parse:
    def parse(chunks: Chunks) -> str:
        with suppress(OutputParserException, ValueError):  # the XML parser raises the latter
            read = parser.parse("".join(chunk.text for chunk in chunks))
            if isinstance(read, AgentFinish):
                return str(read.return_values["output"])
        return ""

    return parse


def _tool(chunks: Chunks) -> str:
    read = _native(chunks)
    if isinstance(read, AgentFinish):
        return ""
    answers = [action.tool_input for action in read if action.tool == "final_answer"]
    return "".join(str(given["answer"]) for given in answers if isinstance(given, dict))


def _message(chunks: Chunks) -> str:
    read = _native(chunks)
    return str(read.return_values["output"]) if isinstance(read, AgentFinish) else ""


def _native(chunks: Chunks) -> AgentFinish | list[AgentAction]:
    whole = chunks[0] + chunks[1:]
    return ToolsAgentOutputParser().parse_result([ChatGeneration(message=whole.message)])


PARSERS: dict[str, Parse] = {
    "json_chat": _text(JSONAgentOutputParser()),
    "react": _text(ReActSingleInputOutputParser()),
    "react_json": _text(ReActJsonSingleInputOutputParser()),
    "conversational": _text(ConvoOutputParser()),
    "xml": _text(XMLAgentOutputParser()),
    "tool": _tool,
    "message": _message,
}
