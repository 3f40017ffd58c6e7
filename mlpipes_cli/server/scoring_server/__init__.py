"""MLflow's own scoring server, with our converter in place of its casts; runs in the model's environment.

``start`` becomes MLflow's server. Each of its workers loads ``app/mlpipes_scoring_app.py``, which has
``parsers`` replace what MLflow reads bodies with.
"""
