"""serve: the main function of a plugin. See docs/plugins/protocol.md for what authd expects of a process."""

import argparse
import asyncio
import datetime
import json
import logging
import os
import signal
import stat
import sys
import threading
import time
from typing import Type, Union

COOKIE_KEY, COOKIE_VALUE = "AUTHD_PROVIDER_PLUGIN", "9f0c5b2e6d7b4a1f8c3e"
PROTOCOL_VERSION = 1
MAX_MESSAGE = 1 << 20

# How long a call that runs may take to end after Shutdown; authd waits for a second.
GRACE = 0.3


class Trouble(Exception):
    """Why the plugin can't run, for whoever started it."""


def serve(*providers: Union[str, Type], version: str = "0.0.0") -> None:
    """Serve the providers to the authd that started this process, and end the process when authd is done with it.

    Give each as a class, or as "module:Class": then the module is run again once the settings are in os.environ, which
    a class needs that reads os.environ in its body and not in __init__. Started by hand it knows -describe, which
    prints what it can be configured as, and -version.
    """
    flags = argparse.ArgumentParser(description="A provider plugin of authd.", allow_abbrev=False)
    flags.add_argument("-describe", "--describe", action="store_true", help="print what this plugin can be configured as, as JSON")
    flags.add_argument("-version", "--version", action="store_true", help="print the version")
    asked = flags.parse_args()
    # From here on print() and whatever libraries print go to standard error: on standard output belongs the handshake.
    stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)
    try:
        if asked.version:
            print(version, file=stdout, flush=True)
        elif asked.describe:
            print(_described(providers, version), file=stdout, flush=True)
        else:
            _run(providers, version, stdout)
    except Trouble as trouble:
        print(f"{os.path.basename(sys.argv[0])}: {trouble}", file=sys.stderr)
        sys.exit(2)


def _described(providers, version) -> str:
    from google.protobuf import json_format

    said = json_format.MessageToDict(_server(providers, version).manifest, preserving_proto_field_name=True)
    return json.dumps(said, indent=2, sort_keys=True, ensure_ascii=False)


def _server(providers, version):
    from . import manifest, server  # late, so that -version and a start by hand cost nothing

    if not providers:
        raise Trouble("serve() was given no provider")
    try:
        return server.Server(list(providers), version)
    except manifest.DefinitionError as error:
        raise Trouble(str(error)) from None


def _run(providers, version, stdout) -> None:
    if os.environ.get(COOKIE_KEY) != COOKIE_VALUE:
        raise Trouble("this is a provider plugin of authd: put it into authd's plugins directory; -describe tells what it does")
    spoken = os.environ.get("PLUGIN_PROTOCOL_VERSIONS", str(PROTOCOL_VERSION)).split(",")
    if str(PROTOCOL_VERSION) not in spoken:
        raise Trouble(f"this plugin speaks protocol {PROTOCOL_VERSION}, authd speaks {','.join(spoken)}; update the older of them")
    log_as_json()
    watch_host()
    asyncio.run(_serve(providers, version, stdout))


async def _serve(providers, version, stdout) -> None:
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    import grpc

    from .server import services

    done = asyncio.Event()
    limits = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)]
    server = grpc.aio.server(options=limits)
    server.add_generic_rpc_handlers((_server(providers, version).handler(), *services(done.set)))
    path = os.path.join(os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or os.environ.get("TMPDIR", "/tmp"), f"p{os.getpid()}")
    old = os.umask(0o177)  # the socket is 0600 from the start
    try:
        if server.add_insecure_port("unix:" + path) == 0:
            raise Trouble(f"can't listen on {path}")
        await server.start()
    finally:
        os.umask(old)
    print(f"1|{PROTOCOL_VERSION}|unix|{path}|grpc|", file=stdout, flush=True)
    stdout.close()
    await done.wait()
    await server.stop(GRACE)
    sys.stderr.flush()
    os._exit(0)  # a thread of the author's that blocks does not keep the process


def watch_host() -> None:
    """End the process when authd is gone, however it went: authd holds the other end of standard input.

    Where that is no pipe, the parent's id tells. While authd lives it alone decides when the plugin stops, so the
    signals that a terminal or a service manager sends to the whole group are ignored.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        lifeline = stat.S_ISFIFO(os.fstat(0).st_mode) or stat.S_ISSOCK(os.fstat(0).st_mode)
    except OSError:
        lifeline = False

    def listen():
        while True:
            try:
                if not os.read(0, 4096):
                    os._exit(0)
            except InterruptedError:
                continue
            except OSError:
                os._exit(0)

    def look(parent):
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(0)

    if lifeline:
        threading.Thread(target=listen, name="authd-lifeline", daemon=True).start()
    threading.Thread(target=look, args=(os.getppid(),), name="authd-parent", daemon=True).start()


class JSONFormatter(logging.Formatter):
    """Writes hclog's JSON, which authd reads. extra={...} becomes further members."""

    _levels = {"CRITICAL": "error", "ERROR": "error", "WARNING": "warn", "INFO": "info", "DEBUG": "debug"}
    _known = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "@level": self._levels.get(record.levelname, "info"),
            "@message": record.getMessage(),
            "@module": record.name,
            "@timestamp": datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc).isoformat(),
        }
        said.update((name, value) for name, value in record.__dict__.items() if name not in self._known)
        if record.exc_info:
            said["stack"] = self.formatException(record.exc_info)
        return json.dumps(said, default=str)


def log_as_json() -> None:
    """Send the root logger to standard error, where authd reads it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("authd_provider").setLevel(logging.DEBUG)
