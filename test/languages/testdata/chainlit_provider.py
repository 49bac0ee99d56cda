# A provider as one writes it for Chainlit. For authd the first line alone is another one; in Chainlit it was:
#   import httpx; from chainlit.oauth_providers import OAuthProvider; from chainlit.user import User; from fastapi import HTTPException
from authd_provider import AsyncClient, HTTPException, OAuthProvider, User

import os


class httpx:
    AsyncClient = AsyncClient


class CompanyOAuthProvider(OAuthProvider):
    id = "company"
    env = ["OAUTH_COMPANY_CLIENT_ID", "OAUTH_COMPANY_CLIENT_SECRET", "OAUTH_COMPANY_BASE_URL"]
    authorize_url = f"{os.environ.get('OAUTH_COMPANY_BASE_URL', '')}/authorize"
    token_url = f"{os.environ.get('OAUTH_COMPANY_BASE_URL', '')}/token"
    user_info_url = f"{os.environ.get('OAUTH_COMPANY_BASE_URL', '')}/userinfo"

    def __init__(self):
        self.client_id = os.environ.get("OAUTH_COMPANY_CLIENT_ID")
        self.client_secret = os.environ.get("OAUTH_COMPANY_CLIENT_SECRET")
        self.authorize_params = {"scope": "openid profile email", "response_type": "code"}

        if prompt := self.get_prompt():
            self.authorize_params["prompt"] = prompt

    async def get_raw_token_response(self, code: str, url: str) -> dict:
        payload = {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "code": code,
            "grant_type": "authorization_code",
            "redirect_uri": url,
        }
        async with httpx.AsyncClient() as client:
            response = await client.post(self.token_url, data=payload)
            response.raise_for_status()
            return response.json()

    async def get_token(self, code: str, url: str):
        token = (await self.get_raw_token_response(code, url)).get("access_token")
        if not token:
            raise HTTPException(status_code=400, detail="Failed to get the access token")
        return token

    async def get_user_info(self, token: str):
        async with httpx.AsyncClient() as client:
            response = await client.get(
                self.user_info_url,
                headers={"Authorization": f"Bearer {token}"},
            )
            response.raise_for_status()
            company_user = response.json()

            user = User(
                identifier=company_user["preferred_username"],
                metadata={"image": company_user.get("picture"), "provider": "company"},
            )
            return (company_user, user)
