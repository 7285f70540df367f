"""The inference server: rows of raw ids in, ratings out."""
