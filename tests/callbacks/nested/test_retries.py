"""A model call that breaks in the middle of its answer and is made again."""

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware
from langchain_core.runnables import RunnableLambda

from agent.protocols.middleware import Speak
from stream.errors import UpstreamTruncated
from stream.events import AnswerDelta
from tests.agent.models import model_on, sync_model_on
from tests.callbacks.nested.asking import ask, attempt
from tests.replies import Close, Reply, cut_text, final

pytestmark = pytest.mark.anyio
ANSWER = "Nine is three squared,\nas everybody knows."
BROKEN = ["reset", "eof", "end"]


def text_in(format: str, text: str) -> str:
    return final(text) if format == "json_chat" else text


def breaks(upstream, text: str, sent: int, how: str = "end") -> None:
    """A reply that ends after so many characters. Of a reset not all of them may arrive."""
    upstream.script(Close(tokens=cut_text(text, 1), after=sent, how=how))


def retrying(model, **options):
    return ModelRetryMiddleware(**({"max_retries": 2, "initial_delay": 0} | options))


def falling_back(model, **options):
    return ModelFallbackMiddleware(model, model)


def agent_of(model, middleware, format: str):
    speak = [Speak("json_chat")] if format == "json_chat" else []
    return create_agent(model, middleware=[*speak, middleware])


def chain_of(model, again, format: str):
    """A plain chain that tries again by itself, and returns the answer or the raw message."""
    return RunnableLambda(lambda _: "Hi") | again(model)


def with_retry(model):
    return model.with_retry(wait_exponential_jitter=False, stop_after_attempt=3)


def with_fallbacks(model):
    return model.with_fallbacks([model, model])


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("format", ["json_chat", "message"])
@pytest.mark.parametrize("again", [retrying, falling_back])
async def test_the_answer_goes_on_where_it_broke(upstream, again, format, how) -> None:
    whole = text_in(format, ANSWER)
    start = whole.index("Nine")
    for sent in (start + 25, start + 12):  # the second one breaks before it has caught up
        breaks(upstream, whole, sent, how)
    upstream.say(whole, cut=7)
    async with model_on(upstream) as model:
        ran = await ask(agent_of(model, again(model), format), format)
    assert len(upstream.requests) == 3
    assert ran.returned == ANSWER
    if format == "json_chat":
        assert "".join(e.text for e in ran.events if isinstance(e, AnswerDelta)) == ANSWER
    else:
        *retracted, kept = ran.shown
        assert kept == f"+{ANSWER}"
        assert all(f"-{ANSWER}".startswith(piece) for piece in retracted)
        if how != "reset":
            assert retracted == [f"-{ANSWER[:25]}", f"-{ANSWER[:12]}"]


@pytest.mark.parametrize("sent", range(len(final(ANSWER)) + 1))
async def test_wherever_it_broke(upstream, sent: int) -> None:
    breaks(upstream, final(ANSWER), sent)
    upstream.say(final(ANSWER), cut=3)
    async with model_on(upstream) as model:
        ran = await ask(agent_of(model, retrying(model), "json_chat"), "json_chat")
    assert ran.returned == ANSWER


@pytest.mark.parametrize("format", ["json_chat", "message"])
@pytest.mark.parametrize("again", [with_retry, with_fallbacks])
async def test_a_chain_that_tries_again(upstream, again, format: str) -> None:
    whole = text_in(format, ANSWER)
    breaks(upstream, whole, whole.index("Nine") + 10)
    upstream.say(whole)
    async with model_on(upstream) as model:
        ran = await attempt(chain_of(model, again, format), format)
    assert ran.error is None
    assert ran.answer == ANSWER
    assert ran.returned == whole


@pytest.mark.parametrize(
    "second", ["Nine, I think.", "Nine", "", f"{ANSWER[:9]}..., as everybody knows"]
)
@pytest.mark.parametrize("again", [retrying, falling_back])
async def test_another_answer_fails_the_run(upstream, again, second: str) -> None:
    breaks(upstream, final(ANSWER), final(ANSWER).index("Nine") + 10)
    upstream.default = lambda _: Reply(tokens=cut_text(final(second), 1))
    async with model_on(upstream) as model:
        ran = await attempt(agent_of(model, again(model), "json_chat"), "json_chat")
    assert isinstance(ran.error, UpstreamTruncated)
    assert ran.answer == ANSWER[:10], "never doubled, never garbled"
    assert len(upstream.requests) == 2, "whoever asks once more is refused"


async def test_an_error_message_is_no_end_of_an_answer(upstream) -> None:
    """LangChain's retries end by default with what went wrong as the agent's words."""
    for _ in range(3):
        breaks(upstream, final(ANSWER), final(ANSWER).index("Nine") + 10)
    async with model_on(upstream) as model:
        ran = await attempt(create_agent(model, middleware=[retrying(model)]), "json_chat")
    assert "failed after 3 attempts" in ran.returned
    assert isinstance(ran.error, UpstreamTruncated)
    assert ran.answer == ANSWER[:10]


async def test_an_error_message_is_the_answer_where_nothing_is_certain(upstream) -> None:
    for _ in range(3):
        breaks(upstream, ANSWER, 10)
    async with model_on(upstream) as model:
        ran = await ask(create_agent(model, middleware=[retrying(model)]))
    assert ran.shown == [f"-{ANSWER[:10]}"] * 3
    assert "failed after 3 attempts" in ran.returned


async def test_what_nobody_tries_again_is_taken_back(upstream) -> None:
    breaks(upstream, ANSWER, 10)
    async with model_on(upstream) as model:
        ran = await attempt(create_agent(model))
    assert isinstance(ran.error, UpstreamTruncated)
    assert ran.shown == [f"-{ANSWER[:10]}"]


@pytest.mark.parametrize("second", [ANSWER, "Nine, I think."])
async def test_in_a_thread(upstream, second: str) -> None:
    """LangChain swallows what an async handler raises in a thread: the end is what fails."""
    breaks(upstream, final(ANSWER), final(ANSWER).index("Nine") + 10, "eof")
    upstream.default = lambda _: Reply(tokens=cut_text(final(second), 5))
    with sync_model_on(upstream) as model:
        again = with_retry(model)
        ran = await attempt(RunnableLambda(lambda _: again.invoke("Hi")), "json_chat")
    if second == ANSWER:
        assert ran.error is None
        assert ran.answer == ANSWER
    else:
        assert isinstance(ran.error, UpstreamTruncated)
        assert ran.answer == ANSWER[:10]
