"""AsyncClient: requests to the identity provider, with the limits that authd's own providers keep.

It is used like httpx.AsyncClient, and needs the standard library alone. It connects within 3 s and ends each request
after 10 s, takes 1 MiB of answer, counted after decompression, and follows no redirect, so that nobody is led away
with a secret in hand. It verifies certificates against the system's authorities and the operator's ca_file, and uses
HTTPS_PROXY, though never for the loopback. Plain http is for the loopback alone, unless the operator
says insecure_http. A request that its caller gives up is closed at once.
"""

import asyncio
import base64
import concurrent.futures
import email.utils
import functools
import http.client
import ipaddress
import json as jsonlib
import re
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request
import zlib
from typing import Any, Mapping, Optional, Tuple

from . import context
from .errors import Diagnostic, ProviderError, Source, UpstreamError, UserError

CONNECT_TIMEOUT = 3.0
CALL_TIMEOUT = 10.0
MAX_BODY = 1 << 20
MAX_RETRY_AFTER = 3600.0

_ERROR_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_USER_CODES = frozenset(
    ("invalid_grant", "access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required")
)
_CONFIG_CODES = {
    "invalid_client": ("client_secret", "copy it again, or make a new one, at the identity provider"),
    "unauthorized_client": ("client_id", "compare it with the registration at the identity provider"),
    "unsupported_grant_type": ("client_id", "allow the grant for this client at the identity provider"),
    "invalid_scope": ("scopes", "ask only for scopes that this client is registered for"),
    "redirect_uri_mismatch": ("callback_path", "register the callback URL of this provider there, exactly as it is"),
}

# Each request has a thread while it lasts; authd asks 64 things at a time at most.
_pool = concurrent.futures.ThreadPoolExecutor(max_workers=64, thread_name_prefix="authd-http")


def parse_json(text: bytes) -> Any:
    """Parse JSON strictly: UTF-8, exact integers, no member twice. Raises ValueError."""

    def members(pairs):
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a member is there twice")
        return found

    def constant(name):
        raise ValueError(f"{name} is no JSON")

    try:
        return jsonlib.loads(text.decode("utf-8"), object_pairs_hook=members, parse_constant=constant)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


class Response:
    """What an endpoint answered; a small part of httpx.Response."""

    def __init__(self, url: str, status_code: int, headers: Mapping[str, str], content: bytes):
        self.url, self.status_code, self.headers, self.content = url, status_code, headers, content

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code < 300

    async def aread(self) -> bytes:
        return self.content

    def json(self) -> Any:
        """The answer as JSON. What is no JSON, or null, is an UpstreamError."""
        try:
            value = parse_json(self.content)
        except ValueError:
            raise UpstreamError(f"{place(self.url)}: the answer is no acceptable JSON", http_status=self.status_code) from None
        if value is None:
            raise UpstreamError(f"{place(self.url)}: the answer is null", http_status=self.status_code)
        return value

    def raise_for_status(self) -> "Response":
        """Raise what the answer stands for: an HTTP status that is no success, or an OAuth error under any status."""
        fault = judge(self.url, self.status_code, self.headers, self.content)
        if fault is not None:
            raise fault
        return self


class AsyncClient:
    """A client for the identity provider. `async with AsyncClient() as client: await client.post(url, data=form)`."""

    def __init__(self, *, headers: Optional[Mapping[str, str]] = None, timeout: float = CALL_TIMEOUT):
        self._headers, self._timeout = dict(headers or {}), min(timeout, CALL_TIMEOUT)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_) -> None:
        return None

    async def aclose(self) -> None:
        return None

    async def get(self, url: str, *, params=None, headers=None, auth: Optional[Tuple[str, str]] = None) -> Response:
        """GET; asked a second time when the connection was closed without an answer."""
        try:
            return await self._send("GET", _with_query(url, params), self._head(headers, auth), None)
        except _NoAnswer:
            return await self._send("GET", _with_query(url, params), self._head(headers, auth), None)

    async def post(self, url: str, *, data=None, json=None, params=None, headers=None, auth: Optional[Tuple[str, str]] = None) -> Response:
        """POST a form (data) or JSON; sent once, whatever happens.

        A form that redeems the code of this login gets its code_verifier when it has none: authd always uses PKCE
        (RFC 7636), which Chainlit does not know.
        """
        head = self._head(headers, auth)
        body = b""
        if json is not None:
            body = jsonlib.dumps(json).encode()
            head.setdefault("Content-Type", "application/json")
        elif data is not None:
            body = urllib.parse.urlencode(_with_verifier(dict(data)), doseq=True).encode()
            head.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return await self._send("POST", _with_query(url, params), head, body)

    def _head(self, headers, auth) -> dict:
        head = {"Accept": "application/json", "User-Agent": "authd", "Connection": "close"}
        head.update(self._headers)
        head.update(headers or {})
        if auth is not None:  # RFC 6749 section 2.3.1
            pair = ":".join(urllib.parse.quote_plus(part) for part in auth)
            head["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        return head

    async def _send(self, method: str, url: str, head: dict, body: Optional[bytes]) -> Response:
        call = _Call(method, url, head, body, self._timeout)
        try:
            return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(_pool, call.run), self._timeout)
        except asyncio.TimeoutError:
            raise UpstreamError(f"{place(url)}: no answer within {self._timeout:g} s", timeout=True) from None
        finally:
            call.abandon()


