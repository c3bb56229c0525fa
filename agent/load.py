"""`module:attribute` -> one's own agent. Every mistake is one line that says what to do."""

import importlib
import inspect
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from langchain_core.runnables import Runnable

OwnRunnable: TypeAlias = Runnable[Any, Any]
AsyncFactory: TypeAlias = Callable[[], Awaitable[OwnRunnable]]
LONGEST = 300
"""Characters of another's message that are shown."""


class UnknownAgent(ValueError):
    """The name is not an agent that can be had here. The message says what to do."""


def load(name: str) -> OwnRunnable | AsyncFactory:
    """What is named, or what a function of that name makes.

    An async function is returned as it is: what it makes may belong to the event
    loop that it is made in. `made_by` calls it there.
    """
    found = _found(name, "an agent's name", "my_agent:agent")
    if isinstance(found, Runnable):
        return found
    if inspect.iscoroutinefunction(found):
        return found
    if not callable(found):
        raise _no_runnable(name, found)
    try:
        made = found()
    except Exception as error:
        raise _failed(name, error) from error
    return _checked(name, made)


def named(name: str, kind: type[Any], what: str) -> Any:
    """What is named, or what a function of that name makes, if it is of this kind."""
    found = _found(name, "a name", "my_module:attribute")
    if not isinstance(found, kind) and callable(found):
        try:
            found = found()
        except Exception as error:
            raise _failed(name, error) from error
    if not isinstance(found, kind):
        raise UnknownAgent(f"{name!r} gives a {type(found).__name__}: use a {what}.")
    return found


def _found(name: str, what: str, example: str) -> object:
    module_name, _, path = name.partition(":")
    if not (module_name and path):
        raise UnknownAgent(
            f"{name!r} is not {what}: use `module:attribute`, for example `{example}`."
        )
    found: object = _attribute(name, _module(module_name), path)
    return found


async def made_by(factory: AsyncFactory, name: str) -> OwnRunnable:
    """What an async function makes."""
    try:
        made = await factory()
    except Exception as error:
        raise _failed(name, error) from error
    return _checked(name, made)


def _module(name: str) -> ModuleType:
    """Found from the current directory too, as uvicorn does."""
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = str(error.name)
        if name == missing or name.startswith(f"{missing}."):
            raise UnknownAgent(f"There is no module {missing!r}, here or installed.") from error
        raise UnknownAgent(f"{name!r} needs a module that is missing: {missing!r}.") from error
    except Exception as error:
        raise UnknownAgent(f"{name!r} cannot be imported: {_in_one_line(error)}") from error


def _attribute(name: str, found: Any, path: str) -> Any:
    for attribute in path.split("."):
        if not hasattr(found, attribute):
            # The file tells it when a module of another got in the way of one's own.
            where = getattr(found, "__file__", None) or type(found).__name__
            raise UnknownAgent(f"{name!r}: there is no {attribute!r} in {where}.")
        found = getattr(found, attribute)
    return found


def _checked(name: str, made: object) -> OwnRunnable:
    if not isinstance(made, Runnable):
        raise _no_runnable(name, made)
    return made


def _no_runnable(name: str, found: object) -> UnknownAgent:
    return UnknownAgent(
        f"{name!r} gives a {type(found).__name__}: use a runnable, a compiled graph, "
        "or a function without arguments that makes one."
    )


def _failed(name: str, error: Exception) -> UnknownAgent:
    return UnknownAgent(f"{name!r} failed: {_in_one_line(error)}")


def _in_one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:LONGEST]
