"""SageMaker on one machine: its services, an image registry, and jobs and endpoints
that run the pushed image for real.

How a request travels::

    gateway          checks it, finds the operation of its name; other names go to moto
    training, transform, tuning, endpoints, model_catalog, ecr_images, ...
                     the operations; what they describe is kept in `descriptions`
    training_run, transform_run, tuning_run, deployment
                     the work itself, in threads
    engine           containers, through docker's command line

`stack` starts and ends all of it, `settings` says where it listens.
"""
