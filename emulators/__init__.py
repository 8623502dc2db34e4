"""Local upstreams that speak the real protocols on loopback, with a demo team living in them.

Nothing here imports the product, and nothing in the product knows that these are local.
"""
