"""Drills: what becomes of people's work while parts of a running platform are broken on purpose."""
