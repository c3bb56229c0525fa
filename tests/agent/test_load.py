"""Finding one's own agent by name: what is found, and what is said where there is none."""

import sys
from pathlib import Path

import pytest
from langchain_core.runnables import Runnable, RunnableLambda

from agent.load import LONGEST, UnknownAgent, load, made_by

pytestmark = pytest.mark.anyio

MODULE = """
from langchain_core.runnables import RunnableLambda
from langgraph.graph import MessagesState, StateGraph

def say(given):
    return "Hello."

agent = RunnableLambda(say)

class Shelf:
    agent = agent

def make():
    return agent

async def make_later():
    return agent

async def make_text():
    return "agent"

async def fail_later():
    raise LookupError("there is\\nno such model")

def needs(what):
    return agent

def fail():
    raise LookupError("there is\\nno such model")

number = 42
graph = StateGraph(MessagesState)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with modules in it; nothing of them stays."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "inner.py").write_text("from mine import agent, make")
    return tmp_path


@pytest.mark.parametrize(
    "name", ["mine:agent", "mine:Shelf.agent", "mine:make", "package.inner:agent"]
)
def test_found_from_the_current_directory(name: str, folder: Path) -> None:
    found = load(name)
    assert isinstance(found, Runnable)
    assert found.invoke({}) == "Hello."
    assert load(name) is not None
    assert sys.path.count(str(folder)) == 1


async def test_an_async_function_is_called_in_its_loop() -> None:
    factory = load("mine:make_later")
    assert not isinstance(factory, Runnable)
    assert isinstance(await made_by(factory, "mine:make_later"), RunnableLambda)


def said(name: str) -> str:
    with pytest.raises(UnknownAgent) as refused:
        load(name)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("name", ["mine", "mine:", ":agent", ":"])
def test_not_a_name(name: str) -> None:
    assert said(name).startswith(f"{name!r} is not an agent's name: use `module:attribute`")


@pytest.mark.parametrize(
    ("name", "missing"), [("none:agent", "none"), ("none.inner:agent", "none")]
)
def test_no_such_module(name: str, missing: str) -> None:
    assert said(name) == f"There is no module '{missing}', here or installed."


def test_no_such_module_in_a_package() -> None:
    assert said("package.none:agent") == "There is no module 'package.none', here or installed."
    assert said("mine.none:agent") == "There is no module 'mine.none', here or installed."


def test_a_module_that_needs_another(folder: Path) -> None:
    (folder / "needy.py").write_text("import nowhere.at_all")
    assert said("needy:agent") == "'needy' needs a module that is missing: 'nowhere'."


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("KEYS = {}['sk-1']", "KeyError: 'sk-1'"),
        ("raise RuntimeError('one\\n  two')", "RuntimeError: one two"),
        ("def x(:", "SyntaxError: invalid syntax (broken.py, line 1)"),
        ("raise ModuleNotFoundError", "needs a module that is missing: 'None'."),
    ],
)
def test_a_module_that_raises(folder: Path, code: str, message: str) -> None:
    (folder / "broken.py").write_text(code)
    assert said("broken:agent").endswith(message)


def test_a_long_message_is_cut(folder: Path) -> None:
    (folder / "broken.py").write_text("raise ValueError('x' * 10_000)")
    assert len(said("broken:agent")) < LONGEST + 100


def test_no_such_attribute(folder: Path) -> None:
    assert said("mine:none") == f"'mine:none': there is no 'none' in {folder / 'mine.py'}."
    assert said("mine:Shelf.none") == "'mine:Shelf.none': there is no 'none' in type."
    assert said("package:none").startswith("'package:none': there is no 'none' in ")


def test_a_name_of_ours_is_recognized() -> None:
    """`agent.py` is what many would call it, and `agent` is a package of ours."""
    assert said("agent:graph").endswith("agent/__init__.py.")


@pytest.mark.parametrize(("name", "kind"), [("number", "int"), ("graph", "StateGraph")])
def test_no_runnable(name: str, kind: str) -> None:
    message = f"'mine:{name}' gives a {kind}: use a runnable, a compiled graph, or a function"
    assert said(f"mine:{name}").startswith(message)


def test_a_function_that_makes_none() -> None:
    assert said("mine:say").startswith("'mine:say' failed: TypeError: say() missing 1 required")
    assert said("mine:fail") == "'mine:fail' failed: LookupError: there is no such model"
    assert said("mine:Shelf").startswith("'mine:Shelf' gives a Shelf: use a runnable")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine:fail_later", "'mine:fail_later' failed: LookupError: there is no such model"),
        ("mine:make_text", "'mine:make_text' gives a str: use a runnable"),
    ],
)
async def test_an_async_function_that_makes_none(name: str, message: str) -> None:
    with pytest.raises(UnknownAgent) as refused:
        await made_by(load(name), name)
    assert str(refused.value).startswith(message)
