"""The plugin's side of the wire: one process, one provider."""

import asyncio
import importlib
import logging
import os
import ssl
import traceback
from typing import Any, Awaitable, Callable, Dict, List, Optional, Set, Tuple, Type, Union

import grpc

from . import context, manifest, wire
from . import provider_pb2 as pb
from .client import trust
from .errors import ConfigError, ProviderError, Source, blame
from .oauth import Config, EndSessionRequest, OAuthProvider, Token, call, check_endpoint

log = logging.getLogger("authd_provider")

# Which method a class has, if it can do what the capability says.
OPTIONAL = {
    "refresh_token": pb.CAPABILITY_REFRESH,
    "revoke_token": pb.CAPABILITY_REVOCATION,
    "end_session": pb.CAPABILITY_END_SESSION,
    "verify_logout_token": pb.CAPABILITY_BACKCHANNEL_LOGOUT,
    "password_login": pb.CAPABILITY_PASSWORD,
    "check": pb.CAPABILITY_CHECK,
}

Origin = Union[str, Type[OAuthProvider]]


class Refusal(Exception):
    """A gRPC status without a ProviderError: the call came at the wrong time, or to the wrong provider."""

    def __init__(self, code: grpc.StatusCode, text: str):
        super().__init__(text)
        self.code, self.text = code, text


def load(source: Origin, again: bool = False) -> Type[OAuthProvider]:
    """Return the class that was given, or the one that "module:Class" names; again runs the module once more."""
    if not isinstance(source, str):
        return source
    module_name, _, class_name = source.partition(":")
    module = importlib.import_module(module_name)
    if again:
        module = importlib.reload(module)
    return getattr(module, class_name)


