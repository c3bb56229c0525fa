"""What a request may change about its model calls, and what reaches the model."""

import pytest
from langchain.agents import create_agent

from agent.build import build_agent
from agent.call_settings import ApplyCallSettings, CallSettings
from agent.offline.model import OfflineChatModel
from tests.agent.models import model_on, sync_model_on
from tests.replies import blob

TABLE = [
    (CallSettings(), {}),
    (CallSettings(temperature=0.0), {"temperature": 0.0}),
    (CallSettings(model="openai:other"), {"model": "other"}),
    (CallSettings(model="openai:a:b", temperature=1.5), {"model": "a:b", "temperature": 1.5}),
    (CallSettings(model="bare"), {"model": "bare"}),
]
DEFAULTS = {"model": "test", "temperature": None}


def asked(request) -> dict:
    return {name: request.body.get(name) for name in DEFAULTS}


@pytest.mark.parametrize(("settings", "given"), TABLE)
def test_only_what_is_set_is_given(settings: CallSettings, given: dict) -> None:
    assert settings.given() == given


@pytest.mark.anyio
@pytest.mark.parametrize(("settings", "given"), [*TABLE, (None, {})])
async def test_reaches_every_call_of_the_run(upstream, settings, given) -> None:
    upstream.say(blob("calculator", "1+1"))
    async with model_on(upstream) as model:
        await build_agent(model, protocol="json_chat").ainvoke({"messages": "Hi"}, context=settings)
    assert [asked(request) for request in upstream.requests] == [DEFAULTS | given] * 2


@pytest.mark.parametrize(("settings", "given"), [*TABLE, (None, {})])
def test_reaches_a_sync_call(upstream, settings, given) -> None:
    with sync_model_on(upstream) as model:
        build_agent(model, protocol="json_chat").invoke({"messages": "Hi"}, context=settings)
    assert asked(upstream.requests[0]) == DEFAULTS | given


def test_one_run_does_not_change_the_next(upstream) -> None:
    with sync_model_on(upstream, temperature=0.7) as model:
        agent = build_agent(model, protocol="json_chat")
        agent.invoke({"messages": "Hi"}, context=CallSettings("openai:other", 0.1))
        agent.invoke({"messages": "Hi"})
    assert asked(upstream.requests[1]) == {"model": "test", "temperature": 0.7}


def test_the_offline_model_does_not_mind() -> None:
    model = OfflineChatModel(tokens_per_second=0)
    agent = create_agent(model, [], middleware=[ApplyCallSettings()], context_schema=CallSettings)
    said = agent.invoke({"messages": "Hi"}, context=CallSettings("openai:x", 0.5))
    assert said["messages"][-1].text
