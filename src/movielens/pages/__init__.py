"""Pages of one HTML file with figures: the training report, the comparison of jobs.

1. `charts` draws numbers as SVG, `tables` sets the same numbers as a table.
2. `document` makes a file of sections.

Such a file needs no network, no script and no font. `charts` takes the place of a
plotting library: its colours are those of the reader's light or dark theme.
"""
