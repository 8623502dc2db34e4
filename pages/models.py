"""Which model version is deployed, newest and best; often they are three different ones."""

from ui import cells, charts, details, lists, live, words
from ui.components import Column

MODELS = (
    Column("Model", cells.opens("name"), name="name"),
    Column("Products", cells.listed("products"), name="products"),
    Column("Deployed", cells.deployed, name="deployed", wide=True),
    Column("Newest", lambda row: row["newest"] and f"v{row['newest']['version']}", name="newest"),
    Column("Registered", lambda row: row["newest"] and cells.ago("created_at")(row["newest"])),
    Column("Best", lambda row: row["best"] and f"v{row['best']['version']}", name="best"),
    Column(
        "By",
        lambda row: row["best"] and f"{row['primary_metric']['name']} {words.number(row['best']['value'])}",
        name="primary_metric",
    ),
    Column("As of", cells.ago("observed_at"), name="observed_at"),
    Column("Source", cells.source(), name="web_url"),
)

live.block(
    "models",
    lambda answer: (
        charts.metric(answer.data["selected"]),
        lists.show(answer, "models", "models", MODELS, opened=details.model),
    ),
)