class _NoAnswer(UpstreamError):
    """The connection was closed without a byte of an answer."""


class _Call:
    """One request in a thread. abandon() ends it from outside by closing its connection."""

    def __init__(self, method, url, head, body, timeout):
        self.method, self.url, self.head, self.body, self.timeout = method, url, head, body, timeout
        self.lock, self.socket, self.left = threading.Lock(), None, False

    def run(self) -> Response:
        what = place(self.url)
        connection = _connect(self.url)
        try:
            connection.connect()
            self._attach(connection.sock)
            connection.sock.settimeout(self.timeout)
            parts = urllib.parse.urlsplit(self.url)
            target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
            connection.request(self.method, target, self.body, self.head)
            answer = connection.getresponse()
            return Response(self.url, answer.status, answer.headers, _read(answer, what))
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            raise _NoAnswer(f"{what}: closed the connection without an answer") from None
        except (socket.timeout, TimeoutError):
            raise UpstreamError(f"{what}: is too slow", timeout=True) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UpstreamError(f"{what}: can't be asked ({type(error).__name__})") from None
        finally:
            connection.close()

    def _attach(self, sock) -> None:
        with self.lock:
            if self.left:
                raise ConnectionAbortedError
            self.socket = sock

    def abandon(self) -> None:
        with self.lock:
            self.left = True
            if self.socket is None:
                return
            try:
                # Of the plain socket: that of TLS would take its state away under the reading thread.
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed already


def _connect(url: str) -> http.client.HTTPConnection:
    parts = urllib.parse.urlsplit(url)
    what, host = place(url), parts.hostname
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.fragment:
        raise UpstreamError(f"{what}: is no URL that can be asked")
    local = is_loopback(host)
    if parts.scheme == "http" and not local and not context.insecure_http():
        raise UpstreamError(f"{what}: is http, which is for the loopback alone; use https, or set insecure_http")
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port or 80, timeout=CONNECT_TIMEOUT)
    tls, port = trust(context.ca_pem()), parts.port or 443
    proxy = None if local or urllib.request.proxy_bypass(host) else urllib.request.getproxies().get("https")
    if proxy is None:
        return http.client.HTTPSConnection(host, port, timeout=CONNECT_TIMEOUT, context=tls)
    at = urllib.parse.urlsplit(proxy if "//" in proxy else "//" + proxy)
    # The way to a proxy is plain http, as everywhere; TLS goes through it to the endpoint.
    connection = http.client.HTTPSConnection(at.hostname, at.port or 3128, timeout=CONNECT_TIMEOUT, context=tls)
    connection.set_tunnel(host, port, _proxy_auth(at))
    return connection


def _proxy_auth(at) -> dict:
    if not at.username:
        return {}
    pair = urllib.parse.unquote(at.username) + ":" + urllib.parse.unquote(at.password or "")
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


@functools.lru_cache(maxsize=1)
def trust(ca_pem: bytes) -> ssl.SSLContext:
    """Make the TLS configuration. Raises ValueError or ssl.SSLError when ca_pem holds no certificate."""
    tls = ssl.create_default_context()
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_pem:
        tls.load_verify_locations(cadata=ca_pem.decode("ascii"))
    return tls


