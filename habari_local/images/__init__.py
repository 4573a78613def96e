"""Images: what there is, what each is called, how it is built, moved and checked."""
