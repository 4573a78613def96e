"""What the modes `hub` and `nohub` share: one project of Docker Compose, found again by labels."""
