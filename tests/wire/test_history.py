"""A conversation that the client keeps goes with the question, in place of the thread's memory."""

from typing import Any

import pytest

from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.helpers import JSON, ask, get

BEFORE = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "My name is Ada."},
    {"role": "assistant", "content": "Hello, Ada."},
]


def heard(model: Upstream) -> list[str]:
    """What the model was told in its last call, but for the prompt."""
    messages = model.requests[-1].body["messages"]
    return [message["content"] for message in messages if message["role"] != "system"]


def test_the_model_hears_it_and_the_answer_repeats_it(shared: Lastword, model: Upstream):
    answer = ask(shared, "Who am I?", JSON, history=BEFORE).json()
    name, hello, question = heard(model)
    assert ("Ada." in name, "Hello" in hello, "Who" in question) == (True, True, True)
    assert answer["chat_history"] == BEFORE[1:]
    assert get(shared, f"/threads/{answer['thread_id']}").status_code == 404


def test_it_replaces_what_the_thread_remembers(shared: Lastword, model: Upstream):
    """Editing a question: the thread goes on from before it."""
    for text in ("one", "two", "three"):
        assert ask(shared, text, thread_id="edited").ok
    assert ask(shared, "TWO", thread_id="edited", history=[]).ok
    assert len(heard(model)) == 1
    messages = get(shared, "/threads/edited").json()["messages"]
    assert [message["content"] for message in messages] == ["TWO", "Hello there."]


WRONG: dict[str, Any] = {
    "history": "none",
    "history.0.role": [{"role": "tool", "content": "4"}],
    "history.0.content": [{"role": "user", "content": "a\0b"}],
    "history.1.content": [BEFORE[0], {"role": "user", "content": ["parts"]}],
    "history.0.name": [{"role": "user", "content": "hi", "name": "Ada"}],
}


@pytest.mark.parametrize("field", WRONG)
def test_what_is_none_is_refused(field: str, shared: Lastword, model: Upstream):
    answer = ask(shared, history=WRONG[field])
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]
    assert model.requests == []


def test_half_a_character_is_refused(shared: Lastword):
    answer = ask(shared, history=[{"role": "user", "content": "\ud800"}])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "history.0.content")


def test_many_mistakes_are_told_as_one(shared: Lastword):
    answer = ask(shared, history=[1] * 999)
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 1)
