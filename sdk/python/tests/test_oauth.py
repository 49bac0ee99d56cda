import asyncio
import base64
import datetime
import json
import time
import unittest

from authd_provider import (
    AuthorizeRequest,
    CodeExchange,
    HTTPException,
    OAuthProvider,
    ProviderError,
    Source,
    Token,
    UpstreamError,
    User,
    context,
    id_token_claims,
)
from authd_provider.errors import blame
from authd_provider.oauth import call, check_endpoint


class TokenTest(unittest.TestCase):
    def test_everything_is_kept(self):
        token = Token.from_response(
            {"access_token": "a", "token_type": "bearer", "expires_in": "3600", "refresh_token": "r", "id_token": "i", "scope": "x y", "tenant": 7}
        )
        self.assertEqual((token.access_token, token.refresh_token, token.id_token, token.scope, token.extra), ("a", "r", "i", ("x", "y"), {"tenant": 7}))
        left = token.expiry - datetime.datetime.now(datetime.timezone.utc)
        self.assertAlmostEqual(left.total_seconds(), 3600, delta=60)
        self.assertNotIn("access_token", repr(token))

    def test_what_is_no_token_is_refused(self):
        good = {"access_token": "a", "token_type": "Bearer"}
        for change in (
            {"access_token": ""}, {"access_token": None}, {"access_token": "a b"}, {"access_token": 7}, {"token_type": "mac"},
            {"token_type": None}, {"error": "server_error"}, {"id_token": 7}, {"refresh_token": []},
        ):
            with self.subTest(change), self.assertRaises(UpstreamError):
                Token.from_response({**good, **change})
        for said in (None, [], "a"):
            with self.subTest(said), self.assertRaises(UpstreamError):
                Token.from_response(said)

    def test_a_strange_life_counts_as_not_said(self):
        for life in (None, "soon", -1, 0, float("inf"), float("nan")):
            with self.subTest(life):
                self.assertIsNone(Token.from_response({"access_token": "a", "token_type": "Bearer", "expires_in": life}).expiry)


class UserTest(unittest.TestCase):
    def test_standard_claims_fill_in(self):
        user = User("ada").completed({"sub": "7", "email": "ada@example.org", "email_verified": True, "name": "Ada", "groups": ["core", 3]})
        self.assertEqual((user.sub, user.preferred_username, user.email, user.email_verified, user.name), ("7", "ada", "ada@example.org", True, "Ada"))
        self.assertEqual(user.groups, ["core"])

    def test_what_is_given_wins(self):
        user = User("ada", "Ada Q.", {"image": "https://x/y.png"}, sub="9", email="other@example.org").completed(
            {"sub": "7", "name": "Ada", "email": "ada@example.org", "email_verified": True}
        )
        self.assertEqual((user.sub, user.name, user.picture, user.email), ("9", "Ada Q.", "https://x/y.png", "other@example.org"))
        self.assertIsNone(user.email_verified, "the answer said nothing about that address")

    def test_an_address_is_no_user_name(self):
        user = User("ada@example.org").completed({"id": 7})
        self.assertEqual((user.sub, user.email, user.preferred_username), ("7", "ada@example.org", ""))

    def test_email_verified_has_three_values(self):
        for said, want in ((True, True), ("true", True), (False, False), ("false", False), (None, None), ("yes", None), (1, None)):
            with self.subTest(said):
                self.assertIs(User("a@b.c").completed({"sub": "1", "email": "a@b.c", "email_verified": said}).email_verified, want)

    def test_big_numbers_stay_exact(self):
        self.assertEqual(User().completed({"id": 9007199254740993}).sub, "9007199254740993")

    def test_nobody_is_refused(self):
        for raw in ({}, {"sub": ""}, {"sub": None}, {"id": 0}, {"id": True}, {"sub": ["x"]}):
            with self.subTest(raw), self.assertRaises(UpstreamError):
                User("ada").completed(raw)

    def test_an_address_is_no_sub(self):
        with self.assertRaises(ProviderError) as caught:
            User("Ada@example.org", sub="ada@example.org").completed({})
        self.assertEqual(caught.exception.source, Source.PLUGIN)


def jwt(**claims):
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.c2ln"


