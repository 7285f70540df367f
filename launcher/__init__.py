"""Builds and pushes the image, runs it on SageMaker and cleans up.

Every command goes from the configuration (`launcher.config`) to what there is
(`launcher.world`), to a plan (`launcher.plans`), which is then performed
(`launcher.execute`) or, with ``--dry-run``, printed.
"""
