"""The chat page, as files."""
