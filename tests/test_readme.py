"""Every command and every snippet of the README, and of `docs`, does what it says there."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from settings import PREFIX, Settings
from stream.errors import CATALOGUE
from tests.commands import MAIN, environment
from tests.node import CLIENTS, module
from tests.replies import Stall, Status, blob
from tests.serving import Lastword, serving, wait_for
from tests.upstream import Upstream
from tests.wire.browser import Page
from tests.wire.event_source import a_browser, visit
from tests.wire.helpers import TIMEOUT, spoken
from tests.wire.proxy import Proxy
from wire.page import FILES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
CLIENTS_PAGE = (ROOT / "docs/clients.md").read_text()
BLOCKS = [(match[1], match[2]) for text in (README, CLIENTS_PAGE) for match in BLOCK.finditer(text)]
OWN_AGENT = (ROOT / "tests/examples/my_agent.py").read_text()
"""Served by tests/agent/test_own_readme.py: to import it takes a key."""
PYTHON = [code for language, code in BLOCKS if language == "python" and code != OWN_AGENT]
JAVASCRIPT = [code for language, code in BLOCKS if language == "js"]
NODE = [code for code in JAVASCRIPT if code.startswith("import ")]
WHOLE_PAGE = next(code for code in JAVASCRIPT if "onsubmit" in code)
PAGES = [code for code in JAVASCRIPT if code not in (*NODE, WHOLE_PAGE)]
SOURCES = README.partition("\n## Answers with sources\n")[2].partition("\n## ")[0]
SETTING = re.compile(r"\b(?:LASTWORD|OPENAI|REDIS|DATABASE)_[A-Z_]+\b")
BODY = """
const document = { body: { textContent: "", append(text) { this.textContent += text } } };
"""
"""Of a page, for its code in Node."""
ROOT_OF_71 = "The square root of 71 is 8.426149773176359."
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
    "REDIS_URL=redis://localhost:6379 LASTWORD_WORKERS=external .venv/bin/python main.py",
    "REDIS_URL=redis://localhost:6379 .venv/bin/python main.py work",  # by test_workers, as above
    # by test_answers_with_sources
    *"".join(code for language, code in BLOCK.findall(SOURCES) if language).splitlines(),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lastword]:
    with serving(tmp_path_factory.mktemp("data"), model="offline", grpc_port=0) as lastword:
        yield lastword


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with a_browser(tmp_path_factory.mktemp("browser") / "profile") as page:
        yield page


def at(server: Lastword, text: str) -> str:
    text = text.replace("localhost:8000", server.url.removeprefix("http://"))
    if "localhost:50051" not in text:
        return text
    return text.replace("localhost:50051", f"127.0.0.1:{server.app.state.grpc_port}")


def shown_after(code: str) -> str:
    """What a page shows as the output of a block: the next block, if it has no language.

    For blocks that all ask the same the README shows it once.
    """
    language, following = BLOCKS[[block for _, block in BLOCKS].index(code) + 1]
    if not language:
        return following.strip()
    return ROOT_OF_71 if "square root of 71" in code else ""


def prints_what_is_shown(code: str, command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert shown_after(code) in ("", done.stdout.strip())


@pytest.mark.parametrize("code", PYTHON)
def test_python(code: str, server: Lastword, tmp_path: Path) -> None:
    prints_what_is_shown(code, [sys.executable, "-c", at(server, code)], tmp_path)


@pytest.mark.parametrize("code", NODE)
def test_javascript(code: str, server: Lastword) -> None:
    prints_what_is_shown(code, module(at(server, code)), CLIENTS)


@pytest.mark.parametrize("code", PAGES)
def test_in_a_page(code: str, server: Lastword, page: Page) -> None:
    visit(page, f"{server.url}/health")
    page.evaluate("document.body.textContent = ''")
    page.evaluate(f"(async () => {{ {at(server, code)} }})(); undefined")
    wait_for(lambda: page.evaluate("document.body.textContent") == shown_after(code))


def test_a_copy_in_node(server: Lastword, tmp_path: Path) -> None:
    """Node imports nothing from the network."""
    for name in ("lastword", "openai"):
        shutil.copy(ROOT / f"web/{name}.js", tmp_path / f"{name}.mjs")
    codes = [code for code in PAGES if "/web/" in code]
    assert len(codes) == 2
    for code in codes:
        copied = re.sub(r"\$\{url\}/web/(\w+)\.js", r"./\1.mjs", at(server, code))
        command = module(f"{BODY}{copied}console.log(document.body.textContent);")
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert (done.stdout.strip(), done.stderr) == (ROOT_OF_71, "")


class WholePage:
    """The page of `docs/clients.md`, from wherever it is served."""

    def __init__(self, page: Page, url: str) -> None:
        self._page, self._url = page, url

    def come(self) -> None:
        code = WHOLE_PAGE.replace("http://localhost:8000", self._url)
        visit(self._page, f"{self._url}/health")
        self._page.evaluate(f"(async () => {{ {code} }})()")

    def ask(self) -> None:
        self._page.evaluate("document.forms[0].elements.text.value = 'When?'")
        self._page.evaluate("document.forms[0].requestSubmit()")

    def wait_for(self, answer: str, note: str) -> None:
        shown = "[document.querySelector('p').textContent, document.querySelector('output').value]"
        wait_for(lambda: self._page.evaluate(shown) == [answer, note], TIMEOUT)


def test_a_whole_page(
    page: Page, serve: Callable[..., Lastword], upstream: Upstream, tmp_path: Path
) -> None:
    """It asks, goes on after a reload and through a network that cuts, links, stops, and fails."""
    folder = tmp_path / "handbook"
    folder.mkdir()
    (folder / "ferry.md").write_text("Horses go on Tuesdays.")
    with Proxy(serve(documents=folder).url) as network:
        whole = WholePage(page, network.url)
        whole.come()
        upstream.say(blob("search", "horses"))
        upstream.script(Stall(tokens=spoken("Tuesdays", " [1]."), after=2))
        whole.ask()
        whole.wait_for("Tuesdays", "")
        network.cuts.extend([100] * 100)
        whole.come()
        whole.wait_for("Tuesdays", "Connecting …")
        network.cuts.clear()
        whole.wait_for("Tuesdays", "")
        upstream.release()
        whole.wait_for("Tuesdays [1].", "stop")
        cited = page.evaluate("document.querySelector(document.querySelector('p a').hash).title")
        assert cited == "Horses go on Tuesdays."
        upstream.script(Stall(tokens=spoken("Never", "."), after=2))
        whole.ask()
        whole.wait_for("Never", "")
        page.evaluate("document.getElementById('stop').click()")
        whole.wait_for("Never", "cancelled")
        upstream.script(Status(401))
        whole.ask()
        whole.wait_for("", "The model's server refused this server's key.")
        before = upstream.requests[-1].body["messages"][-2]["content"]
        assert "Never" in before, "it is one conversation"
        assert page.evaluate("sessionStorage.length") == 0


def test_answers_with_sources(tmp_path: Path) -> None:
    """The section's commands, one after the other, in a folder of their own."""
    making, asking, answer, indexing = (code for _, code in BLOCK.findall(SOURCES))
    *made, start = making.splitlines()
    assert start == "LASTWORD_DOCUMENTS=handbook scripts/run"

    def run(command: str) -> str:
        done = subprocess.run(
            command.replace(".venv/bin/python main.py", shlex.join(MAIN)),
            shell=True,
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    run("\n".join(made))
    with serving(tmp_path, model="offline", documents=tmp_path / "handbook") as server:
        assert run(at(server, asking)) == answer.rstrip("\n")
    assert run(indexing) == "1 document, 1 passage.\n"


def test_the_page_weighs_what_is_said(server: Lastword) -> None:
    said = re.search(r"weigh less than (\d+) kB", README)
    assert said
    sizes = [
        int(requests.get(f"{server.url}/web/{name}", timeout=TIMEOUT).headers["Content-Length"])
        for name in FILES
    ]
    assert sum(sizes) < 1000 * int(said[1])


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
        assert done.stdout.strip().endswith(ROOT_OF_71.partition(" is ")[2])


def anonymous(events: str) -> str:
    return re.sub(r'"(\w*id)":"[^"]*"', r'"\1":"…"', events)


def test_every_command_is_one_that_is_run() -> None:
    assert set(SHELL) >= CI
    assert len(SHELL) - len(CI) == 4
    assert ("python", OWN_AGENT) in BLOCKS


def test_every_snippet_is_one_that_is_run() -> None:
    assert {language for language, _ in BLOCKS} == {"", "sh", "python", "js", "jsx"}
    assert [code for language, code in BLOCKS if language == "jsx" and "useChat" not in code] == []
    assert min(len(PYTHON), len(NODE), len(PAGES)) >= 2


def test_every_route_is_in_the_table(server: Lastword) -> None:
    section = README.partition("\n## The API\n")[2].partition("\n## ")[0]
    for path in [*server.app.openapi()["paths"], "/ws"]:
        assert re.sub(r"{\w+}", "{id}", path) + "`" in section


def test_every_error_is_in_the_table() -> None:
    section = CLIENTS_PAGE.partition("\n## Errors\n")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `(\w+)` \| (\d+) \| (yes)? ?\|", section, re.MULTILINE)
    kinds = {
        kind.code: (str(kind.status), "yes" if kind.retryable else "")
        for kind in CATALOGUE.values()
    }
    assert {code: (status, again) for code, status, again in told} == kinds


def test_what_readers_are_sent_to_is_there() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    assert pages
    for path in pages:
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
            file, _, heading = target.partition("#")
            there = path.parent / file if file else path
            assert there.exists(), f"{path.name} -> {target}"
            assert not heading or heading in anchors(there.read_text()), f"{path.name} -> {target}"


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}


def test_settings_are_all_named() -> None:
    names = {
        str(field.validation_alias or f"{PREFIX}{name}".upper())
        for name, field in Settings.model_fields.items()
    }
    for text in (README, (ROOT / ".env.example").read_text()):
        assert set(SETTING.findall(text)) == names
    assert set(SETTING.findall(CLIENTS_PAGE)) <= names
