"""gRPC: `lastword.v1.Chat`, its health and its reflection. An extra: `lastword[grpc]`."""
