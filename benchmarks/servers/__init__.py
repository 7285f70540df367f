"""What people serve such a model with otherwise: each the usual few lines over XGBoost
and our featurizer.
"""
