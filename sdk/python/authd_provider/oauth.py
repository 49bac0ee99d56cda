"""OAuthProvider, which every provider is a subclass of, and what its methods take and give."""

import asyncio
import base64
import datetime
import inspect
import logging
import re
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

from . import context
from .client import parse_json
from .errors import ConfigError, ProviderError, UpstreamError

# What authd writes into the authorization request itself.
OWNED = frozenset(("client_id", "state", "nonce", "redirect_uri", "response_type", "code_challenge", "code_challenge_method"))

_STANDARD_MEMBERS = ("access_token", "token_type", "expires_in", "refresh_token", "scope", "id_token")
# How far the clocks may differ, in seconds.
LEEWAY = 60

_HEADER_VALUE = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Setting:
    """One thing that the operator sets.

    name is the one in authd.toml ("client_id"); env the one in the environment, which begins with OAUTH_ and may be
    left out for OAUTH_<ID>_<NAME>. secret is guessed from the name unless it is said. pattern is a regular expression
    (RE2) for the whole value, help one sentence for the operator.
    """

    name: str
    env: str = ""
    required: bool = False
    secret: Optional[bool] = None
    default: str = ""
    pattern: str = ""
    help: str = ""


@dataclass(frozen=True)
class Config:
    """What a provider is made from: self.config, already in __init__."""

    type: str = ""
    id: str = ""
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    scopes: Tuple[str, ...] = ()
    insecure_http: bool = False
    ca_pem: bytes = b""


@dataclass(frozen=True)
class AuthorizeRequest:
    """What authd wants to be in the authorization request. max_age is in seconds; None: any age."""

    redirect_uri: str = ""
    state: str = field(default="", repr=False)
    nonce: str = field(default="", repr=False)
    code_challenge: str = ""
    code_challenge_method: str = ""
    scope: Tuple[str, ...] = ()
    prompt: str = ""
    login_hint: str = field(default="", repr=False)
    max_age: Optional[float] = None


@dataclass(frozen=True)
class CodeExchange:
    """What came back from the authorization endpoint, with what is needed to redeem it."""

    code: str = field(default="", repr=False)
    redirect_uri: str = ""
    code_verifier: str = field(default="", repr=False)
    nonce: str = field(default="", repr=False)
    params: Mapping[str, List[str]] = field(default_factory=dict, repr=False)
    max_age: Optional[float] = None


@dataclass
class Token:
    """The whole token response (RFC 6749 section 5.1). extra is what else it said."""

    access_token: str = field(default="", repr=False)
    token_type: str = "Bearer"
    expiry: Optional[datetime.datetime] = None
    refresh_token: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)
    scope: Tuple[str, ...] = ()
    extra: Dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_response(cls, said: Any) -> "Token":
        """Check a token response and keep all of it. A response that gives no Bearer token is an UpstreamError."""
        if not isinstance(said, dict) or said.get("error"):
            raise UpstreamError("the token response is an error, or no JSON object")
        access = said.get("access_token")
        if not isinstance(access, str) or not _HEADER_VALUE.fullmatch(access):
            raise UpstreamError("the token response holds no access_token that can be sent in a header")
        kind = said.get("token_type")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise UpstreamError(f"the token_type is {str(kind):.20}, not Bearer")
        for name in ("id_token", "refresh_token"):
            if said.get(name) is not None and not isinstance(said[name], str):
                raise UpstreamError(f"the {name} of the token response is no string")
        scope = said.get("scope")
        return cls(
            access_token=access,
            token_type=kind,
            expiry=_expiry(said.get("expires_in")),
            refresh_token=said.get("refresh_token") or "",
            id_token=said.get("id_token") or "",
            scope=tuple(re.split(r"[ ,]+", scope.strip(" ,"))) if isinstance(scope, str) and scope.strip(" ,") else (),
            extra={name: value for name, value in said.items() if name not in _STANDARD_MEMBERS},
        )


