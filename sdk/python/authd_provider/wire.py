"""Between the messages of the wire and what providers see."""

import datetime
import json
import urllib.parse
from typing import Any, Dict, Iterable, List, Mapping, Optional, Set

from google.protobuf import any_pb2
from google.protobuf.message import Message
import grpc

from . import provider_pb2 as pb
from .errors import Diagnostic, ProviderError, Source
from .oauth import AuthorizeRequest, CodeExchange, LogoutToken, Token, User

# An error travels in the trailers of HTTP/2, where a text of some megabytes would end the connection.
MAX_ERROR_TEXT = 2 << 10
MAX_DIAGNOSTICS = 64

# Shorter values are no secrets, and would spoil every text.
SHORTEST_SECRET = 4


def seconds(message: Message, name: str) -> Optional[float]:
    """Read a Duration; None when it is absent."""
    if not message.HasField(name):
        return None
    value = getattr(message, name)
    return value.seconds + value.nanos / 1e9


def authorize_request(m: pb.AuthorizeParamsRequest) -> AuthorizeRequest:
    return AuthorizeRequest(
        redirect_uri=m.redirect_uri,
        state=m.state,
        nonce=m.nonce,
        code_challenge=m.code_challenge,
        code_challenge_method=m.code_challenge_method,
        scope=tuple(m.scope),
        prompt=m.prompt,
        login_hint=m.login_hint,
        max_age=seconds(m, "max_age"),
    )


def code_exchange(m: pb.GetTokenRequest) -> CodeExchange:
    params: Dict[str, List[str]] = {}
    for parameter in m.callback_parameters:
        params.setdefault(parameter.name, []).append(parameter.value)
    return CodeExchange(
        code=m.code,
        redirect_uri=m.redirect_uri,
        code_verifier=m.code_verifier,
        nonce=m.nonce,
        params=params,
        max_age=seconds(m, "max_age"),
    )


def parameters(params: Mapping[str, Any]) -> List[pb.Parameter]:
    out = []
    for name in sorted(params):
        values = params[name] if isinstance(params[name], (list, tuple)) else [params[name]]
        out.extend(pb.Parameter(name=name, value=str(value)) for value in values if value is not None)
    return out


def token_to_wire(t: Token) -> pb.Token:
    m = pb.Token(
        access_token=t.access_token,
        token_type=t.token_type,
        refresh_token=t.refresh_token,
        id_token=t.id_token,
        scope=list(t.scope),
        extra_json=json.dumps(t.extra).encode() if t.extra else b"",
    )
    if t.expiry is not None:
        m.expiry.FromDatetime(utc(t.expiry))
    return m


def token_from_wire(m: pb.Token) -> Token:
    return Token(
        access_token=m.access_token,
        token_type=m.token_type,
        expiry=m.expiry.ToDatetime(datetime.timezone.utc) if m.HasField("expiry") else None,
        refresh_token=m.refresh_token,
        id_token=m.id_token,
        scope=tuple(m.scope),
        extra=json.loads(m.extra_json) if m.extra_json else {},
    )


def utc(t: datetime.datetime) -> datetime.datetime:
    """Make a time that Timestamp takes: a naive one counts as UTC."""
    return t.astimezone(datetime.timezone.utc).replace(tzinfo=None) if t.tzinfo else t


def user_to_wire(answer: Any) -> pb.User:
    """Read what load_user gave: a User, or the raw claims and a User."""
    raw, user = answer if isinstance(answer, tuple) and len(answer) == 2 else ({}, answer)
    if not isinstance(raw, Mapping) or not hasattr(user, "identifier"):
        raise ProviderError("get_user_info returned neither (dict, User) nor a User")
    if not isinstance(user, User):  # Chainlit's own
        user = User(user.identifier, getattr(user, "display_name", None), dict(getattr(user, "metadata", None) or {}))
    full = user.completed(raw)
    m = pb.User(
        sub=full.sub,
        preferred_username=full.preferred_username,
        name=full.name,
        given_name=full.given_name,
        family_name=full.family_name,
        email=full.email,
        picture=full.picture,
        locale=full.locale,
        groups=full.groups,
        sid=full.sid,
        claims_json=json.dumps(dict(raw), ensure_ascii=False, default=str).encode(),
    )
    if full.email_verified is not None:
        m.email_verified = full.email_verified
    return m


