"""What the pages are measured against: the shell and its navigation, with no frame, no query and an empty page."""

import streamlit as st

from ui import navigation, theme

st.set_page_config(page_title="Throughline", page_icon="🧵", layout="wide")
st.navigation([st.Page(lambda: None, title=entry.title, url_path=entry.path or "today") for entry in navigation.PAGES])
theme.apply()
