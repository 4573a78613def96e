"""The dashboard: a service of JupyterHub for admins, one page of how the platform is."""