class Server:
    """Serves the service Provider."""

    def __init__(self, sources: List[Origin], version: str):
        self._sources = list(sources)
        self._classes = [load(source) for source in sources]
        self._version = version
        self._manifest = manifest.describe(self._classes, version)
        self._configuring = asyncio.Lock()
        self._provider: Optional[OAuthProvider] = None
        self._secrets: Set[str] = set()

    @property
    def manifest(self) -> pb.DescribeResponse:
        """The answer of Describe."""
        return self._manifest

    def handler(self) -> grpc.GenericRpcHandler:
        """Return all methods of the service, each with what holds for every call."""
        service = pb.DESCRIPTOR.services_by_name["Provider"]
        handlers = {}
        for method in service.methods:
            request, response = getattr(pb, method.input_type.name), getattr(pb, method.output_type.name)
            handlers[method.name] = grpc.unary_unary_rpc_method_handler(
                self._guarded(method.name, getattr(self, method.name)),
                request_deserializer=request.FromString,
                response_serializer=response.SerializeToString,
            )
        return grpc.method_handlers_generic_handler(service.full_name, handlers)

    def _guarded(self, name: str, method: Callable[[Any], Awaitable[Any]]) -> Callable[[Any, grpc.aio.ServicerContext], Awaitable[Any]]:
        """Give a method its deadline, and turn what it raises into a status."""

        async def run(request: Any, rpc: grpc.aio.ServicerContext) -> Any:
            try:
                return await asyncio.wait_for(method(request), rpc.time_remaining())
            except asyncio.CancelledError:
                raise  # the caller has left
            except Refusal as refusal:
                await rpc.abort(refusal.code, refusal.text)
            except Exception as error:
                await self._fail(name, request, rpc, error)

        return run

    async def _fail(self, name: str, request: Any, rpc: grpc.aio.ServicerContext, error: Exception) -> None:
        secrets = self._secrets | wire.secrets_of(request)
        fault = blame(error)
        if fault.source == Source.PLUGIN:
            stack = wire.masked("".join(traceback.format_exception(type(error), error, error.__traceback__)), secrets)
            log.error("%s failed", name, extra={"method": name, "stack": stack})
        rpc.set_trailing_metadata((("grpc-status-details-bin", wire.error_details(fault, secrets)),))
        await rpc.abort(wire.code_of(fault), wire.bounded(wire.masked(fault.description, secrets)))

    def _configured(self, method: str = "") -> Any:
        """Return the provider, or its method."""
        if self._provider is None:
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, "the process is not configured")
        if not method:
            return self._provider
        if method not in self._optional():
            raise Refusal(grpc.StatusCode.UNIMPLEMENTED, "this provider can't do that")
        return getattr(self._provider, method)

    def _optional(self) -> Dict[str, int]:
        kind = type(self._provider)
        return {name: number for name, number in OPTIONAL.items() if callable(getattr(kind, name, None))}

    async def Describe(self, _: pb.DescribeRequest) -> pb.DescribeResponse:
        return self._manifest

    async def Configure(self, request: pb.ConfigureRequest) -> pb.ConfigureResponse:
        async with self._configuring:
            if self._provider is not None:
                raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, "the process is configured already; start another one")
            provider = await self._make(request)
            out = pb.ConfigureResponse(
                issuer=provider.issuer, response_iss_supported=provider.response_iss_supported, response_type=provider.response_type
            )
            self._provider = provider
            try:
                optional = self._optional()
                if "password_login" not in optional:
                    out.authorization_endpoint = check_endpoint(provider.authorize_url)
            except BaseException:
                self._provider = None
                raise
            out.capabilities.extend(sorted(optional.values()) + ([pb.CAPABILITY_OPENID] if provider.issuer else []))
            return out

    async def _make(self, request: pb.ConfigureRequest) -> OAuthProvider:
        names = [cls.id for cls in self._classes]
        if request.type not in names:
            raise ConfigError("type", f"{request.type!r} is not served by this plugin")
        at = names.index(request.type)
        cls = self._classes[at]
        settings, faults = manifest.check_settings(cls, request.settings)
        if faults:
            raise ProviderError(source=Source.CONFIG, diagnostics=faults)
        declared = manifest.settings_of(cls)
        self._secrets = {settings[s.name] for s in declared if s.secret and len(settings.get(s.name, "")) >= wire.SHORTEST_SECRET}
        for setting in declared:
            os.environ.pop(setting.env, None)
            if setting.name in settings:
                os.environ[setting.env] = settings[setting.name]
        config = Config(
            type=request.type,
            id=request.provider_id,
            settings=settings,
            scopes=tuple(request.scopes) or tuple(cls.scopes),
            insecure_http=request.insecure_http,
            ca_pem=request.ca_pem,
        )
        try:
            trust(config.ca_pem)
        except (ValueError, ssl.SSLError) as error:
            raise ConfigError("ca_file", f"can't be used: {error}", "it holds certificates in PEM") from None
        context.configure(config)
        provider = await asyncio.to_thread(self._new, at, config)
        if hasattr(provider, "start"):
            await call(provider.start)
        return provider

    def _new(self, at: int, config: Config) -> OAuthProvider:
        try:
            cls = load(self._sources[at], again=True)
            provider = cls.__new__(cls)
            provider.config = config
            provider.__init__()
            return provider
        except KeyError as error:
            if str(error.args[0]).startswith("OAUTH_"):
                raise ConfigError(str(error.args[0]), "is read from os.environ, but not set", "name it in env if it is required, else read it with get") from None
            raise

    async def AuthorizeParams(self, request: pb.AuthorizeParamsRequest) -> pb.AuthorizeParamsResponse:
        endpoint, params = await call(self._configured().get_authorize_params, wire.authorize_request(request))
        return pb.AuthorizeParamsResponse(authorization_endpoint=endpoint, parameters=wire.parameters(params))

    async def GetToken(self, request: pb.GetTokenRequest) -> pb.GetTokenResponse:
        provider, exchange = self._configured(), wire.code_exchange(request)
        context.enter(exchange=exchange)
        return pb.GetTokenResponse(token=wire.token_to_wire(await call(provider.exchange_code, exchange)))

    async def GetUserInfo(self, request: pb.GetUserInfoRequest) -> pb.GetUserInfoResponse:
        provider, token = self._configured(), wire.token_from_wire(request.token)
        context.enter(token=token)
        return pb.GetUserInfoResponse(user=wire.user_to_wire(await call(provider.load_user, token)))

    async def RefreshToken(self, request: pb.RefreshTokenRequest) -> pb.RefreshTokenResponse:
        method, token = self._configured("refresh_token"), wire.token_from_wire(request.token)
        if not token.refresh_token:
            raise ProviderError("there is no refresh token to renew the access token with", source=Source.USER, code="invalid_grant")
        return pb.RefreshTokenResponse(token=wire.token_to_wire(await call(method, token)))

    async def RevokeToken(self, request: pb.RevokeTokenRequest) -> pb.RevokeTokenResponse:
        await call(self._configured("revoke_token"), wire.token_from_wire(request.token))
        return pb.RevokeTokenResponse()

    async def EndSession(self, request: pb.EndSessionRequest) -> pb.EndSessionResponse:
        asked = EndSessionRequest(request.id_token_hint, request.post_logout_redirect_uri, request.state)
        return pb.EndSessionResponse(end_session_url=await call(self._configured("end_session"), asked))

    async def PasswordLogin(self, request: pb.PasswordLoginRequest) -> pb.PasswordLoginResponse:
        token: Token = await call(self._configured("password_login"), request.username, request.password)
        return pb.PasswordLoginResponse(token=wire.token_to_wire(token))

    async def VerifyLogoutToken(self, request: pb.VerifyLogoutTokenRequest) -> pb.VerifyLogoutTokenResponse:
        return wire.logout_to_wire(await call(self._configured("verify_logout_token"), request.logout_token))

    async def Check(self, _: pb.CheckRequest) -> pb.CheckResponse:
        return pb.CheckResponse(diagnostics=wire.diagnostics_to_wire(await call(self._configured("check")), self._secrets))


def services(shutdown: Callable[[], None]) -> Tuple[grpc.GenericRpcHandler, ...]:
    """Return go-plugin's own two services; their messages are so small that they are written by hand."""

    async def check(request: bytes, rpc: grpc.aio.ServicerContext) -> bytes:
        if request not in (b"", b"\x0a\x06plugin"):  # HealthCheckRequest.service
            await rpc.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return b"\x08\x01"  # HealthCheckResponse.status = SERVING

    async def end(_: bytes, __: grpc.aio.ServicerContext) -> bytes:
        shutdown()
        return b""

    return (
        grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(check)}),
        grpc.method_handlers_generic_handler("plugin.GRPCController", {"Shutdown": grpc.unary_unary_rpc_method_handler(end)}),
    )
