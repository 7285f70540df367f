"""SageMaker on one machine: the services, the registry, and jobs and endpoints that run
the pushed image for real.
"""
