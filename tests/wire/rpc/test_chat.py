"""Answers by gRPC, as its own clients get them."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.replies import Gate, Reply, Stall, blob, final
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.helpers import CLOSING, JSON, OPENING, ask, get, spoken
from tests.wire.rpc.clients import (
    GENERATED,
    TIMEOUT,
    Client,
    Told,
    address,
    bearer,
    client_process,
    run_of,
    text_of,
    told,
)
from tests.wire.test_uncertain import ANSWER, CALL, PREAMBLE
from wire.rpc.lastword.v1 import chat_pb2 as pb

OK = grpc.StatusCode.OK
INVALID = grpc.StatusCode.INVALID_ARGUMENT
Start = Callable[..., tuple[Lastword, Client]]


def with_tool(model: Upstream) -> None:
    model.say(blob("calculator", "6*7"))
    model.say(final("It is 42."))


def test_a_whole_answer(client: Client, model: Upstream):
    with_tool(model)
    told = client.send("6*7?", thread_id="whole")
    assert (told.code, told.text) == (OK, "It is 42.")
    assert told.kinds == ["started", "tool", "tool", *["delta"] * told.kinds.count("delta"), "end"]
    started, begun, ended = (
        told.answers[0].started,
        told.answers[1].tool,
        told.answers[2].tool,
    )
    assert told.names["x-run-id"] == started.run_id
    assert told.names["x-thread-id"] == started.thread_id == "whole"
    assert (begun.name, begun.state) == ("calculator", pb.Tool.STATE_STARTED)
    assert json.loads(begun.input) == {"expression": "6*7"}
    assert (ended.state, ended.output) == (pb.Tool.STATE_FINISHED, "42")
    assert begun.call_id == ended.call_id != ""
    end = told.answers[-1].end
    assert end.finish_reason == pb.FINISH_REASON_STOP
    assert end.usage == pb.Usage(input_tokens=24, output_tokens=68, total_tokens=92)


def test_what_beside_the_answer(client: Client, model: Upstream):
    for include, kinds in (
        (pb.Include(), {"started", "delta", "end"}),
        (pb.Include(tools=True), {"started", "tool", "delta", "end"}),
        (pb.Include(thoughts=True), {"started", "delta", "end"}),
    ):
        with_tool(model)
        assert set(client.send(include=include).kinds) == kinds


HOSTILE = "\r\n|\r|\n|\0|\ufeff|\u2028|\x85|" + "🙂|a|é"


def test_hostile_text(client: Client, model: Upstream):
    model.script(Reply(tokens=spoken(*HOSTILE.split("|"), "|")))
    assert client.send().text == HOSTILE.replace("|", "") + "|"
    model.script(Reply(tokens=[OPENING, "\\ud83d", " ", "\\ud83d", "\\ude42", CLOSING]))
    assert client.send().text == "\N{REPLACEMENT CHARACTER} 🙂"


def test_a_conversation_with_the_other_wires(client: Client, shared: Lastword, model: Upstream):
    model.say(final("Hello Anne."))
    first = client.send("I am Anne.")
    thread = first.names["x-thread-id"]
    history = ask(shared, "Who am I?", JSON, thread_id=thread).json()["chat_history"]
    assert [each["content"] for each in history] == ["I am Anne.", "Hello Anne."]
    assert get(shared, f"/runs/{first.names['x-run-id']}").json()["answer"] == first.text


def test_settings_of_a_request(start: Start, upstream: Upstream):
    _, client = start(models="openai:other")
    assert client.send(model="openai:other", temperature=0.5, max_tokens=7).code is OK
    assert client.send(temperature=0).code is OK
    first, second = (request.body for request in upstream.requests)
    assert (first["model"], first["temperature"]) == ("other", 0.5)
    assert 7 in {first.get("max_tokens"), first.get("max_completion_tokens")}
    assert (second["model"], second["temperature"]) == ("test", 0)


def test_finish_reasons(client: Client, model: Upstream):
    model.script(Reply(tokens=[OPENING, "Half"], finish_reason="length"))
    told = client.send()
    assert (told.text, told.answers[-1].end.finish_reason) == ("Half", pb.FINISH_REASON_LENGTH)


# What may not be the answer


def say(upstream: Upstream, gate: Gate | None = None) -> None:
    upstream.script(Reply(tokens=[*PREAMBLE, CALL], finish_reason="tool_calls"))
    upstream.script(Reply(tokens=ANSWER, gate=gate))


def test_uncertain_text_is_held(start: Start, upstream: Upstream):
    _, client = start(protocol="message")
    say(upstream)
    told = client.send()
    assert told.text == "It is 42."
    assert told.kinds == ["started", "tool", "tool", "delta", "end"]


def test_uncertain_text_at_once(start: Start, upstream: Upstream):
    _, client = start(protocol="message", answer_mode="eager")
    gate = Gate(1)
    say(upstream, gate)
    call = client.sending()
    answers = [next(call)]
    while not text_of(answers).endswith("It is "):
        answers.append(next(call))
    gate.release()
    assert text_of([*answers, *call]) == "Let me see.\n\nIt is 42."


# What is refused

BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "no text": ("text", {"text": ""}),
    "blanks": ("text", {"text": " \n"}),
    "NUL": ("text", {"text": "a\0b"}),
    "too long": ("text", {"text": "x" * 32_001}),
    "a thread": ("thread_id", {"thread_id": "a b"}),
    "too hot": ("temperature", {"temperature": 2.1}),
    "no number": ("temperature", {"temperature": float("nan")}),
    "no tokens": ("max_tokens", {"max_tokens": 0}),
    "another model": ("model", {"model": "openai:unknown"}),
    "a long model": ("model", {"model": "x" * 201}),
    "an unknown policy": ("on_disconnect", {"on_disconnect": 99}),
    "an unknown conflict": ("on_conflict", {"on_conflict": 99}),
    "a past": ("cancel_after_seconds", {"cancel_after_seconds": -1}),
    "too late": ("cancel_after_seconds", {"cancel_after_seconds": 3601}),
}


@pytest.mark.parametrize(("field", "fields"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_named(
    field: str, fields: dict[str, Any], client: Client, model: Upstream
):
    told = client.send(**fields)
    assert (told.code, told.answers) == (INVALID, [])
    assert told.details.startswith(f"{field}: ")
    assert told.trailers["lastword-code"] == "bad_request"
    assert told.trailers["lastword-field"] == field
    assert told.trailers["lastword-retryable"] == "false"
    assert model.requests == []


def test_what_is_no_message(client: Client, caplog: pytest.LogCaptureFixture):
    methods = {
        "/lastword.v1.Chat/Send",
        "/lastword.v1.Chat/Resume",
        "/lastword.v1.Chat/Cancel",
        "/grpc.health.v1.Health/Check",
    }
    for method in methods:
        for data in (b"\xff\xff\xff", b"\x0a\x02\xff\xfe"):
            call = client.channel.unary_stream(method)(data, timeout=TIMEOUT)
            assert told(call).code is INVALID
            assert "DecodeError" not in call.details()
    assert caplog.records == []


def test_a_message_that_is_too_large(client: Client, model: Upstream):
    assert client.send("x" * 300_000).code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert model.requests == []


def test_a_busy_thread(client: Client, model: Upstream):
    stall = model.script(Stall())
    first = client.sending(thread_id="busy")
    next(first)
    model.wait_for(lambda: model.open == 1)  # the stall is for this one
    refused = client.send(thread_id="busy")
    assert (refused.code, refused.trailers["lastword-code"]) == (
        grpc.StatusCode.ABORTED,
        "conflict",
    )
    second = client.send(thread_id="busy", on_conflict=pb.ON_CONFLICT_INTERRUPT)
    assert second.text == "Hello there."
    ended = told(first)
    assert ended.code is OK
    assert ended.answers[-1].end.finish_reason == pb.FINISH_REASON_CANCELLED
    stall.gate.release()


def test_too_many_runs(start: Start, upstream: Upstream):
    _, client = start(max_runs=1)
    stall = upstream.script(Stall())
    first = client.sending()
    next(first)
    refused = client.send()
    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.trailers["lastword-code"] == "busy"
    assert refused.trailers["lastword-retryable"] == "true"
    assert refused.trailers["grpc-retry-pushback-ms"] == "1000"
    stall.gate.release()
    assert told(first).code is OK


# Going on


def test_resume_from_every_cursor(client: Client, model: Upstream):
    with_tool(model)
    whole = client.send()
    run_id = whole.names["x-run-id"]
    everything = client.resume(run_id)
    assert (everything.code, everything.answers) == (OK, whole.answers)
    assert everything.names["x-run-id"] == run_id
    assert everything.names["x-thread-id"] == whole.names["x-thread-id"]
    for place, answer in enumerate(whole.answers, 1):
        rest = client.resume(run_id, answer.cursor)
        assert (rest.code, rest.answers) == (OK, whole.answers[place:])


def test_resume_while_it_goes_on(start: Start, upstream: Upstream):
    _, client = start(protocol="message")
    gate = Gate(2)
    upstream.script(Reply(tokens=[*ANSWER, " Yes."], gate=gate))
    asking = client.sending()
    started = next(asking)
    resumed = client.stub.Resume(pb.ResumeRequest(run_id=run_of(asking)), timeout=TIMEOUT)
    assert next(resumed) == started
    gate.release()
    assert list(resumed) == list(asking)


@pytest.mark.parametrize("after", ["99", "-1", "x", "0\n1", "1" * 99, "٣"])
def test_a_cursor_that_is_none(after: str, client: Client):
    run_id = client.send().names["x-run-id"]
    refused = client.resume(run_id, after)
    assert (refused.code, refused.answers) == (INVALID, [])
    assert refused.trailers["lastword-field"] == "after"


def test_a_run_that_is_none(client: Client):
    for run_id in ("", "0" * 32, "ü"):
        assert client.resume(run_id).code is grpc.StatusCode.NOT_FOUND
        with pytest.raises(grpc.RpcError) as refused:
            client.cancel(run_id)
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_cancel(client: Client, model: Upstream):
    model.script(Stall(tokens=spoken("Begun", "never said"), after=2))
    call = client.sending()
    answers = [next(call), next(call)]
    client.cancel(run_of(call))
    told_ = told(call)
    assert told_.code is OK
    assert text_of(answers) == "Begun"
    assert told_.answers[-1].end.finish_reason == pb.FINISH_REASON_CANCELLED
    model.wait_for(lambda: model.cancelled == 1)
    client.cancel(run_of(call))  # once more does nothing


# Other clients


def test_a_stub_made_from_the_proto(shared: Lastword, model: Upstream, tmp_path: Path):
    """As anyone makes it, in a process that knows nothing else; asyncio."""
    out = [f"--{kind}={tmp_path}" for kind in ("python_out", "grpc_python_out")]
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{GENERATED}", *out]
    subprocess.run([*protoc, "lastword/v1/chat.proto"], check=True)
    with_tool(model)
    with client_process(address(shared), "6*7?", generated=tmp_path) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    answers = [json.loads(line) for line in said.splitlines()]
    assert "".join(answer.get("delta", {}).get("text", "") for answer in answers) == "It is 42."
    assert answers[-1]["end"]["finishReason"] == "FINISH_REASON_STOP"


def test_a_client_made_by_reflection(client: Client, model: Upstream):
    """It has never seen the .proto."""
    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)

    def ask(**question: str) -> Any:
        request = reflection_pb2.ServerReflectionRequest(**question)
        return next(iter(stub.ServerReflectionInfo(iter([request]), timeout=TIMEOUT)))

    services = {each.name for each in ask(list_services="").list_services_response.service}
    assert services >= {"lastword.v1.Chat", "grpc.health.v1.Health"}

    pool = DescriptorPool()
    found = ask(file_containing_symbol="lastword.v1.Chat").file_descriptor_response
    for file in found.file_descriptor_proto:
        pool.Add(FileDescriptorProto.FromString(file))
    method = pool.FindServiceByName("lastword.v1.Chat").FindMethodByName("Send")
    asked, answer = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    send = client.channel.unary_stream(
        "/lastword.v1.Chat/Send",
        request_serializer=asked.SerializeToString,
        response_deserializer=answer.FromString,
    )
    with_tool(model)
    answers: Any = list(send(asked(text="6*7?"), timeout=TIMEOUT))
    assert text_of(answers) == "It is 42."
    assert answers[-1].end.finish_reason == pb.FINISH_REASON_STOP


# Who may ask

ANNE, BOB = "sk-anne-4711", "sk-bob-0815"


@pytest.fixture
def guarded(start: Start) -> Client:
    return start(api_keys=f"{ANNE},{BOB}")[1]


def test_who_has_no_key_stays_outside(guarded: Client, upstream: Upstream):
    keys = [[], bearer("sk-anne-4712"), bearer(f"{ANNE}, {BOB}")]
    keys += [[("authorization", ANNE)], [("authorization", f"Basic {ANNE}")], [("x-api-key", ANNE)]]
    for metadata in keys:
        for method, request in (
            (guarded.stub.Send, pb.SendRequest(text="hi")),
            (guarded.stub.Resume, pb.ResumeRequest(run_id="0")),
            (guarded.stub.Cancel, pb.CancelRequest(run_id="0")),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                list(method(request, metadata=metadata, timeout=TIMEOUT) or [])
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED, metadata
            assert "sk-" not in refused.value.details()
    assert upstream.requests == []


def test_two_users(guarded: Client, upstream: Upstream):
    stall = upstream.script(Stall(tokens=spoken("Hers ", "alone"), after=2))
    hers = guarded.sending(key=ANNE, thread_id="t")
    answers = [next(hers), next(hers)]
    run_id = run_of(hers)

    def refused(told: Told) -> tuple[grpc.StatusCode, str]:
        assert told.names.get("x-run-id") is None
        return told.code, told.details

    nobodys = refused(guarded.resume("0" * 32, key=BOB))
    assert nobodys[0] is grpc.StatusCode.NOT_FOUND
    for after in ("", "1", "999"):
        assert refused(guarded.resume(run_id, after, key=BOB)) == nobodys
    with pytest.raises(grpc.RpcError) as no:
        guarded.cancel(run_id, key=BOB)
    assert (no.value.code(), no.value.details()) == nobodys
    assert guarded.send(key=BOB, thread_id="t").text == "Hello there.", "his thread is not busy"
    stall.gate.release()
    assert text_of([*answers, *hers]) == "Hers alone"
    assert guarded.resume(run_id, key=ANNE).text == "Hers alone"
