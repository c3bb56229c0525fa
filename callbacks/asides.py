"""Model calls that LangChain or its user marks as not for the user's eyes.

| mark | set by |
|---|---|
| tag `nostream` (`langsmith:nostream` in older versions) | the user: LangGraph's `TAG_NOSTREAM` |
| metadata `lc_internal_call` (before: only `lc_source`) | LangChain's middleware that asks a \
model for itself: a summary, a choice of tools, an emulated tool; others may set it too |
| node `<middleware>.before_model` and the like | `create_agent`: the hooks around its model |
| node `pre_model_hook` and the like | `create_react_agent`: the same |
| node `tools` | both: what is done about a tool call, outside of the tool itself |
"""

from collections.abc import Mapping, Sequence
from typing import Any

SILENT_TAGS = frozenset({"nostream", "langsmith:nostream"})
INTERNAL = frozenset({"lc_internal_call", "lc_source"})
HOOKS = (".before_agent", ".before_model", ".after_model", ".after_agent")
HOOK_NODES = frozenset({"pre_model_hook", "post_model_hook", "generate_structured_response"})
TOOLS_NODE = "tools"


def is_aside(metadata: Mapping[str, Any] | None) -> bool:
    """Whether nothing within such a step is the agent's own word."""
    if not metadata:
        return False
    node = str(metadata.get("langgraph_node"))
    return not INTERNAL.isdisjoint(metadata) or node in HOOK_NODES or node.endswith(HOOKS)


def is_silent(tags: Sequence[str] | None, metadata: Mapping[str, Any] | None) -> bool:
    """Whether such a model call does not speak to the user."""
    if not SILENT_TAGS.isdisjoint(tags or ()):
        return True
    # Tools that run in that node are steps of their own, and seen.
    return is_aside(metadata) or (metadata or {}).get("langgraph_node") == TOOLS_NODE
