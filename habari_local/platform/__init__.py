"""What the modes share: the Mode protocol, and the Compose and Helm platforms."""
