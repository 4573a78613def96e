"""Upstream's images as they are today, beside what is recorded of them."""
