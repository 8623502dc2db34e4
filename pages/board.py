"""Products by environments: the thread from code to metrics, with status and version of each."""

from ui import board, live

live.block("board", board.show, limit=30)