def _read(answer: http.client.HTTPResponse, what: str) -> bytes:
    """Read a body of at most MAX_BODY bytes after decompression."""
    coding = (answer.headers.get("Content-Encoding") or "identity").strip().lower()
    if coding not in ("identity", "gzip"):
        raise UpstreamError(f"{what}: the answer is encoded as {coding:.20}, for which nobody asked")
    unpack = zlib.decompressobj(16 + zlib.MAX_WBITS) if coding == "gzip" else None
    body = b""
    while True:
        chunk = answer.read(64 << 10)
        if not chunk:
            break
        try:
            body += unpack.decompress(chunk, MAX_BODY + 1 - len(body)) if unpack else chunk
        except zlib.error:
            raise UpstreamError(f"{what}: the answer is no gzip", http_status=answer.status) from None
        if len(body) > MAX_BODY:
            raise UpstreamError(f"{what}: the answer has more than {MAX_BODY} bytes", http_status=answer.status)
    if answer.length or (unpack and not unpack.eof and body):
        raise UpstreamError(f"{what}: the answer ends in the middle", http_status=answer.status)
    return body


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine by its name or address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def place(url: str) -> str:
    """Name an endpoint in an error: without the query, which may hold what was sent."""
    try:
        parts = urllib.parse.urlsplit(str(url))
        return f"{parts.scheme}://{parts.hostname}{'' if parts.port is None else ':' + str(parts.port)}{parts.path}"
    except ValueError:
        return "endpoint"


def judge(url: str, status: int, headers: Mapping[str, str], content: bytes) -> Optional[ProviderError]:
    """Say what is wrong with an answer and whose fault that is; None when nothing is."""
    what = place(url)
    if 300 <= status < 400:
        return UpstreamError(f"{what}: answers with a redirect, which is not followed; set the endpoint to where it really is", http_status=status)
    if status == 429:
        return UpstreamError(f"{what}: asks for fewer requests", http_status=status, retry_after=_retry_after(headers))
    if status >= 500 or status < 200:
        return UpstreamError(f"{what}: fails", http_status=status, retry_after=_retry_after(headers))
    code, description = _spoken(headers, content)
    if code is not None:
        return _refusal(what, status, code, description)
    if status >= 400:
        return UpstreamError(f"{what}: refuses the request without saying why", http_status=status)
    return None


def _spoken(headers: Mapping[str, str], content: bytes) -> Tuple[Optional[str], str]:
    """Find the error of RFC 6749 section 5.2, which some send with status 200, and some as a form."""
    said: Any = None
    try:
        said = parse_json(content)
    except ValueError:
        if (headers.get("Content-Type") or "").partition(";")[0].strip() not in ("application/x-www-form-urlencoded", "text/plain"):
            return None, ""
        form = urllib.parse.parse_qs(content[:4096].decode("utf-8", "replace"))
        said = {name: form[name][0] for name in ("error", "error_description") if name in form}
    if not isinstance(said, dict) or not said.get("error"):
        return None, ""
    code = said["error"]
    if not isinstance(code, str) or not _ERROR_CODE.fullmatch(code):
        code = ""
    description = said.get("error_description")
    return code, description if isinstance(description, str) else ""


def _refusal(what: str, status: int, code: str, description: str) -> ProviderError:
    text = f"{what}: refuses the request"
    if description:
        text += ", saying " + "".join(c if c.isprintable() else " " for c in description[:200])
    if code in _USER_CODES:
        return UserError(code, text, http_status=status)
    if code in _CONFIG_CODES:
        setting, mend = _CONFIG_CODES[code]
        found = Diagnostic(setting, f"is not accepted by the identity provider ({code})", mend)
        return ProviderError(text, code=code, http_status=status, diagnostics=[found], source=Source.CONFIG)
    return UpstreamError(text, code=code, http_status=status)


def _retry_after(headers: Mapping[str, str]) -> float:
    """Read RFC 9110 section 10.2.3: seconds, or a date. At most an hour."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isdigit():
        return min(float(text), MAX_RETRY_AFTER)
    try:
        return max(0.0, min(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), MAX_RETRY_AFTER))
    except (TypeError, ValueError):
        return 0.0


def _with_query(url: str, params) -> str:
    if not params:
        return url
    return url + ("&" if "?" in url else "?") + urllib.parse.urlencode(params, doseq=True)


def _with_verifier(form: dict) -> dict:
    exchange = context.exchange()
    if exchange is not None and exchange.code_verifier and form.get("code") == exchange.code:
        form.setdefault("code_verifier", exchange.code_verifier)
    return form


