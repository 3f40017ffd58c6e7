"""What mlpipes knows of ``trainer: sklearn`` before it imports anything of it."""

from mlpipes_cli.trainer_registry import TrainerDefinition

DEFINITION = TrainerDefinition(
    trainer="mlpipes_cli.trainers.sklearn.trainer:SklearnTrainer",
    settings="mlpipes_cli.trainers.sklearn.settings:SklearnRun",
    source_check="mlpipes_cli.trainers.sklearn.source_check:check",
    summary="any estimator or pipeline with scikit-learn's interface by its dotted path; "
    "XGBoost, LightGBM, CatBoost too",
    checks_search=True,
    searches_side_by_side=True,
    weights=True,
    weights_check="mlpipes_cli.trainers.sklearn.source_check:weights",
)
