"""What the call that runs now is about, and what holds for the whole process.

A process is one provider, but serves many logins at once: what belongs to a login lives in context variables.
"""

import contextvars
from typing import Any

_exchange: "contextvars.ContextVar[Any]" = contextvars.ContextVar("exchange", default=None)
_token: "contextvars.ContextVar[Any]" = contextvars.ContextVar("token", default=None)
_config: list = [None]


def configure(config: Any) -> None:
    """Remember the Config that this process got."""
    _config[0] = config


def insecure_http() -> bool:
    """Whether http endpoints off the loopback are allowed."""
    return _config[0] is not None and _config[0].insecure_http


def ca_pem() -> bytes:
    """Further certificate authorities, in PEM."""
    return _config[0].ca_pem if _config[0] is not None else b""


def exchange() -> Any:
    """The CodeExchange of the login whose code is being redeemed; None outside."""
    return _exchange.get()


def token() -> Any:
    """The whole Token that get_user_info is asked about; None outside."""
    return _token.get()


def enter(*, exchange: Any = None, token: Any = None) -> None:
    """Begin a call. Each call has a context of its own, so that nothing need be undone."""
    _exchange.set(exchange)
    _token.set(token)