def logout_to_wire(t: LogoutToken) -> pb.VerifyLogoutTokenResponse:
    m = pb.VerifyLogoutTokenResponse(iss=t.iss, sub=t.sub, sid=t.sid, jti=t.jti)
    if t.expiry is not None:
        m.expiry.FromDatetime(utc(t.expiry))
    return m


def secrets_of(message: Message) -> Set[str]:
    """Find the texts of a message that the proto file marks debug_redact."""
    found: Set[str] = set()
    for field, value in message.ListFields():
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for part in [value] if isinstance(value, Message) else value:
                found |= secrets_of(part)
        elif field.GetOptions().debug_redact and isinstance(value, str):
            found.add(value)
    return {text for text in found if len(text) >= SHORTEST_SECRET}


def masked(text: str, secrets: Iterable[str]) -> str:
    """Take secrets out of a text, as they are and in the encodings of URLs and of Python."""
    for secret in sorted(secrets, key=len, reverse=True):
        for spelling in {secret, urllib.parse.quote_plus(secret), urllib.parse.quote(secret, safe=""), repr(secret)[1:-1], json.dumps(secret)[1:-1]}:
            text = text.replace(spelling, "***")
    return text


def bounded(text: str) -> str:
    """Make a text that fits into an error."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_ERROR_TEXT else text[:MAX_ERROR_TEXT] + "…"


def diagnostics_to_wire(found: Iterable[Diagnostic], secrets: Iterable[str] = ()) -> List[pb.Diagnostic]:
    def clean(text: str) -> str:
        return bounded(masked(text, secrets))

    return [
        pb.Diagnostic(severity=int(d.severity), setting=clean(d.setting), summary=clean(d.summary), detail=clean(d.detail))
        for d in list(found)[:MAX_DIAGNOSTICS]
    ]


def code_of(e: ProviderError) -> grpc.StatusCode:
    """Pick the gRPC code that docs/plugins/protocol.md names for an error."""
    if e.source == Source.USER:
        return grpc.StatusCode.UNAUTHENTICATED if e.code == "invalid_grant" else grpc.StatusCode.PERMISSION_DENIED
    if e.source == Source.CONFIG:
        return grpc.StatusCode.INVALID_ARGUMENT
    if e.source == Source.UPSTREAM:
        if e.timeout:
            return grpc.StatusCode.DEADLINE_EXCEEDED
        return grpc.StatusCode.RESOURCE_EXHAUSTED if e.retry_after > 0 else grpc.StatusCode.UNAVAILABLE
    return grpc.StatusCode.INTERNAL


def error_details(e: ProviderError, secrets: Iterable[str]) -> bytes:
    """Make the google.rpc.Status that carries a ProviderError, for the trailer grpc-status-details-bin."""
    detail = pb.ProviderError(
        source=int(e.source),
        error=bounded(e.code),
        error_description=bounded(masked(e.description, secrets)),
        upstream_http_status=e.http_status,
        diagnostics=diagnostics_to_wire(e.diagnostics, secrets),
    )
    if e.retry_after > 0:
        detail.retry_after.FromNanoseconds(int(e.retry_after * 1e9))
    packed = any_pb2.Any()
    packed.Pack(detail)
    code = code_of(e).value[0]
    return bytes((8, code)) + _field(2, bounded(masked(e.description, secrets)).encode()) + _field(3, packed.SerializeToString())


def _field(number: int, data: bytes) -> bytes:
    """Encode one field of bytes. google.rpc.Status has three fields; a dependency for it would be too much."""
    length, size = len(data), b""
    while length > 0x7F:
        size += bytes((length & 0x7F | 0x80,))
        length >>= 7
    return bytes((number << 3 | 2,)) + size + bytes((length,)) + data
