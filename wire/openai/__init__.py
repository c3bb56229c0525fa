"""OpenAI's chat completions: request, encoder, endpoints."""
