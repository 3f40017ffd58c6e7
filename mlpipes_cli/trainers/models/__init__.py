"""The classes of models that trainers produce. A logged model contains the code of these modules."""
