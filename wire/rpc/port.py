"""The port, as far as it concerns those who do not know gRPC: it may not be installed."""

import socket


def try_port(host: str, port: int, *, shared: bool = False) -> None:
    """Raises `OSError` if it cannot be had: gRPC itself would say so in many lines of its own.

    `shared`: other processes that say so may have it too.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, _, _, place in found:
        with socket.socket(family, kind) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            trial.bind(place)


def announce_grpc(host: str, port: int) -> None:
    print(f"gRPC  {address(host, port)}", flush=True)  # noqa: T201  for whoever started it


def address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
