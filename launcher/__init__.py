"""Builds and pushes the image, runs it on SageMaker and cleans up: each command is
planned before it is performed.
"""
