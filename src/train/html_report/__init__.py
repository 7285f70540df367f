"""The training report: one HTML file that shows how good a model is.

`train.html_report.report.write_report` writes it. The other modules go in one line:

1. `errors`, `learning` and `importance` measure what ``evaluation.json`` doesn't hold,
   each on a bounded number of rows. `numbers` keeps what jobs are compared by.
2. `sections` puts charts and tables (`movielens.pages`) under headings, and `page`
   makes a file of the sections.
"""
