"""Computes the champion's predictions on the challenger's holdout, without the rows it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpipes_cli import mlflow_tags
from mlpipes_cli.errors import MlpipesError, Refused
from mlpipes_cli.lifecycle.promotion.holdout import NO_COMPARISON, ChallengerHoldout, HoldoutSource
from mlpipes_cli.lifecycle.promotion.holdout_archive import HoldoutArchive
from mlpipes_cli.lifecycle.serving.local_model import loaded
from mlpipes_cli.ports import ModelVersion, RunRecord
from mlpipes_cli.signing.vault import Untrusted, Vault

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlpipes_cli.scoring.predictions import Predictions

FEWEST_ROWS = 30  # with fewer rows a bootstrap is of no use


@dataclass(frozen=True)
class ChampionPredictions:
    """The champion's predictions.

    Attributes:
        predictions: Predictions on the kept rows.
        keep: (n,) booleans over the challenger's holdout rows; None for all of them.
        left_out: How many rows are not kept.
    """

    predictions: Predictions
    keep: NDArray[np.bool_] | None = None
    left_out: int = 0


@dataclass(frozen=True)
class Champion:
    """The version that holds the alias.

    Attributes:
        vault: The models that may be loaded.
        archive: The runs' artifacts.
        holdouts: The source of the challengers' rows.
        version: The version.
    """

    vault: Vault
    archive: HoldoutArchive
    holdouts: HoldoutSource
    version: ModelVersion

    def answers(self, run: RunRecord | None, challenger: RunRecord, said: Predictions) -> ChampionPredictions:
        """Return the champion's predictions on the challenger's holdout.

        Args:
            run: The champion's run, or None if it is gone.
            challenger: The run whose holdout is used.
            said: The challenger's predictions; they give the classes and the order of the rows.

        Raises:
            Refused: They cannot be compared; the message says why.
        """
        if run is None or not run.tags.get(mlflow_tags.TASK):
            raise Refused(
                f"there is no record of how version {self.version.version} was trained, so it cannot "
                "be compared",
                NO_COMPARISON,
            )
        task = run.tags[mlflow_tags.TASK]
        if task != said.task:
            raise Refused(
                f"version {self.version.version} is a {task} model and the challenger a {said.task} model",
                "give the experiment its own `model:` name",
            )
        if self.archive.find(run, mlflow_tags.CLASSES) is None:
            raise Refused(
                f"version {self.version.version} has no record of its classes, so it cannot be compared",
                NO_COMPARISON,
            )
        _same_classes(self.archive.classes(run), said)
        logged = self._logged(run, challenger, said)
        return ChampionPredictions(logged) if logged is not None else self._scored(run, challenger, said)

    def _logged(self, run: RunRecord, challenger: RunRecord, said: Predictions) -> Predictions | None:
        """Return its run's logged predictions if they are of the same rows in the same order."""
        tag = mlflow_tags.HOLDOUT_FINGERPRINT
        if run.tags.get(tag) != challenger.tags.get(tag):
            return None
        (logged,) = self.archive.all_predictions([run])
        fits = logged is not None and logged.classes == said.classes and _same_rows(logged, said)
        return logged if fits else None

    def _scored(self, run: RunRecord, challenger: RunRecord, said: Predictions) -> ChampionPredictions:
        path = self.archive.find(run, mlflow_tags.TRAINING_ROWS)
        if path is None:
            raise Refused(
                f"version {self.version.version} has no record of the rows that it was trained on",
                NO_COMPARISON,
            )
        from mlpipes_cli.data.rows import hash_rows, hash_values, read_hashes, read_id_hashes

        hashes, columns = read_hashes(path)
        held = self.holdouts.rows(challenger, columns, before=mlflow_tags.READING not in run.tags)
        if held.target not in columns:
            raise Refused(
                f"version {self.version.version} does not predict {held.target!r}, unlike the challenger",
                "give the experiment its own `model:` name",
            )
        import numpy as np

        keep = ~np.isin(hash_rows(held.frame, columns), hashes)
        if _same_dataset(run, challenger):
            # Another version may have cleaned a row to other values, but it has its id still.
            known = read_id_hashes(path, str(held.ids.name))
            if known is not None:
                keep &= ~np.isin(hash_values(held.ids), known)
        _enough(keep, said)
        features = [name for name in columns if name != held.target]
        predictions = self._predict(held, features, keep, said)
        return ChampionPredictions(predictions, keep, int((~keep).sum()))

    def _predict(
        self, held: ChallengerHoldout, features: list[str], keep: NDArray[np.bool_], said: Predictions
    ) -> Predictions:
        import numpy as np

        from mlpipes_cli.scoring.predictions import Predictions
        from mlpipes_cli.trainers.model_answers import answers

        target, ids = held.frame[held.target][keep], held.ids[keep]
        try:
            with loaded(self.vault, self.version.model, self.version.version) as model:
                its = answers(model, held.frame.loc[keep, features], said.task, said.classes)
            found = Predictions(
                said.task,
                said.classes,
                target.to_numpy(),
                None if its.scores is None else np.asarray(its.scores),
                np.asarray(its.prediction),
                ids.to_numpy(),
            )
        except Untrusted as error:
            raise Refused(f"{error.reason}, so it cannot be compared", error.hint) from None
        except MlpipesError:
            raise
        except Exception as error:  # the estimator may run any code
            told = " ".join(str(error).split())[:300]
            raise Refused(
                f"version {self.version.version} cannot score the challenger's holdout: {told}", NO_COMPARISON
            ) from error
        if not _same_rows(found, said.take(keep)):
            raise Refused(
                "the challenger's stored predictions do not match its stored holdout", "train it again"
            )
        return found


def _same_dataset(run: RunRecord, challenger: RunRecord) -> bool:
    """Return whether both were trained on versions of one data set."""
    names = {one.tags.get(mlflow_tags.DATASET, "").partition("@")[0] for one in (run, challenger)}
    return len(names) == 1 and names != {""}


def _same_classes(classes: tuple[Any, ...], said: Predictions) -> None:
    if set(classes) != set(said.classes):
        raise Refused(
            f"the incumbent knows the classes {_listed(classes)}, the challenger {_listed(said.classes)}",
            "give the experiment its own `model:` name",
        )


def _listed(classes: tuple[Any, ...]) -> str:
    return ", ".join(map(repr, classes[:10])) + (", ..." if len(classes) > 10 else "")


def _same_rows(one: Predictions, other: Predictions) -> bool:
    import numpy as np

    same_ids = list(map(str, one.ids)) == list(map(str, other.ids))
    return same_ids and bool(np.array_equal(one.target, other.target))


def _enough(keep: NDArray[np.bool_], said: Predictions) -> None:
    rows, total = int(keep.sum()), len(keep)
    if total != said.rows:
        raise Refused("the challenger's stored predictions do not match its stored holdout", "train it again")
    hint = "train on data with newer rows, or with the incumbent's split"
    seen = f"the incumbent was trained on {total - rows} of the {total} holdout rows"
    if rows < FEWEST_ROWS:
        raise Refused(f"{seen}; the other {rows} are too few for a comparison", hint)
    if said.task != "regression" and set(said.target[keep].tolist()) != set(said.target.tolist()):
        raise Refused(f"{seen}; the other {rows} lack a class", hint)
