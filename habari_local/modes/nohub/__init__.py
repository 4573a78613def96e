"""Nohub mode: one notebook server and S3 in Docker Compose, for work on the notebook image."""

from habari_local.modes.nohub.mode import MODE as MODE
