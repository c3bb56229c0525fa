"""What a client asks by gRPC, checked as on every wire."""

from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Any

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from pydantic import Field, ValidationError

from agent.request import RunRequest
from stream.errors import BadRequest
from wire.asked import ChatRequest, Seconds
from wire.named import DEFAULT_EXTRAS, Extra
from wire.problems import explained
from wire.rpc.lastword.v1.chat_pb2 import Include, OnConflict, OnDisconnect, SendRequest


class _Asked(ChatRequest):
    """The fields as the .proto names them."""

    max_tokens: Annotated[int, Field(ge=1)] | None = None
    cancel_after_seconds: Seconds | None = None

    def as_run(self) -> RunRequest:
        run = super().as_run()
        return replace(
            run,
            settings=replace(run.settings, max_tokens=self.max_tokens),
            on_disconnect=self.on_disconnect or self.cancel_after_seconds,
        )


def as_run(request: SendRequest) -> RunRequest:
    """Raises `BadRequest`, which names the field."""
    given: dict[str, Any] = {"text": request.text}
    given |= {name: value for name in ("thread_id", "model") if (value := getattr(request, name))}
    for name in ("temperature", "max_tokens", "cancel_after_seconds"):
        if request.HasField(name):
            given[name] = getattr(request, name)
    given |= _chosen("on_disconnect", OnDisconnect, request.on_disconnect)
    given |= _chosen("on_conflict", OnConflict, request.on_conflict)
    try:
        return _Asked.model_validate(given).as_run()
    except ValidationError as error:
        first, *_ = explained(error.errors(include_input=False))
        raise BadRequest(first["message"], field=first["field"]) from None


def _chosen(field: str, kind: EnumTypeWrapper, number: int) -> dict[str, str]:
    """A value of an enum by the name that the other wires have for it, unless it is unset."""
    if not number:
        return {}
    if number not in kind.values():
        raise BadRequest("is not a value that this server knows", field=field)
    return {field: kind.Name(number).removeprefix(f"{field.upper()}_").lower()}


def extras(request: Any) -> Collection[Extra]:
    """What a request that has an `include` wants to be told beside the answer."""
    if not request.HasField("include"):
        return DEFAULT_EXTRAS
    include: Include = request.include
    wanted: dict[Extra, bool] = {
        "tools": include.tools,
        "sources": include.sources,
        "thoughts": include.thoughts,
    }
    return [name for name, is_wanted in wanted.items() if is_wanted]
