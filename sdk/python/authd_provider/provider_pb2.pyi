import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Capability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAPABILITY_UNSPECIFIED: _ClassVar[Capability]
    CAPABILITY_OPENID: _ClassVar[Capability]
    CAPABILITY_REFRESH: _ClassVar[Capability]
    CAPABILITY_REVOCATION: _ClassVar[Capability]
    CAPABILITY_END_SESSION: _ClassVar[Capability]
    CAPABILITY_BACKCHANNEL_LOGOUT: _ClassVar[Capability]
    CAPABILITY_PASSWORD: _ClassVar[Capability]
    CAPABILITY_CHECK: _ClassVar[Capability]
CAPABILITY_UNSPECIFIED: Capability
CAPABILITY_OPENID: Capability
CAPABILITY_REFRESH: Capability
CAPABILITY_REVOCATION: Capability
CAPABILITY_END_SESSION: Capability
CAPABILITY_BACKCHANNEL_LOGOUT: Capability
CAPABILITY_PASSWORD: Capability
CAPABILITY_CHECK: Capability

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("protocol_minor", "version", "types")
    PROTOCOL_MINOR_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    protocol_minor: int
    version: str
    types: _containers.RepeatedCompositeFieldContainer[ProviderType]
    def __init__(self, protocol_minor: _Optional[int] = ..., version: _Optional[str] = ..., types: _Optional[_Iterable[_Union[ProviderType, _Mapping]]] = ...) -> None: ...

class ProviderType(_message.Message):
    __slots__ = ("name", "label", "documentation_url", "icon_svg", "settings", "default_scopes", "identifier", "prompts", "development")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTATION_URL_FIELD_NUMBER: _ClassVar[int]
    ICON_SVG_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_SCOPES_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    PROMPTS_FIELD_NUMBER: _ClassVar[int]
    DEVELOPMENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    label: str
    documentation_url: str
    icon_svg: str
    settings: _containers.RepeatedCompositeFieldContainer[Setting]
    default_scopes: _containers.RepeatedScalarFieldContainer[str]
    identifier: str
    prompts: _containers.RepeatedScalarFieldContainer[str]
    development: bool
    def __init__(self, name: _Optional[str] = ..., label: _Optional[str] = ..., documentation_url: _Optional[str] = ..., icon_svg: _Optional[str] = ..., settings: _Optional[_Iterable[_Union[Setting, _Mapping]]] = ..., default_scopes: _Optional[_Iterable[str]] = ..., identifier: _Optional[str] = ..., prompts: _Optional[_Iterable[str]] = ..., development: bool = ...) -> None: ...

class Setting(_message.Message):
    __slots__ = ("name", "env", "required", "secret", "default_value", "pattern", "help")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_VALUE_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    HELP_FIELD_NUMBER: _ClassVar[int]
    name: str
    env: str
    required: bool
    secret: bool
    default_value: str
    pattern: str
    help: str
    def __init__(self, name: _Optional[str] = ..., env: _Optional[str] = ..., required: bool = ..., secret: bool = ..., default_value: _Optional[str] = ..., pattern: _Optional[str] = ..., help: _Optional[str] = ...) -> None: ...

class ConfigureRequest(_message.Message):
    __slots__ = ("type", "provider_id", "settings", "scopes", "insecure_http", "ca_pem")
    class SettingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_ID_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    INSECURE_HTTP_FIELD_NUMBER: _ClassVar[int]
    CA_PEM_FIELD_NUMBER: _ClassVar[int]
    type: str
    provider_id: str
    settings: _containers.ScalarMap[str, str]
    scopes: _containers.RepeatedScalarFieldContainer[str]
    insecure_http: bool
    ca_pem: bytes
    def __init__(self, type: _Optional[str] = ..., provider_id: _Optional[str] = ..., settings: _Optional[_Mapping[str, str]] = ..., scopes: _Optional[_Iterable[str]] = ..., insecure_http: bool = ..., ca_pem: _Optional[bytes] = ...) -> None: ...

class ConfigureResponse(_message.Message):
    __slots__ = ("issuer", "authorization_endpoint", "capabilities", "response_iss_supported", "response_type")
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZATION_ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_ISS_SUPPORTED_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_TYPE_FIELD_NUMBER: _ClassVar[int]
    issuer: str
    authorization_endpoint: str
    capabilities: _containers.RepeatedScalarFieldContainer[Capability]
    response_iss_supported: bool
    response_type: str
    def __init__(self, issuer: _Optional[str] = ..., authorization_endpoint: _Optional[str] = ..., capabilities: _Optional[_Iterable[_Union[Capability, str]]] = ..., response_iss_supported: bool = ..., response_type: _Optional[str] = ...) -> None: ...

