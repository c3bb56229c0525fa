"""The bytes of a stream -> its frames, without IO."""

from agent.frames import Frame, parse
from stream.errors import UpstreamError, UpstreamMalformed, UpstreamTruncated


class Decoder:
    """Server-sent events as models send them: of a frame only its `data:` line counts."""

    def __init__(self, max_line: int) -> None:
        """`max_line` in bytes."""
        self.done = False  # `[DONE]` was there
        self.error: UpstreamError | None = None  # comes after the frames that were fine
        self._max_line = max_line
        self._rest = b""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete."""
        if self.done:
            return []
        # A long line comes in many pieces, and is not looked through again for each.
        head, newline, tail = data.rpartition(b"\n")
        lines = (self._rest + head).split(b"\n") if newline else []
        self._rest = tail if newline else self._rest + tail
        frames: list[Frame] = []
        try:
            for payload in (line[5:].strip() for line in lines if line.startswith(b"data:")):
                if payload == b"[DONE]":
                    self.done, self._rest = True, b""
                    break
                frames.append(parse(payload))
            if len(self._rest) > self._max_line:
                raise UpstreamMalformed
        except UpstreamError as error:
            self.error = error
        return frames

    def close(self) -> None:
        """No more bytes come. Raises `UpstreamTruncated` in the middle of a frame."""
        if self._rest.startswith(b"data:") and self._rest[5:].strip() != b"[DONE]":
            raise UpstreamTruncated
