"""Tools by name: ours at once, langchain-community's when one is asked for."""

from collections.abc import Iterable

from langchain_core.tools import BaseTool

from agent.tools.calculator import calculator
from agent.tools.errors import UnknownTool

OURS: dict[str, BaseTool] = {calculator.name: calculator}


def named_tools(names: Iterable[str]) -> list[BaseTool]:
    """The tools of these names. Raises `UnknownTool`."""
    return [OURS.get(name) or _community_tool(name) for name in names]


def _community_tool(name: str) -> BaseTool:
    try:
        from agent.tools.community import load
    except ImportError as error:
        raise UnknownTool(
            f"{name!r} is none of Lastword's own tools ({', '.join(OURS)}). "
            "For langchain-community's: .venv/bin/pip install -e '.[community]'."
        ) from error
    return load(name)
