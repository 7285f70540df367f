"""SageMaker on one machine: its services, an image registry, and jobs and endpoints
that run the pushed image for real. What isn't offered is refused by its name.

It stands by itself: of the launcher it only uses addresses, docker's client, errors,
and requests and their validation.

How a request travels::

    gateway          reads its head
    access           checks its key and, if IAM is enforced, the policies
    offered          refuses what nobody offers; then the operation of its name answers,
                     or moto
    training, transform, tuning, endpoints, models, ecr_images, ...
                     the operations, and the work itself in threads; what they describe
                     is kept in `descriptions`
    invocation, data_capture, cloudwatch
                     what endpoints are asked, and what is kept of it
    engine           containers, through docker's command line

`stack` starts and ends all of it, `settings` says where it listens.
"""
