"""Errors that say whose fault they are. Their texts go to authd's log; people see authd's own."""

import asyncio
import enum
from dataclasses import dataclass
from typing import List, Optional


class Source(enum.IntEnum):
    """Whose fault an error is. The numbers are those of the wire."""

    USER = 1
    CONFIG = 2
    UPSTREAM = 3
    PLUGIN = 4


class Severity(enum.IntEnum):
    """How bad a Diagnostic is. The numbers are those of the wire."""

    OK = 1
    WARNING = 2
    ERROR = 3


@dataclass
class Diagnostic:
    """One finding: the setting at fault, if one is, what is wrong with it, and how to mend it."""

    setting: str
    summary: str
    detail: str = ""
    severity: Severity = Severity.ERROR


class ProviderError(Exception):
    """What went wrong in a provider. Use one of the classes below; any other exception counts as the plugin's fault.

    code is one of RFC 6749 sections 4.1.2.1 and 5.2 ("invalid_grant"), retry_after is in seconds, http_status is the
    identity provider's, timeout says that it was too slow. description must hold no secret.
    """

    source = Source.PLUGIN

    def __init__(
        self,
        description: str = "",
        *,
        code: str = "",
        http_status: int = 0,
        retry_after: float = 0,
        timeout: bool = False,
        diagnostics: Optional[List[Diagnostic]] = None,
        source: Optional[Source] = None,
    ):
        super().__init__(description)
        if source is not None:
            self.source = source
        self.description = description
        self.code = code
        self.http_status = http_status
        self.retry_after = retry_after
        self.timeout = timeout
        self.diagnostics = diagnostics or []


class UserError(ProviderError):
    """The person said no, or is not let in: UserError("access_denied", "user 7 has left the company")."""

    source = Source.USER

    def __init__(self, code: str, description: str, **more):
        super().__init__(description, code=code, **more)


class ConfigError(ProviderError):
    """A setting is wrong: ConfigError("tenant_name", "is not set", "set it, or auth_url and token_url")."""

    source = Source.CONFIG

    def __init__(self, setting: str, summary: str, detail: str = "", **more):
        super().__init__(diagnostics=[Diagnostic(setting, summary, detail)], **more)


class UpstreamError(ProviderError):
    """The identity provider failed, or answered nonsense."""

    source = Source.UPSTREAM


class HTTPException(UpstreamError):
    """Stands in for FastAPI's, which Chainlit's providers raise. 401 and 403 mean that the person is not let in."""

    def __init__(self, status_code: int, detail: str = ""):
        super().__init__(detail, http_status=status_code)
        self.status_code = status_code
        self.detail = detail
        if status_code in (401, 403):
            self.source, self.code = Source.USER, "access_denied"


def blame(error: BaseException) -> ProviderError:
    """Turn any exception into a ProviderError. FastAPI's and httpx's are known by their shape; neither is needed."""
    if isinstance(error, ProviderError):
        return error
    if isinstance(error, (asyncio.TimeoutError, asyncio.CancelledError, TimeoutError)):
        return UpstreamError("the identity provider did not answer in time", timeout=True)
    home = type(error).__module__.partition(".")[0]
    if home in ("fastapi", "starlette") and isinstance(getattr(error, "status_code", None), int):
        return HTTPException(error.status_code, str(getattr(error, "detail", "")))
    if home in ("httpx", "httpcore"):
        return _blame_httpx(error)
    return ProviderError(f"{type(error).__name__}: {error}")


def _blame_httpx(error: BaseException) -> ProviderError:
    name = type(error).__name__
    if "Timeout" in name:
        return UpstreamError("the identity provider did not answer in time", timeout=True)
    response = getattr(error, "response", None) if name == "HTTPStatusError" else None
    if response is None:
        return UpstreamError(f"the identity provider can't be reached ({name})")
    from .client import judge  # here, since it needs this module

    return judge(str(response.request.url), response.status_code, response.headers, response.content) or UpstreamError(
        "the identity provider's answer can't be used", http_status=response.status_code
    )
