from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from iris_pipelines import VIRGINICA, iris_rows, trained
from sklearn.base import clone
from sklearn.covariance import EllipticEnvelope
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from seldon.anomaly_wrapper import AnomalyWrapper
from seldon.pipeline.pandas_pipelines import BasePandasEstimator
from seldon.sklearn_estimator import SKLearnClassifier
from seldon.xgb import XGBoostClassifier

TWO = pd.DataFrame([{"target": 0, "b": 1.0, "c": 0.0}, {"target": 1, "b": 0.0, "c": 2.0}] * 25)
NAMES = {0: "Iris-setosa", 1: "Iris-versicolor", 2: "Iris-virginica"}


def logistic(**parameters: object) -> SKLearnClassifier:
    return SKLearnClassifier(LogisticRegression(), **parameters)  # type: ignore[arg-type]


def test_the_iris_pipeline_knows_its_flowers_by_name() -> None:
    estimator = trained()._final_estimator
    probabilities = trained().predict_proba(pd.DataFrame([VIRGINICA]))

    assert estimator.get_class_id_map() == NAMES
    assert probabilities.shape == (1, 3)
    assert probabilities[0].argmax() == 2
    assert probabilities[0].sum() == pytest.approx(1)


def test_the_iris_pipeline_is_right_about_nearly_all_rows_it_has_seen() -> None:
    rows = iris_rows()
    predicted = trained().predict(rows[["f1", "f2", "f3", "f4"]])
    assert np.mean([NAMES[index] for index in predicted] == rows["name"].to_numpy()) > 0.98


@pytest.mark.parametrize("estimator", [XGBoostClassifier(target="target", n_jobs=1), logistic(target="target")])
def test_an_estimator_learns_from_a_table(estimator: XGBoostClassifier | SKLearnClassifier) -> None:
    fitted = Pipeline([("estimator", estimator)]).fit(TWO)
    assert fitted.predict(TWO[:2]).tolist() == [0, 1]
    assert fitted.predict_proba(TWO[["c", "b"]]).shape == (50, 2)


@pytest.mark.parametrize("estimator", [XGBoostClassifier(n_estimators=10, n_jobs=1, silent=1), logistic()])
def test_an_estimator_learns_from_an_array_and_classes(estimator: XGBoostClassifier | SKLearnClassifier) -> None:
    features = np.random.default_rng(1).normal(size=(30, 4))
    classes = np.where(features[:, 0] > 0, "high", "low")
    fitted = estimator.fit(features, classes)

    assert set(fitted.predict(features)) <= {"high", "low"}
    assert fitted.get_class_id_map() == {0: "high", 1: "low"}
    assert fitted.predict_proba(features).shape == (30, 2)


def test_an_estimator_without_a_target_takes_a_table_and_its_classes() -> None:
    fitted = logistic().fit(TWO[["b", "c"]], TWO["target"])
    assert fitted.predict(TWO[:2]).tolist() == [0, 1]


def test_classes_that_do_not_start_at_0_are_named_by_their_column() -> None:
    shifted = TWO.assign(target=TWO["target"] + 7)
    fitted = logistic(target="target", id_map={7: "low", 8: "high"}).fit(shifted)
    assert fitted.get_class_id_map() == {0: "low", 1: "high"}
    assert fitted.predict(shifted[:2]).tolist() == [7, 8]


def test_a_readable_target_names_the_classes_and_is_no_feature() -> None:
    fitted = logistic(target="target", target_readable="word").fit(TWO.assign(word=["no", "yes"] * 25))
    assert fitted.get_class_id_map() == {0: "no", 1: "yes"}
    assert fitted.vectorizer_.feature_names_ == ["b", "c"]


def test_numbers_without_names_have_none() -> None:
    assert logistic(target="target").get_class_id_map() == {}
    assert logistic(target="target").fit(TWO).get_class_id_map() == {}


