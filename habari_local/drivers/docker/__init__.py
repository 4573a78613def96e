"""The Docker engine: its client, images, registries, events and Compose."""
