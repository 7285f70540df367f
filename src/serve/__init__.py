"""The inference server: raw-id requests in, ratings out."""
