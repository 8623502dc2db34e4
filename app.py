"""The server: pages from `ui/shell.py`, and the routes of `services/web.py` beside them."""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from services.web import Web, lifespan, routes
from ui.access import sign_in_is_on

app = st.App(
    Path(__file__).parent / "ui" / "shell.py",
    routes=routes(Web(sign_in_is_on)),
    lifespan=lifespan,
    middleware=[Middleware(GZipMiddleware, minimum_size=1024)],
)
