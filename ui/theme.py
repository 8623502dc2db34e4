"""The style sheet, read once; colours follow the theme that the viewer's system or settings choose."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_SHEET = Path(__file__).with_name("theme.css")


@st.cache_resource(show_spinner=False)
def _css(modified: int) -> str:
    return f"<style>{_SHEET.read_text(encoding='utf-8')}</style>"


def apply() -> None:
    """Put the style sheet on the page, and the place where screen readers hear what has changed."""
    st.html(_css(_SHEET.stat().st_mtime_ns))
    st.markdown('<div id="tl-live" role="status" aria-live="polite" class="tl-hidden"></div>', unsafe_allow_html=True)
