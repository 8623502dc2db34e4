"""The only place with streamlit and plotly: the shell, the frame, and the parts that pages are made of.

A page in `pages/` is a sentence and a call: `live.block("pipelines", pipelines.draw)`. Its `draw(answer)` stands in
`ui/<page>.py`, makes markup by `ui.markup.tag` and `ui.components`, and puts it on the page by `ui.markup.draw`.
Filters come from the URL (`services.queries.filters`), links are made by `ui.urls.href`.
"""
