"""The JavaScript clients under Node's own test runner: scripted servers, and the real one."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.replies import Reply, Status, final
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.helpers import spoken
from tests.wire.proxy import Proxy

HERE = Path(__file__).parent
KEY = "sk-anne"
SAID = "Hello 🤙 thère, \u2028 Anne."


def run_tests(script: str, **environment: str) -> None:
    node = shutil.which("node")
    if node is None:
        assert not os.environ.get("CI"), "Node is missing"
        pytest.skip("needs Node")
    done = subprocess.run(
        [node, "--test", "--test-reporter=spec", str(HERE / script)],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests 0\n" not in done.stdout


@pytest.mark.parametrize("script", ["lastword.test.mjs", "openai.test.mjs", "turn.test.mjs"])
def test_by_themselves(script: str):
    run_tests(script)


def test_against_the_real_server(serve: Callable[..., Lastword], upstream: Upstream):
    lastword = serve(api_keys=KEY)
    upstream.default = says
    with Proxy(lastword.url, range(200, 600, 50)) as proxy:
        run_tests(
            "server.test.mjs",
            SERVER=lastword.url,
            PROXY=proxy.url,
            KEY=KEY,
            SAID=SAID,
            MODEL="openai:test",
        )
    lastword.wait_until_idle()


def says(body: Any) -> Any:
    question = body["messages"][-1]["content"]
    if "for ever" in question:
        return Reply(tokens=spoken(*["on and "] * 10_000), delay=0.001)
    if "fail" in question:
        return Status(400)
    return Reply(tokens=[*spoken(*SAID)] if body.get("stream") else [final(SAID)])
