"""The report of the end-to-end suite: collected while it runs, kept as JSON, shown as one page.

`model` is what is kept of a run, `evidence` what a failing check left, `redaction` keeps secrets
out of both, `render` draws the page; `collector.py` beside this folder, a pytest plugin, fills
them. The results of several modes lie side by side in the report's folder, and the page shows all
of them, so that running another mode adds a column.
"""
