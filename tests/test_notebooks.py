"""The notebooks run as they stand, and stand here as they ran."""

import shutil
from pathlib import Path

import pytest
from nbformat import NotebookNode

from tests.notebooks import NOTEBOOKS, ROOT, code, executed, outputs, read

MAX_SIZE = 300_000
"""Bytes."""


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    notebook: Path = request.param
    return notebook


def flaws(notebook: NotebookNode) -> list[NotebookNode]:
    """Outputs that no reader should see."""
    return [
        output
        for output in outputs(notebook)
        if output.output_type == "error"
        or output.get("name") == "stderr"
        or "Warning" in output.get("text", "")
    ]


def pictures(notebook: NotebookNode) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs(notebook))


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 2


def test_it_runs(path: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(path, tmp_path))
    notebook = read(copy)
    committed = [len(cell.outputs) for cell in code(notebook)]
    executed(notebook, tmp_path)
    assert flaws(notebook) == []
    assert pictures(notebook) == 1
    assert [len(cell.outputs) for cell in code(notebook)] == committed
    assert list(tmp_path.iterdir()) == [copy], "it left something behind"


def test_its_outputs_are_real(path: Path) -> None:
    notebook = read(path)
    counts = [cell.execution_count for cell in code(notebook)]
    assert counts == list(range(1, len(counts) + 1)), "run it from top to bottom and save it"
    assert flaws(notebook) == []
    assert pictures(notebook) == 1


def test_it_has_prose(path: Path) -> None:
    cells = read(path).cells
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    assert sum(cell.cell_type == "markdown" for cell in cells) >= len(cells) / 3


def test_it_says_nothing_of_the_machine_it_ran_on(path: Path) -> None:
    notebook = read(path)
    text = path.read_text()
    assert len(text) < MAX_SIZE
    assert str(ROOT) not in text
    assert str(Path.home()) not in text
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert all(not cell.metadata for cell in notebook.cells)
