"""Reading in a process of its own, which may die without harm."""

import io
import json
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent.documents import child
from agent.documents.apart import Apart
from agent.documents.block import Block, Unreadable
from tests.agent.documents.pdfs import bomb, pdf
from tests.commands import ROOT
from tests.serving import wait_for


def refused(apart: Apart, name: str, data: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        apart.read(name, data)
    return str(caught.value)


def test_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with Apart() as apart:
        assert apart.read("a.md", "# T\n\nÜ🤙".encode()) == [Block(("T",), "Ü🤙")]
        first = apart._child
        assert refused(apart, "a.txt", b"\xff") == "is not UTF-8 text"
        assert apart.read("a.pdf", pdf("Words.")) == [Block((), "Words.", "page=1")]
        assert first is not None
        assert apart._child is first, "it is started once"
        if sys.platform == "linux":
            assert b"secret" not in Path(f"/proc/{first.pid}/environ").read_bytes()
    assert first.returncode is not None, "it is gone"
    assert refused(apart, "a.txt", b"x") == "was not read: the server stops"
    apart.close()


def test_one_that_takes_too_long_or_dies_is_replaced() -> None:
    with Apart() as apart:
        apart._seconds = 0.0
        assert refused(apart, "a.html", b"<p>" * 3_000_000) == "takes too long to read"
        apart._seconds = 30.0
        assert apart.read("a.txt", b"x") == [Block((), "x")]
        assert apart._child
        apart._child.kill()
        apart._child.wait()
        assert apart.read("a.txt", b"x") == [Block((), "x")], "the next document is not to blame"
        apart._child.send_signal(signal.SIGSTOP)
        dying = threading.Timer(0.05, apart._child.kill)
        dying.start()
        assert refused(apart, "a.txt", b"x" * 10**6) == "cannot be read"
        dying.join()


def test_a_bomb_is_refused() -> None:
    data = bomb(300 * 2**20)
    assert len(data) < 400_000
    with Apart() as apart:
        assert refused(apart, "a.pdf", data).startswith(("is broken", "takes too", "cannot be"))
        assert apart.read("a.txt", b"x") == [Block((), "x")]


def test_closing_ends_a_reading_that_is_under_way() -> None:
    apart, said = Apart(), []
    reading = threading.Thread(
        target=lambda: said.append(refused(apart, "a.html", b"<p>a" * 4_000_000))
    )
    reading.start()
    wait_for(lambda: apart._child)
    apart.close()
    reading.join(10)
    assert not reading.is_alive()
    assert said[0] in {"cannot be read", "was not read: the server stops"}


def question(name: str, data: bytes) -> bytes:
    return json.dumps({"name": name, "size": len(data)}).encode() + b"\n" + data


def test_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = io.BytesIO(question("a.txt", b"x\n\ny") + question("b.pdf", b""))
    told = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(heard))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(told))
    limits = resource.getrlimit(resource.RLIMIT_AS)
    child.main(limits[0])
    assert [json.loads(line) for line in told.getvalue().splitlines()] == [
        [[[], "x\n\ny", ""]],
        "is broken (EmptyFileError)",
    ]
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == limits[0]
    monkeypatch.setitem(sys.modules, "resource", None)
    child.limit_memory(1)  # not every system can


def test_it_has_little_memory() -> None:
    with Apart() as apart:
        apart.read("a.txt", b"x")
        assert apart._child
        limit = resource.prlimit(apart._child.pid, resource.RLIMIT_AS)
    assert limit == (child.MEMORY, child.MEMORY)


ORPHAN = """
import os, signal
from agent.documents.apart import Apart
apart = Apart()
apart.read("a.txt", b"x")
print(apart._child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can")
def test_it_does_not_outlive_a_server_that_is_killed() -> None:
    done = subprocess.run([sys.executable, "-c", ORPHAN], cwd=ROOT, capture_output=True, text=True)
    wait_for(lambda: not is_alive(int(done.stdout)))
    child.die_with_parent(0)  # this process has nobody to follow
