"""Our contents manager beside those of the field: what each takes, and what each loses."""
