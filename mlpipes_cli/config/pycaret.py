"""The typed ``params`` of ``trainer: pycaret``, by PyCaret's own names where it has them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mlpipes_cli.config.base import Strict

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
    """What PyCaret may be told."""

    n_best_models: Annotated[int, Field(ge=1, le=30)] = 1
    include: Ids | None = None
    exclude: Ids | None = None
    turbo: bool = True
    sort: Sort = "metric"
    fold: Annotated[int, Field(ge=2, le=100)] = 5
    train_size: Share = 0.7
    budget_time: Annotated[float, Field(gt=0)] | None = None
    tune: bool = False
    n_iter: Annotated[int, Field(ge=1, le=10_000)] = 10
    plots: list[Plot] | None = None
    normalize: bool = False
    normalize_method: Literal["zscore", "minmax", "maxabs", "robust"] = "zscore"
    transformation: bool = False
    transformation_method: Literal["yeo-johnson", "quantile"] = "yeo-johnson"
    remove_multicollinearity: bool = False
    multicollinearity_threshold: Annotated[float, Field(gt=0, le=1)] = 0.9
    low_variance_threshold: Annotated[float, Field(ge=0)] | None = None
    feature_selection: bool = False
    feature_selection_method: Literal["classic", "univariate", "sequential"] = "classic"
    n_features_to_select: Annotated[int, Field(ge=1)] | Share = 0.2
    pca: bool = False
    pca_method: Literal["linear", "kernel", "incremental"] = "linear"
    pca_components: Annotated[int, Field(ge=1)] | Share | Literal["mle"] | None = None
    polynomial_features: bool = False
    polynomial_degree: Annotated[int, Field(ge=2, le=5)] = 2
    remove_outliers: bool = False
    outliers_method: Literal["iforest", "ee", "lof"] = "iforest"
    outliers_threshold: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    fix_imbalance: bool = False
    transform_target: bool = False
    numeric_imputation: Literal["mean", "median", "mode", "knn"] = "mean"
    max_encoding_ohe: Annotated[int, Field(ge=-1)] = 25

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
