"""The page at ``/``: a person fills in the model's inputs and sees the prediction."""
