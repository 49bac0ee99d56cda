"""Shows who is signed in. authd says it, in headers that the proxy sets; Panel hands them to the session."""

import os
from html import escape
from urllib.parse import unquote

import panel as pn

AUTHD_URL = os.environ.get("AUTHD_URL", "https://auth.example.com")

pn.extension()


def user(field: str) -> str:
    """A field of the user as text, empty when authd does not know it. authd percent-encodes what is not ASCII."""
    return unquote(pn.state.headers.get(f"X-Auth-Request-{field}") or "")


def groups() -> list[str]:
    """The names of the user's groups. A comma inside of a name is encoded."""
    return [unquote(name) for name in (pn.state.headers.get("X-Auth-Request-Groups") or "").split(",")]


def page() -> pn.viewable.Viewable:
    if not user("Subject"):
        return pn.pane.Alert("This page is meant to be reached through a proxy that asks authd.", alert_type="danger")
    return pn.pane.HTML(
        f"""
        <h1>Reports</h1>
        <p>Signed in as <b>{escape(user("Name"))}</b></p>
        <p>E-mail: {escape(user("Email") or "no verified address")}<br>
        Groups: {escape(", ".join(groups()))}<br>
        Provider: {escape(user("Provider"))}</p>
        <p><a href="{escape(AUTHD_URL)}/auth/logout">Sign out</a></p>
        """
    )


pn.panel(page).servable(title="Reports")
