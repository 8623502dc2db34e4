"""Who may look: with sign-in configured, nobody sees anything of a page before it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import streamlit as st

SESSION = timedelta(hours=12)
"""A sign-in older than this must be made anew: Streamlit's own cookie would last 30 days."""


def sign_in_is_on() -> bool:
    """Whether Streamlit's own login is set up, by [auth] in its secrets."""
    return bool(st.secrets.load_if_toml_exists()) and "auth" in st.secrets


def _unreadable() -> bool:
    """Whether there is a file of secrets that cannot be read: then nobody knows who may look, so nobody may."""
    return not st.secrets.load_if_toml_exists() and any(Path(file).exists() for file in st.get_option("secrets.files"))


def gate(now: datetime) -> None:
    """Let the page go on, or show a sign-in button and nothing else."""
    if _unreadable():
        st.title("Throughline")
        st.error("The file of secrets cannot be read, so sign-in cannot be checked. Mend it, then reload.")
        st.stop()
    if not sign_in_is_on() or (st.user.get("is_logged_in") and _recent(now)):
        return
    st.title("Throughline")
    st.write("Sign in to see your team's delivery.")
    st.button("Sign in", type="primary", on_click=st.login)
    st.stop()


def _recent(now: datetime) -> bool:
    """Whether the sign-in is young enough; one that does not say when it was made is not."""
    issued = st.user.get("iat")
    return isinstance(issued, int | float) and now.timestamp() - issued < SESSION.total_seconds()
