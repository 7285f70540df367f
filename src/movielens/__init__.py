"""What training and serving share: columns, tables, features, model and artifact."""
