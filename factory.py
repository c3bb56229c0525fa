"""What the settings name, made before anything is opened: a mistake is known at once."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from langchain_core.language_models import BaseChatModel

from agent import models
from agent.build import build_agent, protocol_for
from agent.call_settings import HINTS
from agent.documents.embeddings import UnknownEmbeddings
from agent.documents.knowledge import Knowledge, UnknownDocuments
from agent.documents.own import UnknownRetriever
from agent.own import SETTINGS, Agent, OwnAgent
from agent.protocols.registry import PROTOCOLS, is_protocol
from agent.tools.named import named_tools
from callbacks.filters.base import AnswerFilter
from callbacks.filters.registry import grammar
from settings import PREFIX, Settings

DEFAULT_OWN_PROTOCOL = "message"
TAKE_HINTS = (models.OFFLINE, "openai")
"""Providers whose SDKs do not mind what they do not know."""
DEFAULT_OPENAI_MODEL = "openai:gpt-4.1-mini"


class BadSetting(ValueError):
    """A setting that cannot be met. The message says which, and what to do."""


class Made(NamedTuple):
    """What the settings name, made before anything is opened: a mistake is known at once."""

    agent: Agent
    grammar: Callable[[], AnswerFilter]
    models: list[str]
    """That a request may name."""
    knowledge: Knowledge
    model: BaseChatModel | None = None
    """Whose connections are ours to close."""

    async def prepare(self) -> Collection[str]:
        """Returns what a request may change. An agent that an async function makes is made now."""
        if isinstance(self.agent, OwnAgent):
            return await self.agent.prepare()
        return SETTINGS if _provider(self.models[0]) in TAKE_HINTS else SETTINGS - HINTS


def model_name(settings: Settings) -> str:
    """What is set; else what the key or the base URL gives; else the offline model."""
    if settings.model:
        return settings.model
    if settings.openai_base_url:
        return models.first_model(settings.openai_base_url, _key(settings))
    return DEFAULT_OPENAI_MODEL if settings.openai_api_key else models.OFFLINE


def make(settings: Settings) -> Made:
    """Raises `BadSetting`, `UnknownAgent`, `UnknownModel`, `UnknownTool`."""
    make_data(settings)
    require_database(settings)
    return make_own(settings, settings.agent) if settings.agent else make_ours(settings)


def make_data(settings: Settings) -> None:
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting(f"{PREFIX}DATA cannot be made: {error.strerror}.") from error


def require_database(settings: Settings) -> None:
    """Where one is named, it can be asked for. It may be away."""
    if settings.database_url is None:
        return
    try:
        from agent.postgres import UnreadableAddress, check_address  # an extra
    except ImportError as error:
        raise BadSetting(
            "DATABASE_URL wants the extra `lastword[postgres]`, which is not installed."
        ) from error
    try:
        check_address(settings.database_url.get_secret_value())
    except UnreadableAddress:
        raise BadSetting("DATABASE_URL is no address of a PostgreSQL database.") from None


def make_own(settings: Settings, name: str) -> Made:
    """One's own agent: its model, tools and limits are its own business."""
    try:
        reads = grammar(settings.protocol or DEFAULT_OWN_PROTOCOL)
    except ValueError as error:
        raise BadSetting(f"{PREFIX}PROTOCOL: {error}.") from error
    if settings.documents or settings.retriever:
        raise BadSetting(f"{PREFIX}DOCUMENTS and {PREFIX}RETRIEVER are for Lastword's own agent.")
    return Made(OwnAgent(name), reads, settings.models, make_knowledge(settings))


def make_ours(settings: Settings) -> Made:
    """The agent that the settings describe."""
    if settings.protocol and not is_protocol(settings.protocol):
        raise BadSetting(f"{PREFIX}PROTOCOL: use one of {', '.join(PROTOCOLS)}.")
    knowledge = make_knowledge(settings)
    tools = [*named_tools(settings.tools), *knowledge.tools]
    name = model_name(settings)
    if foreign := [other for other in settings.models if _provider(other) != _provider(name)]:
        raise BadSetting(f"{PREFIX}MODELS: {foreign[0]} is of another provider than {name}.")
    model = models.chat_model(
        name,
        api_key=_key(settings),
        base_url=settings.openai_base_url,
        fast_stream=settings.fast_stream,
    )
    protocol = settings.protocol or protocol_for(model)
    agent = build_agent(
        model, protocol=protocol, tools=tools, max_iterations=settings.max_iterations
    )
    return Made(agent, grammar(protocol), [name, *settings.models], knowledge, model)


def make_knowledge(settings: Settings, folder: Path | None = None) -> Knowledge:
    """What the settings name to answer from. `folder` stands in for the one that they name."""
    try:
        return Knowledge(
            settings.data,
            folder or settings.documents,
            settings.embeddings,
            None if folder else settings.retriever,
            api_key=_key(settings),
            base_url=settings.openai_base_url,
        )
    except UnknownDocuments as error:
        raise BadSetting(str(error) if folder else f"{PREFIX}DOCUMENTS: {error}") from error
    except UnknownEmbeddings as error:
        raise BadSetting(f"{PREFIX}EMBEDDINGS: {error}") from error
    except UnknownRetriever as error:
        raise BadSetting(f"{PREFIX}RETRIEVER: {error}") from error


def _provider(model: str) -> str:
    return model.partition(":")[0]


def _key(settings: Settings) -> str | None:
    return settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
