"""Which model version is deployed, newest and best; often they are three different ones."""

from ui import cells, charts, details, lists, live, sentences
from ui.components import Column

MODELS = (
    Column("Model", cells.opens("name"), name="name"),
    Column("Products", cells.listed("products"), name="products"),
    Column("Deployed", cells.deployed, cells.deployed, wide=True),
    Column("Newest", cells.newest, lambda row: row["newest"] and row["newest"]["version"]),
    Column("Registered", cells.inside("newest", cells.ago("created_at")),
           lambda row: row["newest"] and row["newest"]["created_at"]),
    Column("Best", cells.best, lambda row: row["best"] and row["best"]["version"]),
    Column("As of", cells.ago("observed_at"), name="observed_at"),
    Column("Source", cells.source(), name="web_url"),
)  # fmt: skip

live.block(
    "models",
    lambda answer: lists.show(
        answer, "models", "models", MODELS, said=sentences.models, streams=("models", "endpoints"),
        opened=details.model, unmoved=("window",), chart=charts.metric,
    ),
)  # fmt: skip
