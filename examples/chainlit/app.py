"""Shows who is signed in. authd says it, in headers that the proxy sets; Chainlit signs the person in with them."""

import os
from urllib.parse import unquote

import chainlit as cl
from chainlit.auth import create_jwt
from chainlit.server import app
from starlette.datastructures import Headers

AUTHD_URL = os.environ.get("AUTHD_URL", "https://auth.example.com")


def field(headers: Headers, name: str) -> str:
    """A field of the user as text, empty when authd does not know it. authd percent-encodes what is not ASCII."""
    return unquote(headers.get(f"X-Auth-Request-{name}") or "")


@cl.header_auth_callback
async def header_auth(headers: Headers) -> cl.User | None:
    subject = field(headers, "Subject")
    if not subject:
        return None
    return cl.User(
        identifier=subject,  # stays the same when name and address change
        display_name=field(headers, "Name") or field(headers, "User"),
        metadata={
            "email": field(headers, "Email"),  # only an address that the provider vouches for
            "groups": [unquote(name) for name in headers.get("X-Auth-Request-Groups", "").split(",")],
            "provider": field(headers, "Provider"),
        },
    )


class SignedInByProxy:
    """Makes each request one of the person whom the proxy names, the WebSocket too.

    By itself Chainlit asks header_auth once and then believes a cookie of its own for 15 days, also after somebody else
    has signed in with the same browser; and it asks on a page of its own, from which no deep link leads back.
    """

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] in ("http", "websocket"):
            user = await header_auth(Headers(scope=scope))
            kept = [pair for pair in scope["headers"] if pair[0] not in (b"cookie", b"authorization")]
            if user:
                kept.append((b"cookie", f"access_token={create_jwt(user)}".encode()))
            scope = {**scope, "headers": kept}
        await self.app(scope, receive, send)


app.add_middleware(SignedInByProxy)


@cl.on_chat_start
async def start():
    user = cl.user_session.get("user")
    await cl.Message(
        f"Signed in as **{user.display_name}**\n\n"
        f"E-mail: {user.metadata['email'] or 'no verified address'}\n\n"
        f"Groups: {', '.join(user.metadata['groups'])}\n\n"
        f"Provider: {user.metadata['provider']}\n\n"
        f"[Sign out]({AUTHD_URL}/auth/logout)"
    ).send()


@cl.on_message
async def answer(message: cl.Message):
    await cl.Message(f"{cl.user_session.get('user').display_name} says: {message.content}").send()
