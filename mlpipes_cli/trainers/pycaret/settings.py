"""The typed run of ``trainer: pycaret``, by PyCaret's own names where it has them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mlpipes_cli.config.base import Strict
from mlpipes_cli.config.checked import Checked
from mlpipes_cli.config.runs import Run

ModelId = Literal[
    "ada", "ard", "br", "catboost", "dt", "dummy", "en", "et", "gbc", "gbr", "gpc", "huber",
    "knn", "kr", "lar", "lasso", "lda", "lightgbm", "llar", "lr", "mlp", "nb", "omp", "par", "qda", "ransac",
    "rbfsvm", "rf", "ridge", "svm", "tr", "xgboost",
]  # fmt: skip
Plot = Literal[
    "auc", "boundary", "calibration", "class_report", "confusion_matrix", "cooks", "dimension", "error",
    "feature", "feature_all", "gain", "learning", "lift", "manifold", "parameter", "pr", "residuals", "rfe",
    "threshold", "tree", "vc",
]  # fmt: skip
Sort = Literal[
    "metric", "Accuracy", "AUC", "Recall", "Prec.", "F1", "Kappa", "MCC",
    "MAE", "MSE", "RMSE", "R2", "RMSLE", "MAPE", "TT",
]  # fmt: skip
Ids = list[ModelId]
Share = Annotated[float, Field(gt=0, lt=1)]


class PycaretParams(Strict):
    """The settings of PyCaret."""

    n_best_models: Annotated[int, Field(ge=1, le=30)] = Field(
        default=1, description="How many of the best models become runs."
    )
    include: Ids | None = Field(default=None, description="The only models to compare, by PyCaret's names.")
    exclude: Ids | None = Field(default=None, description="Models to leave out, by PyCaret's names.")
    turbo: bool = Field(default=True, description="Leave out the slow models.")
    sort: Sort = Field(
        default="metric", description="The metric of the comparison: `metric` is the experiment's."
    )
    fold: Annotated[int, Field(ge=2, le=100)] = Field(default=5, description="Folds of the cross-validation.")
    train_size: Share = Field(
        default=0.7,
        description="The share of the training rows that PyCaret trains on; the rest is for its plots.",
    )
    budget_time: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Minutes after which no further model is begun."
    )
    tune: bool = Field(default=False, description="Tune each of the best by a random search.")
    n_iter: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=10, description="With `tune`: how many combinations are tried."
    )
    plots: list[Plot] | None = Field(
        default=None, description="Plots to keep, by PyCaret's names; left out, those that fit the target."
    )
    normalize: bool = Field(default=False, description="Scale the columns.")
    normalize_method: Literal["zscore", "minmax", "maxabs", "robust"] = Field(
        default="zscore", description="With `normalize`: how."
    )
    transformation: bool = Field(
        default=False, description="Transform the columns towards a normal distribution."
    )
    transformation_method: Literal["yeo-johnson", "quantile"] = Field(
        default="yeo-johnson", description="With `transformation`: how."
    )
    remove_multicollinearity: bool = Field(
        default=False, description="Leave out columns that correlate with others."
    )
    multicollinearity_threshold: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.9, description="With `remove_multicollinearity`: the correlation from which on."
    )
    low_variance_threshold: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Leave out columns with a lower variance."
    )
    feature_selection: bool = Field(default=False, description="Select columns.")
    feature_selection_method: Literal["classic", "univariate", "sequential"] = Field(
        default="classic", description="With `feature_selection`: how."
    )
    n_features_to_select: Annotated[int, Field(ge=1)] | Share = Field(
        default=0.2, description="With `feature_selection`: how many columns, or which share."
    )
    pca: bool = Field(default=False, description="Reduce the columns by principal component analysis.")
    pca_method: Literal["linear", "kernel", "incremental"] = Field(
        default="linear", description="With `pca`: how."
    )
    pca_components: Annotated[int, Field(ge=1)] | Share | Literal["mle"] | None = Field(
        default=None,
        description="With `pca`: how many components, which share of the variance, or `mle`; left out, all.",
    )
    polynomial_features: bool = Field(default=False, description="Add polynomials of the columns.")
    polynomial_degree: Annotated[int, Field(ge=2, le=5)] = Field(
        default=2, description="With `polynomial_features`: the degree."
    )
    remove_outliers: bool = Field(default=False, description="Leave out outliers of what PyCaret fits on.")
    outliers_method: Literal["iforest", "ee", "lof"] = Field(
        default="iforest", description="With `remove_outliers`: how."
    )
    outliers_threshold: Annotated[float, Field(gt=0, le=0.5)] = Field(
        default=0.05, description="With `remove_outliers`: which share."
    )
    fix_imbalance: bool = Field(default=False, description="For classes: balance them by SMOTE.")
    transform_target: bool = Field(default=False, description="For quantities: transform the target.")
    numeric_imputation: Literal["mean", "median", "mode", "knn"] = Field(
        default="mean", description="With `preprocess: none`: how missing numbers are filled."
    )
    max_encoding_ohe: Annotated[int, Field(ge=-1)] = Field(
        default=25,
        description="With `preprocess: none`: up to how many different texts a column is one-hot encoded.",
    )

    @model_validator(mode="after")
    def _fit_together(self) -> PycaretParams:
        if self.include and self.exclude:
            raise ValueError("give either `include` or `exclude`, not both")
        if self.include and len(self.include) < self.n_best_models:
            raise ValueError(
                f"n_best_models: {self.n_best_models} is more than `include` has ({len(self.include)})"
            )
        goes_with = {
            "normalize_method": "normalize", "transformation_method": "transformation",
            "multicollinearity_threshold": "remove_multicollinearity",
            "feature_selection_method": "feature_selection", "n_features_to_select": "feature_selection",
            "pca_method": "pca", "pca_components": "pca", "polynomial_degree": "polynomial_features",
            "outliers_method": "remove_outliers", "outliers_threshold": "remove_outliers", "n_iter": "tune",
        }  # fmt: skip
        for name, switch in goes_with.items():
            value: Any = getattr(self, switch)
            if name in self.model_fields_set and not value:
                raise ValueError(f"`{name}` has no effect without `{switch}: true`")
        return self


class PycaretRun(Run):
    """PyCaret's comparison of models; each of the best is a run of its own."""

    trainer: Literal["pycaret"] = Field(description="PyCaret's comparison.")
    params: Annotated[dict[str, Any], Checked(PycaretParams)] = Field(
        default_factory=dict, description="The options of PyCaret."
    )
