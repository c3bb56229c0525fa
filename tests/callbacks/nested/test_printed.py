"""The same in a terminal, where nothing can be taken back."""

import io

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.prompts import PromptTemplate
from langchain_core.runnables import RunnableLambda
from langgraph.graph import MessagesState

from callbacks.stdout import StdoutHandler
from stream.errors import UpstreamTruncated
from tests.agent.models import model_on, sync_model_on
from tests.callbacks.nested.test_completions import Completing
from tests.callbacks.nested.test_graphs import in_order, keeps, says
from tests.callbacks.nested.test_retries import ANSWER, agent_of, breaks, retrying
from tests.replies import final

pytestmark = pytest.mark.anyio


class Printed(StdoutHandler):
    """Remembers what it has printed."""

    def __init__(self, format: str = "message") -> None:
        self.printed = io.StringIO()
        super().__init__(format, self.printed)

    @property
    def text(self) -> str:
        return self.printed.getvalue()


async def ask(agent, printed: Printed) -> None:
    await agent.ainvoke({"messages": "Hi"}, {"callbacks": [printed]})


async def test_only_the_last_word_of_a_graph(upstream) -> None:
    printed = Printed()
    upstream.say("First, then second.")
    upstream.say("The essay.")
    upstream.say("Not bad.")
    async with model_on(upstream) as model:
        write = in_order(says(model, "Plan"), says(model, "Write"), keeps(model, "Criticise"))
        await ask(write, printed)
    assert printed.text == "The essay.\n"


async def test_in_threads(upstream) -> None:
    printed = Printed()
    upstream.say("First, then second.")
    upstream.say("The essay.")
    with sync_model_on(upstream) as model:

        def node(state: MessagesState) -> dict:
            return {"messages": [model.invoke("Hi")]}

        await ask(in_order(node, node), printed)
    assert printed.text == "The essay.\n"


async def test_an_answer_that_broke_is_printed_once(upstream) -> None:
    printed = Printed("json_chat")
    breaks(upstream, final(ANSWER), final(ANSWER).index("Nine") + 10)
    upstream.say(final(ANSWER))
    async with model_on(upstream) as model:
        await ask(agent_of(model, retrying(model), "json_chat"), printed)
    assert printed.text == f"{ANSWER}\n"


@pytest.mark.parametrize("on_failure", ["error", "continue"])
async def test_one_that_stays_broken_ends_its_line(upstream, on_failure: str) -> None:
    printed = Printed("json_chat")
    breaks(upstream, final(ANSWER), final(ANSWER).index("Nine") + 10)
    upstream.say(final("Nine, I think."))
    async with model_on(upstream) as model:
        agent = agent_of(model, retrying(model, on_failure=on_failure), "json_chat")
        with pytest.raises(UpstreamTruncated):
            await ask(agent, printed)
        assert printed.text == f"{ANSWER[:10]}\n"
        upstream.say(final("Hello."))
        await ask(agent, printed)
    assert printed.text == f"{ANSWER[:10]}\nHello.\n", "a new run is a new answer"


async def test_nothing_of_a_run_that_failed_is_left(upstream) -> None:
    printed = Printed()
    breaks(upstream, ANSWER, 10)
    upstream.say("Hello.")
    async with model_on(upstream) as model:
        with pytest.raises(UpstreamTruncated):
            await ask(create_agent(model), printed)
        await ask(create_agent(model), printed)
    assert printed.text == "Hello.\n"


async def test_a_model_alone(upstream) -> None:
    printed = Printed()
    upstream.say("Hello.")
    breaks(upstream, "Oh no.", 3)
    config = {"callbacks": [printed]}
    async with model_on(upstream) as model:
        await model.ainvoke("Hi", config)
        with pytest.raises(UpstreamTruncated):
            await model.ainvoke("Hi", config)
    assert printed.text == "Hello.\n"


def test_a_completion_model() -> None:
    printed = Printed()
    model = Completing(replies=["Hello.", "Hello again."])
    config = {"callbacks": [printed]}
    model.invoke("Hi", config)
    (PromptTemplate.from_template("{x}") | model).invoke({"x": "Hi"}, config)
    assert printed.text == "Hello.\nHello again.\n"


def test_what_is_returned_where_no_model_spoke() -> None:
    printed = Printed()
    said = RunnableLambda(lambda _: {"messages": [AIMessage("Hello.")]})
    said.invoke("Hi", {"callbacks": [printed]})
    assert printed.text == "Hello.\n"
