"""The terminal's handlers, with real agents."""

import io
from uuid import uuid4

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from agent.build import build_agent
from agent.offline.model import OfflineChatModel
from callbacks.stdout import RawStdoutHandler, StdoutHandler
from tests.agent.models import model_on, sync_model_on
from tests.replies import blob, final

QUESTION = "What is 3 squared?"
MODEL = OfflineChatModel(tokens_per_second=0)


def ask(handler, text: str = QUESTION, model=MODEL) -> str:
    agent = build_agent(model, protocol="json_chat")
    return agent.invoke({"messages": text}, {"callbacks": [handler]})["messages"][-1].text


def test_the_three_lines_of_the_docstring(capsys) -> None:
    answer = ask(StdoutHandler("json_chat"))
    assert "9" in answer
    assert capsys.readouterr().out == f"{answer}\n"


@pytest.mark.anyio
async def test_the_same_in_an_async_run(capsys) -> None:
    agent, handler = build_agent(MODEL, protocol="json_chat"), StdoutHandler("json_chat")
    result = await agent.ainvoke({"messages": QUESTION}, {"callbacks": [handler]})
    assert capsys.readouterr().out == f"{result['messages'][-1].text}\n"


def test_one_handler_prints_run_after_run(capsys) -> None:
    handler = StdoutHandler("json_chat")
    answers = [ask(handler), ask(handler, "Hello")]
    assert capsys.readouterr().out == "".join(f"{answer}\n" for answer in answers)


def test_plain_text_that_became_the_answer(capsys, upstream) -> None:
    for _ in range(3):
        upstream.say("Just prose.")
    handler = StdoutHandler("json_chat")
    with sync_model_on(upstream) as model:
        assert ask(handler, model=model) == "Just prose."
        assert capsys.readouterr().out == "Just prose.\n"
        upstream.say(final("Hi."))
        ask(handler, model=model)
        assert capsys.readouterr().out == "Hi.\n"


def test_prints_while_the_answer_is_written(upstream) -> None:
    printed = Pieces()
    upstream.say(final("One two three."), cut=1)
    with sync_model_on(upstream) as model:
        assert ask(StdoutHandler(file=printed), model=model) == "One two three."
    assert printed.getvalue() == "One two three.\n"
    assert printed.writes > 3


def test_an_empty_answer_is_no_line(upstream) -> None:
    printed = io.StringIO()
    upstream.say(final(""))
    with sync_model_on(upstream) as model:
        assert ask(StdoutHandler(file=printed), model=model) == ""
    assert printed.getvalue() == ""


def test_what_a_tool_asks_a_model_is_not_printed(upstream) -> None:
    printed = io.StringIO()

    with sync_model_on(upstream) as model:

        @tool
        def oracle(question: str) -> str:
            """Knows."""
            return model.invoke(question).text

        upstream.say(blob("oracle", "Who?"))
        upstream.say(final("Not for the user."))
        upstream.say(final("For the user."))
        agent = build_agent(model, protocol="json_chat", tools=[oracle])
        agent.invoke({"messages": "Hi"}, {"callbacks": [StdoutHandler(file=printed)]})
    assert len(upstream.requests) == 3
    assert printed.getvalue() == "For the user.\n"


def test_what_a_retriever_asks_a_model_is_not_printed() -> None:
    from uuid import uuid4

    printed = io.StringIO()
    handler = StdoutHandler(file=printed)
    retriever, call = uuid4(), uuid4()
    handler.on_retriever_start({}, "query", run_id=retriever)
    handler.on_chat_model_start({}, [], run_id=call, parent_run_id=retriever)
    handler.on_llm_new_token(final("Not for the user."), run_id=call)
    assert printed.getvalue() == ""


def test_raw_prints_every_call_whole(capsys, upstream) -> None:
    with sync_model_on(upstream) as model:
        upstream.say(blob("calculator", "3^2"))
        upstream.say(final("Nine."))
        ask(RawStdoutHandler(), model=model)
    assert capsys.readouterr().out == f"{blob('calculator', '3^2')}\n{final('Nine.')}\n"


@pytest.mark.anyio
async def test_raw_in_an_async_run(upstream) -> None:
    printed = io.StringIO()
    async with model_on(upstream) as model:
        upstream.say(final("Nine."))
        handler = RawStdoutHandler(file=printed)
        await build_agent(model, protocol="json_chat").ainvoke(
            {"messages": "Hi"}, {"callbacks": [handler]}
        )
    assert printed.getvalue() == f"{final('Nine.')}\n"


def test_raw_reads_content_blocks() -> None:
    printed = io.StringIO()
    handler = RawStdoutHandler(file=printed)
    handler.on_llm_new_token([{"type": "text", "text": "Hi"}], run_id=uuid4())
    assert printed.getvalue() == "Hi"


def test_raw_shows_native_calls(capsys) -> None:
    for model in (MODEL, OfflineChatModel(tokens_per_second=0, disable_streaming=True)):
        handlers = [RawStdoutHandler()]
        build_agent(model).invoke({"messages": "3^2"}, {"callbacks": handlers})
        assert capsys.readouterr().out == (
            'calculator {"expression": "3 ** 2"}\nfinal_answer {"answer": "3^2 is 9."}\n'
        )


def test_without_a_format_it_reads_what_the_default_agent_says(capsys) -> None:
    build_agent(MODEL).invoke({"messages": "3^2"}, {"callbacks": [StdoutHandler()]})
    assert capsys.readouterr().out == "3^2 is 9.\n"


class Pieces(io.StringIO):
    """Counts how often it was written to."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


@pytest.mark.parametrize(
    "returns",
    [
        lambda message: message,
        lambda message: message.text,
        lambda message: {"output": message.text},
        lambda message: {"messages": [message]},
        lambda message: {"other": message},
    ],
)
def test_what_the_agent_returns_counts(capsys, returns) -> None:
    model = FakeListChatModel(responses=["hello"])
    (model | RunnableLambda(returns)).invoke("Hi", {"callbacks": [StdoutHandler("message")]})
    assert capsys.readouterr().out == "hello\n"
    shouting = model | StrOutputParser() | str.upper
    shouting.invoke("Hi", {"callbacks": [StdoutHandler("message")]})
    assert capsys.readouterr().out == "HELLO\n"
