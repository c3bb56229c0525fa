"""What marks a model call as not for the user."""

import pytest

from callbacks.asides import is_aside, is_silent


@pytest.mark.parametrize(
    ("tags", "metadata", "silent", "aside"),
    [
        (None, None, False, False),
        ([], {}, False, False),
        (["seq:step:1"], {"langgraph_node": "model"}, False, False),
        (["nostream"], None, True, False),
        (["other", "langsmith:nostream"], {}, True, False),
        (None, {"lc_internal_call": "token"}, True, True),
        (None, {"lc_source": "summarization"}, True, True),
        (None, {"langgraph_node": "Mine.before_agent"}, True, True),
        (None, {"langgraph_node": "Mine.before_model"}, True, True),
        (None, {"langgraph_node": "Mine.after_model"}, True, True),
        (None, {"langgraph_node": "Mine.after_agent"}, True, True),
        (None, {"langgraph_node": "pre_model_hook"}, True, True),
        (None, {"langgraph_node": "post_model_hook"}, True, True),
        (None, {"langgraph_node": "generate_structured_response"}, True, True),
        (None, {"langgraph_node": "tools"}, True, False),
        (None, {"langgraph_node": None}, False, False),
    ],
)
def test_marks(tags, metadata, silent: bool, aside: bool) -> None:
    assert is_silent(tags, metadata) is silent
    assert is_aside(metadata) is aside
