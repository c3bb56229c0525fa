"""The agent that the README shows, in a file of its own, as a reader starts it."""

import shutil
from pathlib import Path

import pytest

from tests.commands import ROOT, lastword
from tests.replies import Reply, cut_text
from tests.upstream import Upstream

EXAMPLE = ROOT / "tests" / "examples" / "my_agent.py"
CALL = {"name": "population", "arguments": '{"city": "San Francisco"}'}


def test_the_example(tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    shutil.copy(EXAMPLE, tmp_path)
    call = {"tool_calls": [{"index": 0, "id": "1", "type": "function", "function": CALL}]}
    upstream.script(Reply(tokens=["Let me see.", call], finish_reason="tool_calls"))
    upstream.script(Reply(tokens=cut_text("755,000 people.", 3)))
    done = lastword(
        "ask", "How many?", data=tmp_path, agent="my_agent:agent", openai_base_url=upstream.url
    )
    assert (done.stdout, done.stderr, done.returncode) == (b"755,000 people.\n", b"", 0)
    assert upstream.requests[1].body["messages"][-1]["content"] == "755,000"
