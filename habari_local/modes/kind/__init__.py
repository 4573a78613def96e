"""Kind mode: Zero to JupyterHub's chart on a local Kubernetes; see the list in `steps`."""

from habari_local.modes.kind.mode import MODE as MODE
