"""Every command and every snippet of the README is run, and does what the README says."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from settings import PREFIX, Settings
from tests.serving import Lastword, serving

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
BLOCKS = [(match[1], match[2]) for match in BLOCK.finditer(README)]
OWN_AGENT = (ROOT / "tests/examples/my_agent.py").read_text()
"""Served by tests/agent/test_own_readme.py: to import it takes a key."""
PYTHON = [code for language, code in BLOCKS if language == "python" and code != OWN_AGENT]
SHELL = [
    line.partition("#")[0].strip()
    for language, code in BLOCKS
    if language == "sh"
    for line in code.splitlines()
]
CI = {
    "scripts/run",  # by test_scripts
    "scripts/test",  # runs this
    "LASTWORD_AGENT=my_agent:agent .venv/bin/python main.py",  # by test_own_readme
    "REDIS_URL=redis://localhost:6379 .venv/bin/python main.py --workers 2",  # by test_main
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lastword]:
    with serving(tmp_path_factory.mktemp("data"), model="offline") as lastword:
        yield lastword


def at(server: Lastword, text: str) -> str:
    return text.replace("http://localhost:8000", server.url)


def shown_after(code: str) -> str:
    """What the README shows as the output of a block: the next block, if it has no language."""
    following = BLOCKS[[block for _, block in BLOCKS].index(code) + 1]
    return following[1] if not following[0] else ""


@pytest.mark.parametrize("code", PYTHON)
def test_python(code: str, server: Lastword, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", at(server, code)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert shown_after(code) in ("", done.stdout)


@pytest.mark.parametrize("command", [line for line in SHELL if line not in CI])
def test_shell(command: str, server: Lastword, tmp_path: Path) -> None:
    program, *arguments = shlex.split(at(server, command))
    program = sys.executable if program == ".venv/bin/python" else program
    done = subprocess.run(
        [program, *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "LASTWORD_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    if "event-stream" in command:
        shown = next(block for _, block in BLOCKS if block.startswith("event: start"))
        assert anonymous(done.stdout).startswith(anonymous(shown).rstrip())
        assert done.stdout.count("event: end") == 1
    else:
        assert done.stdout.strip().endswith(" is 8.426149773176359.")


def anonymous(events: str) -> str:
    return re.sub(r'"(\w*id)":"[^"]*"', r'"\1":"…"', events)


def test_every_command_is_one_that_is_run() -> None:
    assert set(SHELL) >= CI
    assert len(SHELL) - len(CI) == 4
    assert len(PYTHON) == 3
    assert ("python", OWN_AGENT) in BLOCKS


def test_settings_are_all_named() -> None:
    names = {
        str(field.validation_alias or f"{PREFIX}{name}".upper())
        for name, field in Settings.model_fields.items()
    }
    for text in (README, (ROOT / ".env.example").read_text()):
        assert set(re.findall(r"\b(?:LASTWORD|OPENAI|REDIS)_[A-Z_]+\b", text)) == names
