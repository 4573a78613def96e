"""Process mode: the platform as plain processes of this machine, for one person."""

from habari_local.modes.process.mode import MODE as MODE
