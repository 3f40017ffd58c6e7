"""The web page at ``/``: a form for the model's inputs, with the prediction."""
