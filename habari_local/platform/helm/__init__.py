"""What modes on Kubernetes share: one release of the chart, found again by its cluster alone."""
