"""WebSockets: the events as JSON frames, and questions too, many on one socket."""
