"""The leak table on a few runs: it finds leaks, and none of ours."""

import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_classic.agents import AgentType, initialize_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from pydantic import PrivateAttr

from bench.fidelity import page, tables
from bench.fidelity.certainty import of_json, of_line, of_xml
from bench.fidelity.cuts import VOCABULARIES, cuts
from bench.fidelity.exactness import Shown, judge, show
from bench.fidelity.others import Messages, Queue
from bench.fidelity.results import MINE, Results, compare, own
from bench.fidelity.servers import TutorialHandler
from bench.fidelity.tokens import Token, tokens_of
from bench.fidelity.transcripts import FORMATS, Reply, Transcript, transcripts


@pytest.fixture(scope="module")
def results() -> Results:
    return compare(every=15, rounds=1)


def test_every_format_has_enough_runs():
    assert all(len(transcripts(name)) >= 60 for name in FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_ours_is_exact_and_never_late(results, name):
    tally = results.tally(MINE, [name], results.cuts)
    assert tally.runs == results.runs[name] * len(results.cuts) > 0
    assert (tally.exact, tally.leaked, tally.lost, tally.late) == (tally.runs, 0, 0, 0)
    assert results.faults == []


def test_others_leak_lose_or_wait(results):
    tutorial = results.tally("tutorial's handler", ["json_chat"], results.cuts)
    assert tutorial.exact < tutorial.runs / 2
    assert tutorial.leaked
    assert tutorial.lost
    buffering = results.tally("buffering", own("buffering"), results.vocabularies)
    assert buffering.late > buffering.timed


def test_the_page_holds_every_table_and_says_where_ours_fails(results, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "PAGE", tmp_path / "FIDELITY.md")
    page.write(results, "scripts/bench fidelity")
    text = page.PAGE.read_text()
    assert all(
        f"## {table.title}\n" in text for table in [*tables.tables(results), tables.by_cut(results)]
    )
    assert "exact and never late in all" in text
    monkeypatch.setattr(results, "faults", ["xml, words: a reply"])
    page.write(results, "scripts/bench fidelity")
    assert "- xml, words: a reply" in page.PAGE.read_text()


def test_a_run_is_judged():
    run = Transcript("", (Reply("ab"),), "ab", [0, 1, 2])
    tokens = tokens_of(run.replies[0], list)
    assert [token.read for token in tokens] == [0, 1, 2]
    for text, exact, leaked, lost in [
        ("ab", 1, 0, 0),
        ("abc", 0, 1, 0),
        ("a", 0, 0, 1),
        ("ba", 0, 1, 1),
    ]:
        tally = judge(Shown(text, [0, 0, 0, len(text)]), run, tokens)
        assert (tally.exact, tally.leaked, tally.lost) == (exact, leaked, lost)
    late = judge(Shown(" ab", [0, 1, 2, 3]), run, tokens)
    assert (late.exact, late.forgiven, late.timed, late.late) == (0, 1, 2, 2)


def test_what_is_certain():
    assert of_json('{"', ["a", "\\n"], '"}', 3) == [0, 0, 0, 1, 1, 2, 2, 2]
    assert of_line("AI: a b\nO", 3) == [0, 0, 0, 0, 0, 1, 1, 3, 3, 3]
    assert of_line("\nObserve", 0)[-2:] == [0, 7]
    assert of_xml("[[tool]]<", 0) == [0] * 8 + [6, 6]


def test_a_vocabulary_gives_every_text_back_in_more_than_one_way():
    ways = cuts()
    text = "Größe 👩‍👩‍👧: 北京\n\n\t{}"
    pieces = {name: ways[name](text) for name in VOCABULARIES}
    assert all("".join(tokens) == text for tokens in pieces.values())
    assert len(set(map(tuple, pieces.values()))) > 1


pytestmark = pytest.mark.anyio


class Script(BaseChatModel):
    """Says the tokens of each reply, one after the other."""

    streaming: bool
    _replies: Iterator[list[Token]] = PrivateAttr()

    def __init__(self, replies: list[list[Token]]) -> None:
        super().__init__(streaming=True)
        self._replies = iter(replies)

    @property
    def _llm_type(self) -> str:
        return "script"

    def bind_tools(self, tools: Any, **_: Any) -> BaseChatModel:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError  # LangChain wants it defined; only the async one is called

    async def _astream(
        self, messages: list[BaseMessage], *_: Any, **__: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for token in next(self._replies):
            yield token.chunk


@tool
def search(query: str) -> str:
    """Look it up."""
    return "Canberra"


CALL = Reply("Let me see. ", (("search", '{"query": "x"}'),))
ANSWER = Reply("It is Canberra, in Australia.")


async def test_messages_are_those_of_a_real_graph():
    replies = [tokens_of(reply, cuts()["words"]) for reply in (CALL, ANSWER)]
    agent = create_agent(Script(replies), [search])
    shown = ""
    question = {"messages": [("user", "?")]}
    async for message, metadata in agent.astream(question, stream_mode="messages"):
        if metadata["langgraph_node"] == "model":
            shown += message.content
    assert (await show(Messages(), replies)).text == shown == CALL.text + ANSWER.text


async def test_a_handler_is_called_as_by_a_real_executor():
    texts = [
        '```json\n{"action": "search", "action_input": "x"}\n```',
        '```json\n{\n    "action": "Final Answer",\n    "action_input": "It is { Canberra"\n}\n```',
    ]
    replies = [tokens_of(Reply(text), cuts()["o200k_base"]) for text in texts]
    handler = TutorialHandler()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # all of it is deprecated
        agent = initialize_agent(
            agent=AgentType.CHAT_CONVERSATIONAL_REACT_DESCRIPTION,
            tools=[search],
            llm=Script(replies),
        )
        question = {"input": "?", "chat_history": []}
        result = await agent.ainvoke(question, {"callbacks": [handler]})
    assert result["output"] == "It is { Canberra"
    shown = "".join(handler.queue.get_nowait() for _ in range(handler.queue.qsize()))
    assert shown == (await show(Queue(TutorialHandler()), replies)).text
    assert "Canberra" in shown
