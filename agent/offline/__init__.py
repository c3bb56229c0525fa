"""The embedded default model: rules that need no key."""
