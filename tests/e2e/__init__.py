"""The end-to-end suite: it knows the endpoints of a deployment and nothing else of Habari local."""
