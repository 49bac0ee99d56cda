"""Shows who is signed in: authd says it in headers, which .streamlit/config.toml puts into st.user."""

import os
from urllib.parse import unquote

import streamlit as st

AUTHD_URL = os.environ.get("AUTHD_URL", "https://auth.example.com")


def user(field: str) -> str:
    """A field of the user as text, empty when authd does not know it. authd percent-encodes what is not ASCII."""
    return unquote(st.user.get(field) or "")


def groups() -> list[str]:
    """The names of the user's groups. A comma inside of a name is encoded."""
    return [unquote(name) for name in (st.user.get("groups") or "").split(",")]


st.set_page_config(page_title="Reports")

if not user("sub"):
    st.error("This page is meant to be reached through a proxy that asks authd.")
    st.stop()

st.title("Reports")
st.write(f"Signed in as **{user('name')}**")
st.table(
    {
        "E-mail": user("email") or "no verified address",
        "Groups": ", ".join(groups()),
        "Provider": user("provider"),
    }
)
st.link_button("Sign out", f"{AUTHD_URL}/auth/logout")
