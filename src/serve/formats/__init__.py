"""The formats of requests and answers, one module each, and their registry."""
