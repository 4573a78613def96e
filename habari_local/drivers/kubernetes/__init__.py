"""A Kubernetes cluster: objects, pods, exec, events and rollouts."""
