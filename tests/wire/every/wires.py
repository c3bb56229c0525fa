"""Every wire, each by a real client of its own that asks, and leaves in mid-answer."""

from tests.wire.every.base import Wire
from tests.wire.every.others import AgUiWire, AiSdk, OpenAi, OpenAiWhole
from tests.wire.every.ours import Grpc, Socket, Sse, Text, Whole

WIRES: dict[str, type[Wire]] = {
    wire.name: wire
    for wire in (Text, Whole, Sse, OpenAi, OpenAiWhole, AiSdk, AgUiWire, Socket, Grpc)
}