class AuthorizeParamsRequest(_message.Message):
    __slots__ = ("redirect_uri", "state", "nonce", "code_challenge", "code_challenge_method", "scope", "prompt", "login_hint", "max_age")
    REDIRECT_URI_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    CODE_CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    CODE_CHALLENGE_METHOD_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    LOGIN_HINT_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    redirect_uri: str
    state: str
    nonce: str
    code_challenge: str
    code_challenge_method: str
    scope: _containers.RepeatedScalarFieldContainer[str]
    prompt: str
    login_hint: str
    max_age: _duration_pb2.Duration
    def __init__(self, redirect_uri: _Optional[str] = ..., state: _Optional[str] = ..., nonce: _Optional[str] = ..., code_challenge: _Optional[str] = ..., code_challenge_method: _Optional[str] = ..., scope: _Optional[_Iterable[str]] = ..., prompt: _Optional[str] = ..., login_hint: _Optional[str] = ..., max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class AuthorizeParamsResponse(_message.Message):
    __slots__ = ("authorization_endpoint", "parameters")
    AUTHORIZATION_ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    authorization_endpoint: str
    parameters: _containers.RepeatedCompositeFieldContainer[Parameter]
    def __init__(self, authorization_endpoint: _Optional[str] = ..., parameters: _Optional[_Iterable[_Union[Parameter, _Mapping]]] = ...) -> None: ...

class Parameter(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class GetTokenRequest(_message.Message):
    __slots__ = ("code", "redirect_uri", "code_verifier", "nonce", "callback_parameters", "max_age", "with_user")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REDIRECT_URI_FIELD_NUMBER: _ClassVar[int]
    CODE_VERIFIER_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    CALLBACK_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    WITH_USER_FIELD_NUMBER: _ClassVar[int]
    code: str
    redirect_uri: str
    code_verifier: str
    nonce: str
    callback_parameters: _containers.RepeatedCompositeFieldContainer[Parameter]
    max_age: _duration_pb2.Duration
    with_user: bool
    def __init__(self, code: _Optional[str] = ..., redirect_uri: _Optional[str] = ..., code_verifier: _Optional[str] = ..., nonce: _Optional[str] = ..., callback_parameters: _Optional[_Iterable[_Union[Parameter, _Mapping]]] = ..., max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., with_user: bool = ...) -> None: ...

class GetTokenResponse(_message.Message):
    __slots__ = ("token", "user")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    token: Token
    user: User
    def __init__(self, token: _Optional[_Union[Token, _Mapping]] = ..., user: _Optional[_Union[User, _Mapping]] = ...) -> None: ...

class GetUserInfoRequest(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: Token
    def __init__(self, token: _Optional[_Union[Token, _Mapping]] = ...) -> None: ...

class GetUserInfoResponse(_message.Message):
    __slots__ = ("user",)
    USER_FIELD_NUMBER: _ClassVar[int]
    user: User
    def __init__(self, user: _Optional[_Union[User, _Mapping]] = ...) -> None: ...

class RefreshTokenRequest(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: Token
    def __init__(self, token: _Optional[_Union[Token, _Mapping]] = ...) -> None: ...

class RefreshTokenResponse(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: Token
    def __init__(self, token: _Optional[_Union[Token, _Mapping]] = ...) -> None: ...

class RevokeTokenRequest(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: Token
    def __init__(self, token: _Optional[_Union[Token, _Mapping]] = ...) -> None: ...

class RevokeTokenResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class EndSessionRequest(_message.Message):
    __slots__ = ("id_token_hint", "post_logout_redirect_uri", "state")
    ID_TOKEN_HINT_FIELD_NUMBER: _ClassVar[int]
    POST_LOGOUT_REDIRECT_URI_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    id_token_hint: str
    post_logout_redirect_uri: str
    state: str
    def __init__(self, id_token_hint: _Optional[str] = ..., post_logout_redirect_uri: _Optional[str] = ..., state: _Optional[str] = ...) -> None: ...

class EndSessionResponse(_message.Message):
    __slots__ = ("end_session_url",)
    END_SESSION_URL_FIELD_NUMBER: _ClassVar[int]
    end_session_url: str
    def __init__(self, end_session_url: _Optional[str] = ...) -> None: ...

class PasswordLoginRequest(_message.Message):
    __slots__ = ("username", "password")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    username: str
    password: str
    def __init__(self, username: _Optional[str] = ..., password: _Optional[str] = ...) -> None: ...

class PasswordLoginResponse(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: Token
    def __init__(self, token: _Optional[_Union[Token, _Mapping]] = ...) -> None: ...

class VerifyLogoutTokenRequest(_message.Message):
    __slots__ = ("logout_token",)
    LOGOUT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    logout_token: str
    def __init__(self, logout_token: _Optional[str] = ...) -> None: ...

class VerifyLogoutTokenResponse(_message.Message):
    __slots__ = ("iss", "sub", "sid", "jti", "expiry")
    ISS_FIELD_NUMBER: _ClassVar[int]
    SUB_FIELD_NUMBER: _ClassVar[int]
    SID_FIELD_NUMBER: _ClassVar[int]
    JTI_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_FIELD_NUMBER: _ClassVar[int]
    iss: str
    sub: str
    sid: str
    jti: str
    expiry: _timestamp_pb2.Timestamp
    def __init__(self, iss: _Optional[str] = ..., sub: _Optional[str] = ..., sid: _Optional[str] = ..., jti: _Optional[str] = ..., expiry: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CheckRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CheckResponse(_message.Message):
    __slots__ = ("diagnostics",)
    DIAGNOSTICS_FIELD_NUMBER: _ClassVar[int]
    diagnostics: _containers.RepeatedCompositeFieldContainer[Diagnostic]
    def __init__(self, diagnostics: _Optional[_Iterable[_Union[Diagnostic, _Mapping]]] = ...) -> None: ...

class Token(_message.Message):
    __slots__ = ("access_token", "token_type", "expiry", "refresh_token", "id_token", "scope", "extra_json")
    ACCESS_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOKEN_TYPE_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_FIELD_NUMBER: _ClassVar[int]
    REFRESH_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ID_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    access_token: str
    token_type: str
    expiry: _timestamp_pb2.Timestamp
    refresh_token: str
    id_token: str
    scope: _containers.RepeatedScalarFieldContainer[str]
    extra_json: bytes
    def __init__(self, access_token: _Optional[str] = ..., token_type: _Optional[str] = ..., expiry: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., refresh_token: _Optional[str] = ..., id_token: _Optional[str] = ..., scope: _Optional[_Iterable[str]] = ..., extra_json: _Optional[bytes] = ...) -> None: ...

class User(_message.Message):
    __slots__ = ("sub", "preferred_username", "name", "given_name", "family_name", "email", "email_verified", "picture", "locale", "groups", "sid", "claims_json")
    SUB_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_USERNAME_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    GIVEN_NAME_FIELD_NUMBER: _ClassVar[int]
    FAMILY_NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    EMAIL_VERIFIED_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    SID_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_JSON_FIELD_NUMBER: _ClassVar[int]
    sub: str
    preferred_username: str
    name: str
    given_name: str
    family_name: str
    email: str
    email_verified: bool
    picture: str
    locale: str
    groups: _containers.RepeatedScalarFieldContainer[str]
    sid: str
    claims_json: bytes
    def __init__(self, sub: _Optional[str] = ..., preferred_username: _Optional[str] = ..., name: _Optional[str] = ..., given_name: _Optional[str] = ..., family_name: _Optional[str] = ..., email: _Optional[str] = ..., email_verified: bool = ..., picture: _Optional[str] = ..., locale: _Optional[str] = ..., groups: _Optional[_Iterable[str]] = ..., sid: _Optional[str] = ..., claims_json: _Optional[bytes] = ...) -> None: ...

class Diagnostic(_message.Message):
    __slots__ = ("severity", "setting", "summary", "detail")
    class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SEVERITY_UNSPECIFIED: _ClassVar[Diagnostic.Severity]
        SEVERITY_OK: _ClassVar[Diagnostic.Severity]
        SEVERITY_WARNING: _ClassVar[Diagnostic.Severity]
        SEVERITY_ERROR: _ClassVar[Diagnostic.Severity]
    SEVERITY_UNSPECIFIED: Diagnostic.Severity
    SEVERITY_OK: Diagnostic.Severity
    SEVERITY_WARNING: Diagnostic.Severity
    SEVERITY_ERROR: Diagnostic.Severity
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    SETTING_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    severity: Diagnostic.Severity
    setting: str
    summary: str
    detail: str
    def __init__(self, severity: _Optional[_Union[Diagnostic.Severity, str]] = ..., setting: _Optional[str] = ..., summary: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class ProviderError(_message.Message):
    __slots__ = ("source", "error", "error_description", "retry_after", "upstream_http_status", "diagnostics")
    class Source(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SOURCE_UNSPECIFIED: _ClassVar[ProviderError.Source]
        SOURCE_USER: _ClassVar[ProviderError.Source]
        SOURCE_CONFIG: _ClassVar[ProviderError.Source]
        SOURCE_UPSTREAM: _ClassVar[ProviderError.Source]
        SOURCE_PLUGIN: _ClassVar[ProviderError.Source]
    SOURCE_UNSPECIFIED: ProviderError.Source
    SOURCE_USER: ProviderError.Source
    SOURCE_CONFIG: ProviderError.Source
    SOURCE_UPSTREAM: ProviderError.Source
    SOURCE_PLUGIN: ProviderError.Source
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSTICS_FIELD_NUMBER: _ClassVar[int]
    source: ProviderError.Source
    error: str
    error_description: str
    retry_after: _duration_pb2.Duration
    upstream_http_status: int
    diagnostics: _containers.RepeatedCompositeFieldContainer[Diagnostic]
    def __init__(self, source: _Optional[_Union[ProviderError.Source, str]] = ..., error: _Optional[str] = ..., error_description: _Optional[str] = ..., retry_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., upstream_http_status: _Optional[int] = ..., diagnostics: _Optional[_Iterable[_Union[Diagnostic, _Mapping]]] = ...) -> None: ...
