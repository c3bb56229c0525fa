"""The server as `/openapi.json` describes it: whatever is sent, what comes is described there.

With more examples than a test should take, for who has changed a route:

    EXAMPLES=2000 python -m pytest tests/wire/test_openapi.py --timeout 3600
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serving import Lastword, serving
from tests.wire.helpers import TIMEOUT, get
from wire.bounded import MAX_HEAD

EXAMPLES = int(os.environ.get("EXAMPLES", "40"))
NOT_SERVED = 501
"""Embeddings, where no model makes them."""
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
"""Not that all is taken which the schema lets pass: it does not know this server's models."""


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lastword]:
    with serving(tmp_path_factory.mktemp("data"), model="offline", max_runs=1000) as lastword:
        yield lastword
        lastword.wait_until_idle()


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # schemathesis' own does
def test_whatever_is_sent(offline: Lastword, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """There is no 5xx but of what is not served at all."""
    monkeypatch.chdir(tmp_path)  # it leaves files where it runs
    schema = schemathesis.openapi.from_url(f"{offline.url}/openapi.json")
    cases = [schema.as_strategy(generation_mode=mode) for mode in GenerationMode]

    @given(case=st.one_of(cases))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def answered(case: Case) -> None:
        response = case.call(timeout=TIMEOUT)
        if head(response.request) > MAX_HEAD:
            return  # refused before it is known what is asked
        assert response.status_code < 500 or response.status_code == NOT_SERVED
        case.validate_response(response, checks=CHECKS)

    answered()


def head(request: Any) -> int:
    return len(request.url) + sum(len(name) + len(value) for name, value in request.headers.items())


# What is described


def operations(lastword: Lastword) -> Iterator[tuple[str, Any]]:
    for path, methods in get(lastword, "/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_route_is_described(offline: Lastword):
    described = dict(operations(offline))
    for route in offline.app.routes:
        if getattr(route, "include_in_schema", False):
            for method in route.methods:
                assert f"{method} {route.path}" in described
    for name, operation in described.items():
        assert operation["summary"], name
        assert operation["description"], name


def test_every_answer_has_an_example(offline: Lastword):
    for name, operation in operations(offline):
        answers = [each for code, each in operation["responses"].items() if code == "200"]
        for media_type, content in (answers[0] if answers else {}).get("content", {}).items():
            assert "example" in content, (name, media_type)


def test_every_question_has_an_example(offline: Lastword):
    schemas = get(offline, "/openapi.json").json()["components"]["schemas"]
    for name, operation in operations(offline):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            schema = content["schema"]
            reference = schema.get("$ref") or schema["anyOf"][0]["$ref"]
            assert schemas[reference.rpartition("/")[2]]["examples"], name


def test_the_examples_are_answered(offline: Lastword):
    """As they stand in the documentation."""
    schemas = get(offline, "/openapi.json").json()["components"]["schemas"]
    asked = 0
    for name, operation in operations(offline):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            kind = str(content["schema"].get("$ref", "")).rpartition("/")[2]
            for example in schemas.get(kind, {}).get("examples", ()):
                path = name.partition(" ")[2]
                answer = requests.post(offline.url + path, json=example, timeout=TIMEOUT)
                assert answer.status_code in {200, NOT_SERVED}, (name, answer.text)
                asked += 1
    assert asked >= 4
