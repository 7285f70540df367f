"""What people otherwise serve such a model with.

Each is the usual few lines over XGBoost and our featurizer.
"""
