"""What a provider can be configured as: the manifest, made from its class, and the check of settings against it."""

import os.path
import re
from typing import Dict, List, Mapping, Tuple, Type

from . import provider_pb2 as pb
from .errors import Diagnostic
from .oauth import OAuthProvider, Setting

PROTOCOL_MINOR = 0

# What a provider's table in authd.toml says to authd itself.
HOST_KEYS = frozenset(
    "id type label icon scopes prompt authorize_params identifier allow required callback_path insecure_http ca_file".split()
)

_TYPE_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_SETTING_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Names of what is secret unless it is said not to be; where something is, or what it is called, is none.
_SECRET = re.compile(r"(?!.*_(url|uri|endpoint|id|name)$).*(secret|password|key|token)")
_HELP = {
    "client_id": "Client ID that the identity provider gave to this application.",
    "client_secret": "Client secret that belongs to the client ID.",
}


class DefinitionError(Exception):
    """A provider's class says something that authd could not use. It is the author's to mend."""


def describe(providers: List[Type[OAuthProvider]], version: str) -> pb.DescribeResponse:
    """Make the answer of Describe."""
    out = pb.DescribeResponse(protocol_minor=PROTOCOL_MINOR, version=version)
    for cls in providers:
        if not isinstance(cls.id, str) or not _TYPE_NAME.fullmatch(cls.id):
            raise DefinitionError(f"{cls.__name__}.id is {cls.id!r}; it must be a lower-case letter and up to 31 of a-z, 0-9 and -")
        if any(kind.name == cls.id for kind in out.types):
            raise DefinitionError(f"two providers have the id {cls.id!r}")
        kind = out.types.add(
            name=cls.id,
            label=cls.label or cls.id.replace("-", " ").title(),
            documentation_url=cls.docs_url,
            icon_svg=cls.icon,
            default_scopes=list(cls.scopes),
            identifier=cls.identifier,
            prompts=list(cls.prompts),
        )
        for setting in settings_of(cls):
            kind.settings.add(
                name=setting.name,
                env=setting.env,
                required=setting.required,
                secret=bool(setting.secret),
                default_value=setting.default,
                pattern=setting.pattern,
                help=setting.help,
            )
    return out


def settings_of(cls: Type[OAuthProvider]) -> List[Setting]:
    """Return a class's settings: those of `env`, which are required, and then those of `settings`, which say more.

    A setting whose env is in `env`, too, is only described by it.
    """
    prefix = "OAUTH_" + cls.id.replace("-", "_").upper() + "_"
    found: Dict[str, Setting] = {}
    explicit = {setting.env: setting for setting in cls.settings if setting.env}
    for env in cls.env:
        setting = explicit.get(env) or Setting(name_of(env, prefix, cls.env), env)
        found[setting.name] = _filled(cls, setting, prefix, True)
    for setting in cls.settings:
        if setting.name not in found or not setting.env or found[setting.name].env != setting.env:
            required = setting.required or setting.name in found
            found[setting.name] = _filled(cls, setting, prefix, required)
    return list(found.values())


def _filled(cls: Type[OAuthProvider], setting: Setting, prefix: str, required: bool) -> Setting:
    where = f"{cls.__name__}: setting {setting.name!r}"
    if not _SETTING_NAME.fullmatch(setting.name) or setting.name in HOST_KEYS or setting.name.endswith("_file"):
        raise DefinitionError(f"{where}: the name is malformed or belongs to authd; choose another one with Setting(name, env=...)")
    env = setting.env or prefix + setting.name.upper()
    if not re.fullmatch(r"OAUTH_[A-Z0-9_]{1,80}", env):
        raise DefinitionError(f"{where}: the environment name {env!r} does not begin with OAUTH_, and authd reads no other for a plugin")
    try:
        re.compile(setting.pattern)
    except re.error as error:
        raise DefinitionError(f"{where}: the pattern does not compile: {error}") from None
    return Setting(
        name=setting.name,
        env=env,
        required=required,
        secret=bool(_SECRET.match(setting.name)) if setting.secret is None else setting.secret,
        default=setting.default,
        pattern=setting.pattern,
        help=setting.help or _HELP.get(setting.name, f"What {env} is in Chainlit."),
    )


def name_of(env: str, prefix: str, others: List[str]) -> str:
    """Name the setting of an environment name: without what the names of the provider have in common."""
    if not env.startswith(prefix):
        shared = os.path.commonprefix(others) if len(others) > 1 else "OAUTH_"
        prefix = shared[: shared.rfind("_") + 1]
    return env[len(prefix) :].lower()


def check_settings(cls: Type[OAuthProvider], values: Mapping[str, str]) -> Tuple[Dict[str, str], List[Diagnostic]]:
    """Compare values with the declared settings, fill in defaults, and name every fault at once."""
    declared = settings_of(cls)
    complete: Dict[str, str] = {}
    faults: List[Diagnostic] = []
    for setting in declared:
        value = values.get(setting.name) or setting.default
        if value:
            complete[setting.name] = value
        if not value and setting.required:
            mend = f"set it, or {setting.env} in the environment" + (f", or {setting.name}_file" if setting.secret else "")
            faults.append(Diagnostic(setting.name, "is not set", mend))
        elif value and setting.pattern and not re.fullmatch(setting.pattern, value):
            faults.append(Diagnostic(setting.name, "is malformed", setting.help))
    names = [setting.name for setting in declared]
    for name in sorted(set(values) - set(names)):
        faults.append(Diagnostic(name, f"is not a setting of type {cls.id}", "remove it; the settings are " + ", ".join(names)))
    return complete, faults
