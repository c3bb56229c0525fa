"""Runs notebooks: the tests a copy, `python -m tests.notebooks` renews the outputs in place."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib.font_manager  # noqa: F401  finds the fonts, which else a notebook would report
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TIMEOUT = 60
"""Seconds for one cell."""
SETTINGS = ("LASTWORD_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_")


def read(path: Path) -> NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def executed(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """The notebook with new outputs, run in this folder, by this Python, with no settings."""
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",  # jupyter_client starts it with `sys.executable`
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    client.execute(env=clean)
    notebook.metadata.language_info = {"name": "python"}  # and not which version is here
    return notebook


def outputs(notebook: NotebookNode) -> Iterator[NotebookNode]:
    for cell in notebook.cells:
        yield from cell.get("outputs", ())


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


if __name__ == "__main__":
    for path in [Path(name) for name in sys.argv[1:]] or NOTEBOOKS:
        nbformat.write(executed(read(path), path.parent), path)
