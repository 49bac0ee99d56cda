import asyncio
import gzip
import http.server
import threading
import unittest

from authd_provider import AsyncClient, CodeExchange, Source, UpstreamError, context
from authd_provider import client as client_module
from authd_provider.client import judge, parse_json, place


class Endpoint(http.server.ThreadingHTTPServer):
    """An identity provider that answers by the path, and remembers what it was sent."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen, self.arrived, self.left, self.drops = [], threading.Event(), threading.Event(), 1
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def end(self):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.do_POST()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.seen.append((self.command, self.path, body, self.headers))
        getattr(self, "on_" + self.path.split("?")[0].strip("/"))()

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def on_good(self):
        self.answer(200, b'{"id":9007199254740993}', Content_Length="23")

    def on_busy(self):
        self.answer(429, b"", Retry_After="7")

    def on_moved(self):
        self.answer(307, b"", Location=self.server.url + "/good")

    def on_large(self):
        self.answer(200, b" " * ((1 << 20) + 1))

    def on_bomb(self):
        self.answer(200, gzip.compress(b" " * (8 << 20)), Content_Encoding="gzip")

    def on_packed(self):
        self.answer(200, gzip.compress(b'{"a":1}'), Content_Encoding="gzip")

    def on_half(self):
        self.answer(200, b'{"id":', Content_Length="23")

    def on_brotli(self):
        self.answer(200, b"x", Content_Encoding="br")

    def on_drop(self):
        self.server.drops -= 1
        if self.server.drops >= 0:
            self.close_connection = True
            self.connection.close()
            return
        self.on_good()

    def on_hang(self):
        self.server.arrived.set()
        self.connection.settimeout(30)
        try:
            self.connection.recv(1)  # ends when the client leaves
        except OSError:
            pass
        self.server.left.set()


class ClientTest(unittest.TestCase):
    def setUp(self):
        self.idp = Endpoint()
        self.addCleanup(self.idp.end)

    def ask(self, method, path, **more):
        async def run():
            async with AsyncClient() as client:
                return await getattr(client, method)(self.idp.url + path, **more)

        return asyncio.run(run())

    def fault(self, method, path, **more):
        with self.assertRaises(UpstreamError) as caught:
            self.ask(method, path, **more).raise_for_status()
        return caught.exception

    def test_good_answers(self):
        got = self.ask("get", "/good", params={"q": "a b"}, headers={"Authorization": "Bearer t"}).raise_for_status()
        self.assertEqual((got.status_code, got.json(), got.is_success), (200, {"id": 9007199254740993}, True))
        command, path, _, headers = self.idp.seen[0]
        self.assertEqual((command, path, headers["Authorization"]), ("GET", "/good?q=a+b", "Bearer t"))
        self.assertEqual(self.ask("get", "/packed").json(), {"a": 1})

    def test_a_form(self):
        self.ask("post", "/good", data={"a": "1 2", "b": ["x", "y"]}, auth=("me:", "s/"))
        _, _, body, headers = self.idp.seen[0]
        self.assertEqual((body, headers["Content-Type"], headers["Authorization"]), ("a=1+2&b=x&b=y", "application/x-www-form-urlencoded", "Basic bWUlM0E6cyUyRg=="))
        self.ask("post", "/good", json={"a": 1})
        self.assertEqual((self.idp.seen[1][2], self.idp.seen[1][3]["Content-Type"]), ('{"a": 1}', "application/json"))

    # Threat 33: authd always uses PKCE; a provider that does not know it must not lose the verifier.
    def test_the_verifier_joins_the_code(self):
        def forms(form):
            async def run():
                context.enter(exchange=CodeExchange(code="c", code_verifier="v"))
                return await AsyncClient().post(self.idp.url + "/good", data=form)

            asyncio.run(run())
            return self.idp.seen[-1][2]

        self.assertEqual(forms({"code": "c"}), "code=c&code_verifier=v")
        self.assertEqual(forms({"code": "c", "code_verifier": "own"}), "code=c&code_verifier=own")
        self.assertEqual(forms({"refresh_token": "r"}), "refresh_token=r")

    def test_bad_answers(self):
        self.assertEqual(self.fault("get", "/busy").retry_after, 7)
        for path in ("/moved", "/large", "/bomb", "/half", "/brotli"):
            with self.subTest(path):
                self.assertEqual(self.fault("get", path).source, Source.UPSTREAM)
        self.assertNotIn("/good", [path for _, path, _, _ in self.idp.seen], "the redirect was followed")

    def test_only_a_get_is_tried_again(self):
        self.assertEqual(self.ask("get", "/drop").status_code, 200)
        self.idp.drops = 1
        self.fault("post", "/drop", data={"code": "c"})
        self.assertEqual([command for command, _, _, _ in self.idp.seen], ["GET", "GET", "POST"])

    def test_who_gives_up_leaves(self):
        async def run():
            task = asyncio.ensure_future(AsyncClient().get(self.idp.url + "/hang"))
            await asyncio.get_running_loop().run_in_executor(None, self.idp.arrived.wait, 30)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            return await asyncio.get_running_loop().run_in_executor(None, self.idp.left.wait, 30)

        self.assertTrue(asyncio.run(run()), "the connection is still open")

    def test_too_slow(self):
        async def run():
            await AsyncClient(timeout=0.2).get(self.idp.url + "/hang")

        with self.assertRaises(UpstreamError) as caught:
            asyncio.run(run())
        self.assertTrue(caught.exception.timeout)
        self.assertTrue(self.idp.left.wait(30))

    def test_where_nobody_may_ask(self):
        for url in ("http://example.org/x", "ftp://127.0.0.1/", "https://u:p@example.org/", "http:///x", "x"):
            with self.subTest(url), self.assertRaises(UpstreamError):
                asyncio.run(AsyncClient().get(url))

    def test_nobody_there(self):
        with self.assertRaises(UpstreamError) as caught:
            asyncio.run(AsyncClient().get("http://127.0.0.1:1/x?secret=s"))
        self.assertNotIn("secret", str(caught.exception))


class JudgeTest(unittest.TestCase):
    def judge(self, status, body=b"{}", **headers):
        return judge("https://idp/token?code=c", status, {name.replace("_", "-"): value for name, value in headers.items()}, body)

    def test_whose_fault(self):
        for status, body, source, code in (
            (400, b'{"error":"invalid_grant"}', Source.USER, "invalid_grant"),
            (401, b'{"error":"invalid_client"}', Source.CONFIG, "invalid_client"),
            (400, b'{"error":"invalid_request","error_description":"no"}', Source.UPSTREAM, "invalid_request"),
            (200, b'{"error":"access_denied","access_token":"a"}', Source.USER, "access_denied"),
            (400, b'{"error":"<b>"}', Source.UPSTREAM, ""),
            (400, b"{}", Source.UPSTREAM, ""),
            (404, b"<html>", Source.UPSTREAM, ""),
            (503, b'{"error":"invalid_grant"}', Source.UPSTREAM, ""),
            (302, b"", Source.UPSTREAM, ""),
        ):
            with self.subTest(status=status, body=body):
                fault = self.judge(status, body)
                self.assertEqual((fault.source, fault.code, fault.http_status), (source, code, status))
                self.assertNotIn("code=c", fault.description)
        self.assertIsNone(self.judge(200))
        self.assertIsNone(self.judge(200, b'{"error":""}'))

    def test_an_error_in_a_form(self):
        kind = "application/x-www-form-urlencoded"
        self.assertEqual(self.judge(200, b"error=invalid_grant&x=1", Content_Type=kind + "; charset=utf-8").code, "invalid_grant")
        self.assertIsNone(self.judge(200, b"access_token=a", Content_Type=kind))
        self.assertIsNone(self.judge(200, b"error=invalid_grant", Content_Type="text/html"))

    def test_a_setting_is_named(self):
        self.assertEqual(self.judge(400, b'{"error":"invalid_scope"}').diagnostics[0].setting, "scopes")

    def test_retry_after(self):
        for said, least, most in (("7", 7, 7), ("99999", 3600, 3600), ("Fri, 31 Dec 9999 23:59:59 GMT", 3600, 3600), ("Thu, 01 Jan 1970 00:00:00 GMT", 0, 0), ("soon", 0, 0), ("", 0, 0)):
            with self.subTest(said):
                self.assertTrue(least <= self.judge(429, Retry_After=said).retry_after <= most)

    def test_json(self):
        self.assertEqual(parse_json(b'{"a":[1]}'), {"a": [1]})
        for text in (b"", b"NaN", b'{"a":1,"a":2}', b"\xff", b"[" * 100000):
            with self.subTest(text[:9]), self.assertRaises(ValueError):
                parse_json(text)

    def test_places_have_no_query(self):
        self.assertEqual(place("https://u:p@idp:8443/a?b=c#d"), "https://idp:8443/a")
        self.assertEqual(place("https://[x"), "endpoint")

    def test_authorities(self):
        with self.assertRaises(Exception):
            client_module.trust(b"no certificate")


if __name__ == "__main__":
    unittest.main()
