"""Sign in with Azure AD B2C: the custom provider of Chainlit's cookbook, moved to authd. README.md shows what changed."""

import os

from authd_provider import AsyncClient, ConfigError, OAuthProvider, Setting, UpstreamError, User, id_token_claims, serve

URL = r"https?://[^\s#]+"


class AzureADB2COAuthProvider(OAuthProvider):
    id = "azure-ad-b2c"
    label = "Azure AD B2C"
    docs_url = "https://learn.microsoft.com/en-us/azure/active-directory-b2c/tutorial-register-applications"
    identifier = "email"
    env = ["OAUTH_AZURE_AD_B2C_CLIENT_ID", "OAUTH_AZURE_AD_B2C_CLIENT_SECRET"]
    settings = [
        Setting("tenant_name", help="Name of the tenant: the NAME of NAME.onmicrosoft.com.", pattern="[A-Za-z0-9-]+"),
        Setting("tenant_id", help="ID of the tenant, a GUID; when it is set, the issuer of ID tokens is compared.", pattern="[0-9a-fA-F-]+"),
        Setting("policy", help="Name of the user flow, such as B2C_1_signin.", pattern="[A-Za-z0-9_-]+"),
        Setting("auth_url", help="Authorization endpoint, if it is not the one of the tenant and policy.", pattern=URL),
        Setting("token_url", help="Token endpoint, if it is not the one of the tenant and policy.", pattern=URL),
        Setting("user_info_url", help="UserInfo endpoint of a custom policy; without it the ID token says who it is.", pattern=URL),
    ]

    def __init__(self):
        tenant = os.environ.get("OAUTH_AZURE_AD_B2C_TENANT_NAME")
        tenant_id = os.environ.get("OAUTH_AZURE_AD_B2C_TENANT_ID")
        policy = os.environ.get("OAUTH_AZURE_AD_B2C_POLICY")
        self.authorize_url = os.environ.get("OAUTH_AZURE_AD_B2C_AUTH_URL")
        self.token_url = os.environ.get("OAUTH_AZURE_AD_B2C_TOKEN_URL")
        self.user_info_url = os.environ.get("OAUTH_AZURE_AD_B2C_USER_INFO_URL")
        if tenant and policy:
            base = f"https://{tenant}.b2clogin.com/{tenant}.onmicrosoft.com/{policy}/oauth2/v2.0"
            self.authorize_url = self.authorize_url or f"{base}/authorize"
            self.token_url = self.token_url or f"{base}/token"
        if not self.authorize_url or not self.token_url:
            raise ConfigError("tenant_name", "is not set, or policy is not", "set both, or auth_url and token_url")
        self.expected_issuer = f"https://{tenant}.b2clogin.com/{tenant_id}/v2.0/" if tenant and tenant_id else ""

        self.client_id = os.environ.get("OAUTH_AZURE_AD_B2C_CLIENT_ID")
        self.client_secret = os.environ.get("OAUTH_AZURE_AD_B2C_CLIENT_SECRET")
        # B2C gives an access token only for a scope of an API; the client's own id stands for itself.
        self.authorize_params = {"scope": f"openid offline_access {self.client_id}", "response_mode": "query"}

    async def get_raw_token_response(self, code: str, url: str):
        said = await self.ask_token_endpoint({"grant_type": "authorization_code", "code": code, "redirect_uri": url})
        self.read_id_token(said.get("id_token") or "", self.exchange.nonce)
        return said

    async def get_user_info(self, token: str):
        claims = self.read_id_token(self.token.id_token)
        if self.user_info_url:
            async with AsyncClient() as client:
                response = await client.get(self.user_info_url, headers={"Authorization": f"Bearer {token}"})
                response.raise_for_status()
                info = response.json()
            if not isinstance(info, dict) or info.get("sub") != claims["sub"]:
                raise UpstreamError("the UserInfo endpoint tells of somebody else")
            claims = {**claims, **info}
        emails = claims.get("emails") or [claims.get("email", "")]
        return claims, User(identifier=emails[0], metadata={"provider": "azure-ad-b2c"})

    async def refresh_token(self, token):
        said = await self.ask_token_endpoint({"grant_type": "refresh_token", "refresh_token": token.refresh_token})
        said.setdefault("id_token", token.id_token)
        if self.read_id_token(said["id_token"])["sub"] != self.read_id_token(token.id_token)["sub"]:
            raise UpstreamError("the new ID token is somebody else's")
        return type(token).from_response(said)

    async def ask_token_endpoint(self, payload):
        async with AsyncClient() as client:
            response = await client.post(
                self.token_url,
                data={"client_id": self.client_id, "client_secret": self.client_secret, **payload},
            )
            response.raise_for_status()
            said = response.json()
        if not isinstance(said, dict):
            raise UpstreamError("the token endpoint answered no object")
        return said

    def read_id_token(self, id_token, nonce=""):
        return id_token_claims(id_token, client_id=self.client_id, nonce=nonce, issuer=self.expected_issuer)


def main():
    serve(AzureADB2COAuthProvider, version="1.0.0")


if __name__ == "__main__":
    main()