def id_token_claims(id_token: str, *, client_id: str, nonce: str = "", issuer: str = "") -> Dict[str, Any]:
    """Read the claims of an ID token that the token endpoint has just given, and check iss, aud, azp, exp and nonce.

    The signature is not looked at: the connection to the token endpoint vouches for it (OpenID Connect Core 1.0
    section 3.1.3.7 point 6). For a token that came any other way verify it with a library. What is wrong is an
    UpstreamError. An empty nonce or issuer is not compared.
    """
    try:
        body = id_token.split(".")[1]
        claims = parse_json(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError):
        raise UpstreamError("the ID token is no JWT") from None
    if not isinstance(claims, dict):
        raise UpstreamError("the ID token holds no claims")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    exp = claims.get("exp")
    faults = {
        "aud": client_id not in audiences,
        "azp": (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != client_id,
        "exp": isinstance(exp, bool) or not isinstance(exp, (int, float)) or exp < time.time() - LEEWAY,
        "nonce": bool(nonce) and claims.get("nonce") != nonce,
        "iss": bool(issuer) and claims.get("iss") != issuer,
        "sub": not isinstance(claims.get("sub"), str) or not claims["sub"],
    }
    wrong = [name for name, fault in faults.items() if fault]
    if wrong:
        raise UpstreamError("the ID token is not for this login; wrong in it: " + ", ".join(wrong))
    return claims


def _expiry(seconds: Any) -> Optional[datetime.datetime]:
    """Read expires_in, which some send as a string. What is no positive number counts as not said."""
    try:
        life = float(seconds)
    except (TypeError, ValueError):
        return None
    if not 0 < life < float("inf"):
        return None
    life = max(30.0, min(life, 365 * 86400.0))
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=life)


@dataclass
class User:
    """Who signed in. The first three are Chainlit's; the rest are claims of OpenID Connect Core section 5.1.

    What is not given is taken from the raw dict that get_user_info returns beside it. sub is the id that never changes
    and is never given to somebody else: by default the raw "sub" or "id". An identifier that is an e-mail address
    becomes the email, any other one the preferred_username. email_verified is None when nobody said.
    """

    identifier: str = ""
    display_name: Optional[str] = None
    metadata: Dict[str, Any] = field(default_factory=dict)
    sub: str = ""
    preferred_username: str = ""
    name: str = ""
    given_name: str = ""
    family_name: str = ""
    email: str = ""
    email_verified: Optional[bool] = None
    picture: str = ""
    locale: str = ""
    groups: Optional[List[str]] = None
    sid: str = ""

    def completed(self, raw: Mapping[str, Any]) -> "User":
        """Return the user with what the raw claims add."""
        given = dict(self.__dict__)
        for name in ("preferred_username", "name", "given_name", "family_name", "email", "picture", "locale", "sid"):
            given[name] = given[name] or _text(raw.get(name))
        if "@" in self.identifier:
            given["email"] = self.email or self.identifier
        elif self.identifier:
            given["preferred_username"] = self.preferred_username or self.identifier
        given["name"] = self.name or self.display_name or given["name"]
        given["picture"] = self.picture or _url(self.metadata.get("image")) or given["picture"]
        if self.email_verified is None and given["email"] and given["email"] == raw.get("email"):
            given["email_verified"] = _three_valued(raw.get("email_verified"))
        if self.groups is None:
            said = self.metadata.get("groups", raw.get("groups"))
            given["groups"] = [group for group in said if isinstance(group, str)] if isinstance(said, list) else []
        given["sub"] = self.sub or _id(raw.get("sub")) or _id(raw.get("id"))
        if not given["sub"]:
            raise UpstreamError("the answer names nobody: it has neither a sub nor an id")
        if "@" in given["sub"] and given["sub"].lower() == given["email"].lower():
            raise ProviderError("the sub is an e-mail address, which may be given to somebody else; give User(sub=...) the id that never changes")
        return User(**given)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _url(value: Any) -> str:
    return value if isinstance(value, str) and value.startswith(("https://", "http://")) else ""


def _id(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return str(value)
    return _text(value)


def _three_valued(value: Any) -> Optional[bool]:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value) if isinstance(value, str) else None


@dataclass(frozen=True)
class EndSessionRequest:
    """What OpenID Connect RP-Initiated Logout 1.0 section 2 sends."""

    id_token_hint: str = field(default="", repr=False)
    post_logout_redirect_uri: str = ""
    state: str = field(default="", repr=False)


@dataclass(frozen=True)
class LogoutToken:
    """A verified logout token (OpenID Connect Back-Channel Logout 1.0)."""

    iss: str
    sub: str = ""
    sid: str = ""
    jti: str = ""
    expiry: Optional[datetime.datetime] = None


