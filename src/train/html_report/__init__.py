"""The training report: one HTML file that shows how good a model is.

`train.html_report.report.write_report` writes it. The other modules go in one line:

1. `errors`, `learning` and `importance` measure what ``evaluation.json`` doesn't hold,
   each on a bounded number of rows.
2. `charts` draws numbers as SVG, `tables` sets the same numbers as a table.
3. `sections` puts both under headings, and `page` makes a file of the sections.

The file needs no network, no script and no font. `charts` takes the place of a plotting
library: its colours are those of the reader's light or dark theme.
"""
