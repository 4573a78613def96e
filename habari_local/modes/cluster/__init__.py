"""Mode cluster: one release of the chart in a cluster that is there already, as on GKE."""

from habari_local.modes.cluster.mode import MODE as MODE