class OAuthProvider:
    """A provider in the shape of Chainlit's OAuthProvider: id, env, authorize_url, get_token, get_user_info.

    The settings that `env` names are in os.environ when __init__ runs, wherever the operator wrote them.

    Beyond Chainlit a subclass may say `settings` (Setting), `scopes`, `label`, `icon`, `docs_url`, `identifier` and
    `prompts`; override get_authorize_params, exchange_code or load_user; and add any of

        async def start(self)                              called once, before the first login; for discovery
        async def refresh_token(self, token) -> Token      RFC 6749 section 6
        async def revoke_token(self, token)                RFC 7009
        async def end_session(self, request) -> str        RP-Initiated Logout 1.0; the URL, or ""
        async def password_login(self, username, password) -> Token
        async def verify_logout_token(self, logout_token) -> LogoutToken
        async def check(self) -> List[Diagnostic]

    An `issuer` says that exchange_code verifies ID tokens in full; then people are known by it and their sub there.
    Only with one may the `response_type` be "code id_token".
    A method without `async` runs in a thread.
    """

    id: str = ""
    env: List[str] = []
    settings: List[Setting] = []
    client_id: str = ""
    client_secret: str = ""
    authorize_url: str = ""
    authorize_params: Mapping[str, Any] = {}
    default_prompt: Optional[str] = None

    label: str = ""
    icon: str = ""
    docs_url: str = ""
    scopes: List[str] = []
    identifier: str = ""
    prompts: List[str] = []
    issuer: str = ""
    response_type: str = ""
    response_iss_supported: bool = False

    config: Config = Config()
    log = logging.getLogger("authd_provider")

    @property
    def exchange(self) -> Optional[CodeExchange]:
        """The login whose code is being redeemed: code_verifier, nonce, params. None outside of get_token."""
        return context.exchange()

    @property
    def token(self) -> Optional[Token]:
        """The whole token of the get_user_info that runs now. None outside."""
        return context.token()

    # Chainlit's own.

    async def get_token(self, code: str, url: str) -> str:
        """Redeem the code and return the access token. Override this or get_raw_token_response."""
        raise NotImplementedError("define get_token or get_raw_token_response")

    async def get_raw_token_response(self, code: str, url: str) -> Dict[str, Any]:
        """Redeem the code and return the whole token response. Preferred to get_token when there are both."""
        raise NotImplementedError

    async def get_user_info(self, token: str) -> Tuple[Dict[str, Any], User]:
        """Return what the identity provider says about the owner of the access token, and the User made of it."""
        raise NotImplementedError("define get_user_info")

    def is_configured(self) -> bool:
        """Always true here: authd makes no provider whose settings are missing."""
        return True

    def get_env_prefix(self) -> str:
        """Return the environment prefix, such as AZURE_AD."""
        return self.id.replace("-", "_").upper()

    def get_prompt(self) -> Optional[str]:
        """Return the prompt to send when the operator sets none. OAUTH_PROMPT and the like are read by authd."""
        return self.default_prompt

    # The richer shape.

    async def get_authorize_params(self, request: AuthorizeRequest) -> Tuple[str, Dict[str, Any]]:
        """Return the authorization endpoint and the parameters for it; a value may be a list."""
        params = {name: value for name, value in self.authorize_params.items() if name not in OWNED and value is not None}
        if request.scope:
            params["scope"] = " ".join(request.scope)
        prompt = request.prompt or params.pop("prompt", None) or self.get_prompt()
        if prompt:
            params["prompt"] = prompt
        if request.login_hint:
            params["login_hint"] = request.login_hint
        if request.max_age is not None:
            params["max_age"] = str(int(request.max_age))
        return self.authorize_url, params

    async def exchange_code(self, exchange: CodeExchange) -> Token:
        """Redeem the code."""
        if type(self).get_raw_token_response is not OAuthProvider.get_raw_token_response:
            return Token.from_response(await call(self.get_raw_token_response, exchange.code, exchange.redirect_uri))
        token = await call(self.get_token, exchange.code, exchange.redirect_uri)
        return Token.from_response({"access_token": token, "token_type": "Bearer"})

    async def load_user(self, token: Token) -> Union[User, Tuple[Mapping[str, Any], User]]:
        """Turn a token into a user and, beside it, all that the identity provider said."""
        return await call(self.get_user_info, token.access_token)


async def call(method: Any, *args: Any) -> Any:
    """Call a method of a provider: a coroutine here, any other in a thread, since it may block."""
    if inspect.iscoroutinefunction(method):
        return await method(*args)
    answer = await asyncio.to_thread(method, *args)
    return await answer if inspect.isawaitable(answer) else answer


def check_endpoint(url: Any, setting: str = "authorize_url") -> str:
    """Return a URL that people can be sent to, or raise a ConfigError."""
    parts = urllib.parse.urlsplit(url) if isinstance(url, str) else None
    if not parts or parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
        raise ConfigError(setting, "is no URL that people can be sent to", "give it as https://host/path")
    return url
