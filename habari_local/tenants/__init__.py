"""Several deployments in one cluster, kept apart."""
