"""The AI SDK's UI message stream, as `useChat` and its `DefaultChatTransport` speak it."""
