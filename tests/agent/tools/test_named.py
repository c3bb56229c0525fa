"""Tools by name."""

import subprocess
import sys

import pytest

from agent.tools.calculator import calculator
from agent.tools.errors import UnknownTool
from agent.tools.named import named_tools


def test_ours() -> None:
    assert named_tools(["calculator"]) == [calculator]
    assert named_tools([]) == []


def test_one_of_langchain_community() -> None:
    ours, theirs = named_tools(["calculator", "wikipedia"])
    assert ours is calculator
    assert theirs.name == "wikipedia"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nope", "neither a tool of Lastword nor of langchain-community"),
        ("", "neither a tool"),
        ("arxiv", "needs a package"),
        ("openweathermap-api", "ValidationError"),
        ("llm-math", "ValueError"),
    ],
)
def test_what_cannot_be_had_says_why(name: str, words: str) -> None:
    with pytest.raises(UnknownTool, match=words) as caught:
        named_tools(["calculator", name])
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", ["terminal", "requests", "requests_get", "requests_post"])
def test_dangerous_ones_are_refused(name: str) -> None:
    with pytest.raises(UnknownTool, match="what an unattended agent should not"):
        named_tools([name])


def test_a_failure_does_not_print_a_key(monkeypatch) -> None:
    monkeypatch.setenv("OPENWEATHERMAP_API_KEY", "sk-secret")
    monkeypatch.setitem(sys.modules, "pyowm", None)
    with pytest.raises(UnknownTool) as caught:
        named_tools(["openweathermap-api"])
    assert "sk-secret" not in str(caught.value)


def test_without_langchain_community(monkeypatch) -> None:
    for module in list(sys.modules):
        if module == "agent.tools.community" or module.startswith("langchain_community"):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "langchain_community", None)
    assert named_tools(["calculator"]) == [calculator]
    with pytest.raises(UnknownTool, match=r"pip install -e '\.\[community\]'"):
        named_tools(["wikipedia"])


def test_langchain_community_is_imported_only_when_it_is_asked_for() -> None:
    code = (
        "import sys; from agent.tools.named import named_tools; named_tools(['calculator']); "
        "assert 'langchain_community' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["human", "read_file"])
def test_a_tool_for_ones_own_desk_is_refused(name) -> None:
    with pytest.raises(UnknownTool, match="not for a server"):
        named_tools([name])
