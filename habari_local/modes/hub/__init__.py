"""Hub mode: the platform in Docker Compose, a container for each user's server."""

from habari_local.modes.hub.mode import MODE as MODE
