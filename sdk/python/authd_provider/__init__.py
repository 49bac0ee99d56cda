"""Write a provider for authd in Python, in the shape of Chainlit's OAuthProvider.

    from authd_provider import AsyncClient, OAuthProvider, User, serve

    class Acme(OAuthProvider):
        id = "acme"
        env = ["OAUTH_ACME_CLIENT_ID", "OAUTH_ACME_CLIENT_SECRET"]
        ...

    if __name__ == "__main__":
        serve(Acme)

docs/plugins/python.md is the tutorial.
"""

from .client import AsyncClient, Response
from .errors import ConfigError, Diagnostic, HTTPException, ProviderError, Severity, Source, UpstreamError, UserError
from .oauth import (
    AuthorizeRequest,
    CodeExchange,
    Config,
    EndSessionRequest,
    LogoutToken,
    OAuthProvider,
    Setting,
    Token,
    User,
    id_token_claims,
)
from .runtime import serve

__all__ = [
    "AsyncClient",
    "AuthorizeRequest",
    "CodeExchange",
    "Config",
    "ConfigError",
    "Diagnostic",
    "EndSessionRequest",
    "HTTPException",
    "LogoutToken",
    "OAuthProvider",
    "ProviderError",
    "Response",
    "Setting",
    "Severity",
    "Source",
    "Token",
    "UpstreamError",
    "User",
    "UserError",
    "id_token_claims",
    "serve",
]
