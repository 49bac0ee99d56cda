"""What is B2C's own; the acceptance kit looks at the rest. Run: python -m unittest"""

import asyncio
import base64
import json
import os
import time
import unittest
from unittest import mock

from authd_provider import AuthorizeRequest, CodeExchange, ConfigError, Token, UpstreamError, context
from azure_ad_b2c import AzureADB2COAuthProvider

PREFIX = "OAUTH_AZURE_AD_B2C_"


def provider(**settings):
    values = {"CLIENT_ID": "me", "CLIENT_SECRET": "s3cret", "TENANT_NAME": "contoso", "POLICY": "B2C_1_signin", **settings}
    with mock.patch.dict(os.environ, {PREFIX + name: value for name, value in values.items() if value}):
        return AzureADB2COAuthProvider()


def id_token(**change):
    claims = {"iss": "https://contoso.b2clogin.com/7a/v2.0/", "aud": "me", "exp": time.time() + 60, "nonce": "n", "sub": "0c", "emails": ["ada@contoso.com"], **change}
    return "e30." + base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode() + ".c2ln"


class B2CTest(unittest.TestCase):
    def test_endpoints_follow_from_tenant_and_policy(self):
        b2c = provider()
        self.assertEqual(b2c.authorize_url, "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_signin/oauth2/v2.0/authorize")
        self.assertEqual(b2c.token_url, "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_signin/oauth2/v2.0/token")
        self.assertEqual(provider(TOKEN_URL="https://login.contoso.com/token").token_url, "https://login.contoso.com/token")

    def test_neither_a_tenant_nor_endpoints(self):
        with self.assertRaises(ConfigError):
            provider(TENANT_NAME="")

    def test_scopes(self):
        _, params = asyncio.run(provider().get_authorize_params(AuthorizeRequest()))
        self.assertEqual(params, {"scope": "openid offline_access me", "response_mode": "query"})

    def redeem(self, token, **settings):
        b2c = provider(**settings)

        async def answer(payload):
            self.assertEqual(payload["code"], "c")
            return {"access_token": "a", "token_type": "Bearer", "id_token": token}

        async def run():
            exchange = CodeExchange(code="c", redirect_uri="https://x", nonce="n")
            context.enter(exchange=exchange)
            with mock.patch.object(b2c, "ask_token_endpoint", answer):
                return await b2c.exchange_code(exchange)

        return asyncio.run(run())

    # Threat 26: a token of another login, client or tenant.
    def test_the_id_token_is_of_this_login(self):
        self.assertEqual(self.redeem(id_token(), TENANT_ID="7a").access_token, "a")
        for change in ({"nonce": "other"}, {"aud": "other"}, {"iss": "https://contoso.b2clogin.com/8b/v2.0/"}, {"exp": 1}):
            with self.subTest(change), self.assertRaises(UpstreamError):
                self.redeem(id_token(**change), TENANT_ID="7a")
        with self.assertRaises(UpstreamError):
            self.redeem("")

    def test_who_it_is(self):
        async def run():
            token = Token(access_token="a", id_token=id_token())
            context.enter(token=token)
            return await provider().load_user(token)

        claims, user = asyncio.run(run())
        full = user.completed(claims)
        self.assertEqual((full.sub, full.email, full.email_verified), ("0c", "ada@contoso.com", None))


if __name__ == "__main__":
    unittest.main()
