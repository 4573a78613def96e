"""What Habari adds to JupyterHub: its settings, its sign-in rules, its local spawner."""
