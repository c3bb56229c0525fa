"""langchain-community's tools by name. The only file that knows that package."""

import warnings

from langchain_core.tools import BaseTool

from agent.tools.errors import UnknownTool

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the package says that it is being sunset
    from langchain_community.agent_toolkits.load_tools import get_all_tool_names, load_tools


NOT_FOR_SERVERS = frozenset({"human", "read_file"})
"""Tools that ask who sits at the server, or show its files to whoever asks."""


def load(name: str) -> BaseTool:
    """The tool of that name. Raises `UnknownTool`."""
    if name not in get_all_tool_names():
        raise UnknownTool(f"{name!r} is neither a tool of Lastword nor of langchain-community.")
    if name in NOT_FOR_SERVERS:
        raise UnknownTool(f"The tool {name!r} is for an agent at one's own desk, not for a server.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return load_tools([name])[0]
    except ImportError as error:
        raise UnknownTool(f"The tool {name!r} needs a package: {error}") from error
    except Exception as error:
        # Mostly a missing key; pydantic would print the values that are there.
        raise UnknownTool(
            f"The tool {name!r} cannot be used as it is ({type(error).__name__}): "
            "it may need an API key, or do what an unattended agent should not."
        ) from error
