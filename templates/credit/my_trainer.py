"""A trainer of your own: any function that takes the training rows and returns a fitted estimator.

`params:` of the run become keyword arguments. By name, if the function takes them, it also gets `seed`,
`task` and `threads`. With a parameter `preprocess`, as here, it gets the raw rows and the unfitted step for
these columns; without one, rows that went through that step already.
"""

from sklearn.ensemble import ExtraTreesClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline


def train(X, y, preprocess, seed, trees=200):
    """A straight line and a forest of random trees, their probabilities averaged."""
    both = VotingClassifier(
        [
            ("line", LogisticRegression(C=0.1, max_iter=1000)),
            ("trees", ExtraTreesClassifier(trees, min_samples_leaf=3, random_state=seed)),
        ],
        voting="soft",
    )
    return Pipeline([("preprocess", preprocess), ("model", both)]).fit(X, y)
