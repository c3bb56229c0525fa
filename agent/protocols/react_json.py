"""`react_json`: thoughts, then an action as a fenced JSON blob, or `Final Answer:`."""

import json
from typing import Any

from agent.protocols.react import THEN, React

FORM = """\
RESPONSE FORMAT
---------------
To use a tool, reply with a thought and one JSON object in a code block:

Thought: what you have found out, and what to do next
Action:
```json
{"action": "the tool's name", "action_input": "the input for the tool"}
```

That is the end of your reply.
"""


class ReactJson(React):
    """As `react`, with the action in JSON, as LangChain's ReAct agents for chat models use it."""

    name = "react_json"
    form = FORM + THEN
    correction = (
        "That reply was not in the required format. Reply again with either one JSON object with "
        '"action" and "action_input" in a code block, or a line that begins with "Final Answer:".'
    )

    def action(self, name: str, tool_input: Any) -> str:
        blob = json.dumps({"action": name, "action_input": tool_input}, ensure_ascii=False)
        return f"Thought: I should use a tool\nAction:\n```json\n{blob}\n```"
