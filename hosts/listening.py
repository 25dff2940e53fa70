"""A bound socket, or one line that says what is wrong with the address and the way out."""

import socket

from runtime.errors import Misconfigured

BACKLOG = 2_048
IN_USE = 98  # errno EADDRINUSE


def listening(host: str, port: int, *, ways: str = "--port or --host") -> socket.socket:
    """Bound and listening, not inherited; `ways` are the settings that choose another address. Raises `Misconfigured`."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, OverflowError) as error:
        raise Misconfigured(f"cannot listen on {host}:{port} ({_line(error)}): choose another with {ways}") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(BACKLOG)
    except PermissionError:
        bound.close()
        raise Misconfigured(f"port {port} on {host} needs rights that this user does not have: choose one above 1023 with {ways}") from None
    except (OSError, OverflowError) as error:
        bound.close()
        raise Misconfigured(f"cannot listen on {host}:{port} ({_line(error)}): choose another with {ways}") from None
    bound.set_inheritable(False)
    return bound


def _line(error: Exception) -> str:
    return "in use" if getattr(error, "errno", 0) == IN_USE else getattr(error, "strerror", None) or str(error)
