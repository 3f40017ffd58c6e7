"""The examples of ``init``; their files are in ``templates/<name>/``."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Example:
    """An example project of ``init``.

    Attributes:
        name: The value of ``--example``, and its folder in ``templates/``.
        model: The registered model's name.
        about: The description in the project's README.
        rows_file: The file of rows to score.
        gates: The gates of its promotion, as YAML.
        metric: The metric that decides a promotion.
        files: Its own files and a description of each; a name that ends with ``/`` is a folder of many.
        generator: The script that makes ``data/``, with a function ``generate(folder)``.
        before_training: The steps that the user has to take before a training.
    """

    name: str
    model: str
    about: str
    rows_file: str
    gates: tuple[str, ...]
    metric: str = "ks"
    files: dict[str, str] = field(default_factory=dict)
    generator: str | None = None
    before_training: tuple[str, ...] = ()


_ALL = (
    Example(
        name="breast-cancer",
        model="breast-cancer",
        about="The data: 569 tumours with 30 measurements each, malignant or benign (Breast Cancer Wisconsin,"
        " diagnostic), which scikit-learn carries.",
        rows_file="data/new_rows.csv",
        gates=("{metric: roc_auc, min: 0.9}", "{metric: ks, min: 0.7}"),
        files={"data/new_rows.csv": "ten tumours to score"},
    ),
    Example(
        name="credit",
        model="credit",
        about="The data: synthetic card transactions. `generate.py` shows how they are made, and"
        " makes other sizes:\n`python generate.py --rows 100000 --positives 0.01 --seed 1`.",
        rows_file="data/new_rows.csv",
        gates=("{metric: roc_auc, min: 0.7}", "{metric: ks, min: 0.4}"),
        files={
            "data/credit.csv": "20,000 generated card transactions, 2 % of them fraud",
            "data/new_rows.csv": "50 further transactions to score",
            "generate.py": "generates both; `python generate.py --help`",
            "my_trainer.py": "a trainer of your own",
        },
        generator="generate.py",
    ),
    Example(
        name="creditcard",
        model="creditcard",
        about="The data: 284,807 card transactions of September 2013, 492 of them fraud (Worldline and the"
        " Machine Learning Group of ULB).\nDownload `creditcard.csv` from"
        " <https://www.kaggle.com/datasets/mlg-ulb/creditcardfraud> into `data/`,"
        " or use `source: openml:1597`.",
        rows_file="data/creditcard.csv",
        gates=("{metric: roc_auc, min: 0.9}", "{metric: ks, min: 0.7}"),
        files={"data/": "the folder for `creditcard.csv`"},
        before_training=(
            "# download https://www.kaggle.com/datasets/mlg-ulb/creditcardfraud into data/creditcard.csv",
        ),
    ),
    Example(
        name="captcha",
        model="captcha",
        about="The data: images of single characters as used in captchas. `generate.py` draws them, and"
        " more:\n`python generate.py --each 200 --seed 1`. `data/try_me.png` is for upload on the"
        " API's page.",
        rows_file="data/new_rows.json",
        gates=("{metric: f1_macro, min: 0.7}",),
        metric="f1_macro",
        files={
            "data/characters/": "720 images of twelve characters, 28 x 28 pixels; the label is in the name",
            "data/new_rows.json": "twelve further images to score",
            "data/try_me.png": "one more image, for the API's page",
            "generate.py": "draws the images; `python generate.py --help`",
        },
        generator="generate.py",
    ),
)
EXAMPLES: dict[str, Example] = {example.name: example for example in _ALL}
