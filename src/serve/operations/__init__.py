"""What those who run a server see of it: metrics and a log of requests."""
