"""The scripts can be run, and what they lock names versions, hashes and no address."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted([*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run"])
LOCKS = [ROOT / "constraints.txt", ROOT / "constraints-dev.txt"]
PIN = re.compile(
    r"(?P<name>[a-z0-9]+(?:[._-][a-z0-9]+)*)(?:\[[a-z0-9,-]+\])?==(?P<version>[a-z0-9.+!]+)"
    r"(?: ; [^\\]+)? \\\n"
    r"(?:    --hash=sha256:[0-9a-f]{64} \\\n)*"
    r"    --hash=sha256:[0-9a-f]{64}\n",
    re.IGNORECASE,
)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def pins(lock: Path) -> dict[str, str]:
    """What is pinned, and to which version; a package may be pinned once per platform."""
    found = PIN.finditer(lock.read_text())
    return {pin["name"]: pin["version"] for pin in found}


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_a_script_can_be_run(script: Path) -> None:
    assert os.access(script, os.X_OK)
    shebang = script.read_text().partition("\n")[0]
    shell = shebang.removeprefix("#!/bin/")
    assert shell in {"sh", "bash"}
    checked = subprocess.run([shell, "-n", script], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_a_script_stops_at_the_first_failure_and_runs_from_anywhere(script: Path) -> None:
    text = script.read_text()
    assert re.search(r"^set -e", text, re.MULTILINE)
    assert 'cd "$(dirname "$0")/.."' in text


@pytest.mark.parametrize("lock", LOCKS, ids=name)
def test_a_lock_is_nothing_but_pins_with_hashes(lock: Path) -> None:
    rest = PIN.sub("", lock.read_text())
    assert pins(lock)
    assert [line for line in rest.splitlines() if line and not line.lstrip().startswith("#")] == []


@pytest.mark.parametrize("lock", LOCKS, ids=name)
def test_a_lock_names_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "index" not in text
    assert not re.search(r"\b[\w-]+\.(?:org|com|net|io|dev)\b", text)


def test_the_locks_agree() -> None:
    installed, worked_on = map(pins, LOCKS)
    assert installed.items() <= worked_on.items()
    assert len(worked_on) > len(installed)
