"""Every page's way onto the screen: navigation first, then the gate, then the frame, then the page."""

import streamlit as st

from ui import access, frame, navigation, runtime, theme, turn, urls

st.set_page_config(page_title="Throughline", page_icon="🧵", layout="wide")
known = navigation.pages()
page = st.navigation(list(known.values()), position="sidebar")
theme.apply()
access.gate(runtime.clock())
urls.keep_filters(page.url_path)
navigation.follow_links(known, page.url_path)
turn.begin()
if frame.show():
    page.run()
