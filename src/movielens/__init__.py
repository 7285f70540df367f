"""What training and serving must agree on: columns, tables, classes, features and the
artifact.
"""