class IDTokenTest(unittest.TestCase):
    def good(self):
        return {"iss": "https://idp", "sub": "7", "aud": "me", "exp": time.time() + 60, "nonce": "n"}

    def read(self, **change):
        return id_token_claims(jwt(**{**self.good(), **change}), client_id="me", nonce="n", issuer="https://idp")

    def test_a_good_one(self):
        self.assertEqual(self.read()["sub"], "7")
        self.assertEqual(self.read(aud=["me", "other"], azp="me")["sub"], "7")

    # Threat 26: an ID token that was made for another login or another client.
    def test_one_of_another_login(self):
        for change in (
            {"aud": "other"}, {"aud": ["me", "other"]}, {"azp": "other"}, {"exp": time.time() - 120}, {"exp": None}, {"exp": True},
            {"nonce": "other"}, {"nonce": None}, {"iss": "https://evil"}, {"sub": ""}, {"sub": None},
        ):
            with self.subTest(change), self.assertRaises(UpstreamError):
                self.read(**change)

    def test_no_token_at_all(self):
        for text in ("", "a.b.c", "x", jwt()[:9], "e30.W10.x"):
            with self.subTest(text), self.assertRaises(UpstreamError):
                id_token_claims(text, client_id="me")


class Classic(OAuthProvider):
    id = "classic"
    authorize_url = "https://idp/authorize"

    def __init__(self):
        self.authorize_params = {"scope": "openid", "response_type": "id_token", "state": "mine", "audience": "api", "absent": None}

    async def get_token(self, code, url):
        return f"{code}-{self.exchange.code_verifier}"


class ProviderTest(unittest.TestCase):
    def test_the_host_owns_some_parameters(self):
        endpoint, params = asyncio.run(Classic().get_authorize_params(AuthorizeRequest()))
        self.assertEqual((endpoint, params), ("https://idp/authorize", {"scope": "openid", "audience": "api"}))

    def test_what_a_login_asks_for_is_handed_on(self):
        request = AuthorizeRequest(scope=("a", "b"), prompt="login", login_hint="ada", max_age=90.0)
        _, params = asyncio.run(Classic().get_authorize_params(request))
        self.assertEqual(params, {"scope": "a b", "audience": "api", "prompt": "login", "login_hint": "ada", "max_age": "90"})

    def test_prompt_of_the_provider(self):
        class Asks(Classic):
            default_prompt = "consent"

        for request, want in ((AuthorizeRequest(), "consent"), (AuthorizeRequest(prompt="none"), "none")):
            _, params = asyncio.run(Asks().get_authorize_params(request))
            self.assertEqual(params["prompt"], want)

    def test_get_token_sees_the_verifier(self):
        async def run():
            exchange = CodeExchange(code="c", code_verifier="v")
            context.enter(exchange=exchange)
            return await Classic().exchange_code(exchange)

        self.assertEqual(asyncio.run(run()).access_token, "c-v")

    def test_the_whole_response_is_preferred(self):
        class Both(Classic):
            async def get_raw_token_response(self, code, url):
                return {"access_token": "a", "token_type": "Bearer", "refresh_token": "r"}

        self.assertEqual(asyncio.run(Both().exchange_code(CodeExchange())).refresh_token, "r")

    def test_a_method_may_block(self):
        self.assertEqual(asyncio.run(call(lambda n: n + 1, 1)), 2)

    def test_endpoints(self):
        self.assertEqual(check_endpoint("https://a/b?c=d"), "https://a/b?c=d")
        for url in (None, "", "a/b", "ftp://a", "https://", "https://u:p@a", "https://a#b"):
            with self.subTest(url), self.assertRaises(ProviderError) as caught:
                check_endpoint(url)
            self.assertEqual(caught.exception.source, Source.CONFIG)


class BlameTest(unittest.TestCase):
    def test_errors_of_others(self):
        def foreign(name, module, **members):
            return type(name, (Exception,), {"__module__": module, **members})()

        for error, source, code in (
            (KeyError("x"), Source.PLUGIN, ""),
            (asyncio.TimeoutError(), Source.UPSTREAM, ""),
            (HTTPException(400, "no token"), Source.UPSTREAM, ""),
            (HTTPException(403), Source.USER, "access_denied"),
            (foreign("HTTPException", "fastapi.exceptions", status_code=401, detail="no"), Source.USER, "access_denied"),
            (foreign("ConnectTimeout", "httpx"), Source.UPSTREAM, ""),
            (foreign("ConnectError", "httpx"), Source.UPSTREAM, ""),
        ):
            with self.subTest(error):
                self.assertEqual((blame(error).source, blame(error).code), (source, code))
        self.assertTrue(blame(foreign("ReadTimeout", "httpx")).timeout)

    def test_a_status_of_httpx(self):
        request = type("Request", (), {"url": "https://idp/token?secret=1"})
        response = type("Response", (), {"request": request, "status_code": 400, "headers": {}, "content": b'{"error":"invalid_grant"}'})
        error = type("HTTPStatusError", (Exception,), {"__module__": "httpx", "response": response})()
        fault = blame(error)
        self.assertEqual((fault.source, fault.code, fault.http_status), (Source.USER, "invalid_grant", 400))
        self.assertNotIn("secret", fault.description)


if __name__ == "__main__":
    unittest.main()
