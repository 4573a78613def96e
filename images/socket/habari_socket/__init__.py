"""The hub's way to the Docker engine: what it may ask for is built anew, the rest is refused."""