def test_columns_become_features_by_what_is_in_them() -> None:
    table = TWO.assign(
        word="red",
        missing=np.nan,
        day=pd.Timestamp("2020-01-01"),
        words=pd.Series([["x", "y"]] * 50, dtype=object),
        weights=pd.Series([{"k": 2.0}] * 50, dtype=object),
    ).astype({"b": "int64"})
    fitted = logistic(target="target").fit(table)
    assert fitted.vectorizer_.feature_names_ == ["b", "c", "weights=k", "word=red", "words=x", "words=y"]
    assert fitted._features(table[:1].assign(word="blue", b=np.nan)).tolist() == [[0, 0, 2, 0, 1, 1]]


def test_included_and_excluded_columns_are_kept_to() -> None:
    assert logistic(target="target", included=["b"]).fit(TWO).vectorizer_.feature_names_ == ["b"]
    assert logistic(target="target", excluded=["b"]).fit(TWO).vectorizer_.feature_names_ == ["c"]


def test_parameters_of_xgboost_go_through_clone_and_set_params() -> None:
    estimator = clone(XGBoostClassifier(target="target", learning_rate=0.1, silent=0, nthread=1, seed=3))
    estimator.set_params(learning_rate=0.9, gamma=0.1, target="t")
    assert estimator.get_params()["learning_rate"] == 0.9
    assert estimator.get_target() == "t"
    assert estimator.set_params(target="target").fit(TWO).clf_.get_params()["random_state"] == 3


def test_xgboost_takes_a_column_of_svmlight_features() -> None:
    table = pd.DataFrame([{"svm": [(1, 2.0), (2, 3.0)], "target": 0}, {"svm": [(2, 1.0)], "target": 1}] * 10)
    fitted = XGBoostClassifier(target="target", svmlight_feature="svm", n_jobs=1).fit(table)
    assert fitted.vectorizer_.feature_names_ == ["1", "2"]
    assert fitted.predict(table[:2]).tolist() == [0, 1]


def test_a_table_without_the_target_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="target: a column of the table is needed, got 'kind'"):
        logistic(target="kind").fit(TWO)


def test_a_table_for_what_learned_from_an_array_is_refused() -> None:
    with pytest.raises(ValueError, match="learned from an array, and got a table"):
        logistic().fit(np.eye(4), [0, 1, 0, 1]).predict_proba(TWO)


def test_the_classifier_to_wrap_must_be_given() -> None:
    with pytest.raises(ValueError, match="clf: a classifier of scikit-learn is needed"):
        SKLearnClassifier(target="target").fit(TWO)


def test_what_is_wrapped_is_copied_and_takes_extra_parameters() -> None:
    original = LogisticRegression(C=1.0)
    fitted = SKLearnClassifier(original, target="target", sk_args={"C": 5.0}).fit(TWO)
    assert fitted.clf_.C == 5.0
    assert original.C == 1.0
    assert not hasattr(original, "coef_")


def test_an_outlier_has_the_highest_score_of_an_isolation_forest() -> None:
    rows = iris_rows().drop(columns="name")
    fitted = AnomalyWrapper(sk_args={"random_state": 1}).fit(rows)
    scores = fitted.predict(pd.concat([rows, pd.DataFrame([{"f1": 50, "f2": -9, "f3": 0, "f4": 9}])]))

    assert scores.argmax() == 150
    assert ((scores > 0) & (scores <= 1)).all()
    assert fitted.predict_proba(rows).shape == (150, 1)
    assert fitted.get_class_id_map() == {0: "anomaly"}


def test_a_detector_of_ones_own_gives_its_scores() -> None:
    class Mean:
        def fit(self, features: np.ndarray) -> None:
            self.mean = features.mean(axis=0)

        def set_params(self) -> Mean:
            return self

        def get_score(self, features: np.ndarray) -> Any:
            return np.abs(features - self.mean).sum(axis=1)

    assert AnomalyWrapper(Mean()).fit(np.array([[1.0], [3.0]])).predict([[2.0], [5.0]]).tolist() == [0, 3]
    assert AnomalyWrapper(EllipticEnvelope()).fit(np.eye(3)[[0, 1, 2, 0, 1]] * 1.0).predict(np.eye(3)).shape == (3,)


def test_the_base_can_be_extended() -> None:
    class Mine(BasePandasEstimator):
        pass

    mine = Mine("t", "readable", ["a"], ["b"], {0: "zero"})
    assert (mine.get_target(), mine.get_class_id_map()) == ("t", {})
