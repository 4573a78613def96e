"""Backups: the hub's database, homes and buckets of a platform in one folder, and back."""
