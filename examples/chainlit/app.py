"""Shows who is signed in. authd says it, in headers that the proxy sets; Chainlit signs the person in with them."""

import os
from urllib.parse import unquote

import chainlit as cl
from chainlit.auth import get_token_from_cookies
from chainlit.auth.jwt import decode_jwt
from chainlit.server import app
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

AUTHD_URL = os.environ.get("AUTHD_URL", "https://auth.example.com")


def field(headers: Headers, name: str) -> str:
    """A field of the user as text, empty when authd does not know it. authd percent-encodes what is not ASCII."""
    return unquote(headers.get(f"X-Auth-Request-{name}") or "")


class OnePerson:
    """Takes Chainlit's own cookie, which lasts for days, out of requests of anybody but the person it was made for.

    Without it somebody who signs in after somebody else in the same browser would go on as the first. Chainlit answers
    the request without the cookie as one of a newcomer, and asks header_auth.
    """

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            if owner(headers.get("cookie", "")) != field(headers, "Subject"):
                kept = [pair for pair in scope["headers"] if pair[0] not in (b"cookie", b"authorization")]
                scope = {**scope, "headers": kept}
        await self.app(scope, receive, send)


def owner(cookies: str) -> str:
    """The person that Chainlit's cookie was made for, empty when there is none."""
    try:
        return decode_jwt(get_token_from_cookies(cookie_parser(cookies)) or "").identifier
    except Exception:  # it is expired, or not ours
        return ""


app.add_middleware(OnePerson)


@cl.header_auth_callback
async def header_auth(headers: Headers) -> cl.User | None:
    subject = field(headers, "Subject")
    if not subject:
        return None
    return cl.User(
        identifier=subject,  # stays the same when name and address change
        display_name=field(headers, "Name") or field(headers, "User"),
        metadata={name.lower(): field(headers, name) for name in ("Email", "Groups", "Provider")},
    )


@cl.on_chat_start
async def start():
    user = cl.user_session.get("user")
    await cl.Message(
        f"Signed in as **{user.display_name}**\n\n"
        f"E-mail: {user.metadata['email'] or 'no verified address'}\n\n"
        f"Groups: {user.metadata['groups'].replace(',', ', ')}\n\n"
        f"Provider: {user.metadata['provider']}\n\n"
        f"[Sign out]({AUTHD_URL}/auth/logout)"
    ).send()


@cl.on_message
async def answer(message: cl.Message):
    await cl.Message(f"{cl.user_session.get('user').display_name} says: {message.content}").send()
