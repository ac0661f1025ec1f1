from __future__ import annotations

import datetime
import math
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelBinarizer, OneHotEncoder, StandardScaler

import seldon.pipeline.auto_transforms as pauto
import seldon.pipeline.basic_transforms as bt
import seldon.pipeline.cross_validation as cf
import seldon.pipeline.sklearn_transform as ssk
import seldon.pipeline.tfidf_transform as ptfidf
from seldon.pipeline.bayes_optimize import BayesOptimizer
from seldon.sklearn_estimator import SKLearnClassifier

TWO = pd.DataFrame([{"target": 0, "b": 1.0, "c": 0.0}, {"target": 1, "b": 0.0, "c": 2.0}] * 25)


def column(table: pd.DataFrame, name: str) -> list[Any]:
    values: list[Any] = table[name].tolist()
    return values


@pytest.mark.parametrize(
    ("values", "expected"),
    [(["something", None], [1, 0]), ([2, 0], [1, 0]), (["2", "0", ""], [1, 0, 0]), ([True, False], [1, 0])],
)
def test_binary_says_whether_there_is_something(values: list[Any], expected: list[int]) -> None:
    step = bt.BinaryTransform(input_feature="a", output_feature="there")
    table = pd.DataFrame({"a": values})
    assert column(Pipeline([("step", step)]).fit_transform(table), "there") == expected
    assert list(table.columns) == ["a"]


def test_binary_of_a_column_that_is_not_there_is_0() -> None:
    assert column(bt.Binary_transform("a", "there").transform(pd.DataFrame({"b": [1]})), "there") == [0]


def test_include_and_exclude_choose_columns_of_which_some_may_be_missing() -> None:
    table = pd.DataFrame([{"a": 1, "b": 2, "c": 3}])
    assert list(bt.IncludeFeaturesTransform(included=["a", "z"]).transform(table)) == ["a"]
    assert list(bt.ExcludeFeaturesTransform(excluded=["a", "z"]).transform(table)) == ["b", "c"]


def test_exist_keeps_the_rows_that_have_all() -> None:
    table = pd.DataFrame([{"a": 1, "b": 2}, {"a": 3}])
    assert column(bt.ExistFeaturesTransform(included=["b"]).transform(table), "a") == [1]


def test_split_gathers_the_words_of_several_columns() -> None:
    table = pd.DataFrame([{"a": "a b", "b": "c 1"}, {"b": "word2"}])
    step = bt.SplitTransform(input_features=["a", "b", "z"], output_feature="words")
    assert column(Pipeline([("step", step)]).transform(table), "words") == [["a", "b", "c", "1"], ["word2"]]
    without = bt.SplitTransform(ignore_numbers=True, input_features=["a", "b"], output_feature="words")
    assert column(without.transform(table), "words")[0] == ["a", "b", "c"]


def test_feature_ids_go_by_descending_count() -> None:
    table = pd.DataFrame({"a": ["rare", "often", "often", None]})
    step = bt.FeatureIdTransform(input_feature="a", output_feature="id", exclude_missing=True).fit(table)
    assert column(step.transform(table), "id") == [2, 1, 1]
    kept = bt.FeatureIdTransform(input_feature="a", output_feature="id", zero_based=True).fit(table)
    assert column(kept.transform(table), "id") == [1, 0, 0, -1]


@pytest.mark.parametrize("limit", [{"max_classes": 1}, {"min_size": 2}])
def test_feature_ids_can_be_limited(limit: dict[str, int]) -> None:
    table = pd.DataFrame({"a": ["type1", "type2", "type1"]})
    step = bt.Feature_id_transform(input_feature="a", output_feature="id", exclude_missing=True, **limit)  # type: ignore[arg-type]
    assert column(step.fit(table).transform(table), "id") == [1, 1]


def test_a_table_to_predict_needs_no_column_of_classes() -> None:
    step = bt.FeatureIdTransform(input_feature="a", output_feature="id", exclude_missing=True)
    asked = pd.DataFrame({"b": [1]})
    assert step.fit(pd.DataFrame({"a": ["x"]})).transform(asked).equals(asked)


def test_svmlight_numbers_features_and_leaves_out_what_is_new() -> None:
    table = pd.DataFrame([{"a": 1.2, "b": "word", "c": ["x", "y"], "d": {"k": 3}}, {"a": None, "c": ["y"]}])
    step = bt.SvmlightTransform(output_feature="svm").fit(table)
    # a=1, b_word=2, c_x=3, c_y=4, d_k=5
    assert column(step.transform(table), "svm") == [[(1, 1.2), (2, 1), (3, 1), (4, 1), (5, 3.0)], [(4, 1)]]
    assert column(step.transform(table.assign(b="new"))[:1], "svm")[0][1] == (3, 1)
    only = bt.Svmlight_transform(included=["a", "b"], excluded=["b"], output_feature="svm").fit(table)
    assert column(only.transform(table), "svm") == [[(1, 1.2)], []]


def auto(table: pd.DataFrame, asked: pd.DataFrame | None = None, **parameters: Any) -> pd.DataFrame:
    return pauto.AutoTransform(**parameters).fit(table).transform(table if asked is None else asked)


@pytest.mark.parametrize("values", [[True, False], ["true", "FALSE"], [1, "false"], ["yes", "no"]])
def test_auto_makes_booleans_0_and_1(values: list[Any]) -> None:
    assert column(auto(pd.DataFrame({"a": values})), "a") == [1, 0]


def test_auto_takes_columns_that_are_called_by_numbers() -> None:
    made = auto(pd.DataFrame([[True, 1.0], [False, 3.0]]))
    assert made.to_dict("list") == {0: [1, 0], 1: [-1, 1]}


def test_auto_scales_numbers_and_makes_missing_ones_0() -> None:
    made = column(auto(pd.DataFrame({"a": ["NA", 10, 12, 8]}), ignore_vals=["NA"]), "a")
    assert made == pytest.approx([0, 0, math.sqrt(1.5), -math.sqrt(1.5)])


def test_auto_keeps_numbers_within_what_was_seen_if_told() -> None:
    seen, asked = pd.DataFrame({"a": [9, 12], "b": [12, 10]}), pd.DataFrame({"a": [1, 15], "b": [12, 10]})
    assert column(auto(seen, asked, min_max_limit=True), "a") == [-1, 1]
    assert column(auto(seen, asked), "a")[0] < -6


def test_auto_cleans_categories() -> None:
    table = pd.DataFrame({"a": ["", "Big Dog", "cat", "cat"]})
    assert column(auto(table), "a") == ["UKN", "big_dog", "cat", "cat"]
    assert column(auto(table, cat_missing_val="?", min_cat_percent=0.3), "a") == ["?", None, "cat", "cat"]
    assert column(auto(table, pd.DataFrame({"a": ["new"]})), "a") == [None]


def test_auto_makes_categories_of_numbers_with_few_values() -> None:
    table = pd.DataFrame({"a": [10, 5, 10], "b": [1, 2, 3], "c": [0.5, 1.5, 2.5]})
    made = auto(table, max_values_numeric_categorical=2, force_categorical=["c"])
    assert column(made, "a") == ["a_10", "a_5", "a_10"]
    assert column(made, "c") == ["c_0.5", "c_1.5", "c_2.5"]
    assert column(made, "b") == pytest.approx([-math.sqrt(1.5), 0, math.sqrt(1.5)])


def test_auto_drops_constant_equal_and_empty_columns() -> None:
    table = pd.DataFrame({"a": [1.0, 2, 3], "same": [1.0, 2, 3], "constant": ["x"] * 3, "empty": [None, None, 7.5]})
    assert list(auto(table, nan_threshold=0.5)) == ["a"]
    kept = auto(table, drop_constant_features=False, drop_duplicate_cols=False)
    assert list(kept) == list(table)


def test_auto_leaves_alone_what_it_is_told_to_and_what_it_cannot_read() -> None:
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0], "words": [["x"], ["y"]]})
    assert column(auto(table, exclude=["a"]), "a") == [1, 2]
    made = auto(table, include=["a"])
    assert column(made, "b") == [3, 5]
    assert column(made, "words") == [["x"], ["y"]]


def test_auto_takes_dates_apart() -> None:
    table = pd.DataFrame({"a": ["30JAN14:15:11:00", "31JAN14:10:11:00"]})
    made = auto(table, custom_date_formats=["%d%b%y:%H:%M:%S"], date_cols=["a"])
    assert column(made, "a_hour") == ["h15", "h10"]
    assert column(made, "a_h1")[0] == pytest.approx(math.sin(15 / 24 * 2 * math.pi))
    assert column(made, "a_h2")[0] == pytest.approx(math.cos(15 / 24 * 2 * math.pi))
    assert column(made, "a_month") == ["m1", "m1"]
    assert column(made, "a_w") == ["w3", "w4"]
    assert column(made, "a_year") == ["y2014", "y2014"]
    assert column(made, "a")[0] == pd.Timestamp(2014, 1, 30, 15, 11)


def test_auto_makes_only_the_parts_of_dates_that_are_wanted() -> None:
    table = pd.DataFrame({"a": [datetime.datetime(2015, 9, 28), None]}, dtype="datetime64[us]")
    made = auto(table, date_transforms=[False, False, False, True])
    assert list(made) == ["a", "a_year"]
    assert column(made, "a_year") == ["y2015", None]


def test_auto_measures_the_days_between_dates() -> None:
    table = pd.DataFrame({"a": ["2020-01-03", "2020-01-09"], "b": ["2020-01-01", "2020-01-05"]})
    made = auto(table, date_cols=["a", "b"], create_date_differences=True)
    assert column(made, "a_b") == [-1, 1]


def test_auto_refuses_dates_that_it_cannot_read() -> None:
    with pytest.raises(ValueError, match="column 'a' holds dates in no format"):
        auto(pd.DataFrame({"a": ["soon", "later"]}), date_cols=["a"])


def test_auto_needs_not_all_columns_when_asked() -> None:
    seen = pd.DataFrame({"a": [1.0, 3.0], "b": ["x", "y"], "c": ["x", "y"]})
    assert column(auto(seen, pd.DataFrame({"a": ["3", None]})), "a") == [1, 0]


CELLS = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-9, 9), st.text(max_size=3))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
def test_auto_takes_any_table_leaves_it_as_it_was_and_keeps_its_rows(rows: list[tuple[Any, Any]]) -> None:
    table = pd.DataFrame(rows, columns=["a", "b"], dtype=object)
    before = table.copy(deep=True)
    assert len(auto(table, ignore_vals=["NA"])) == len(rows)
    assert table.equals(before)


def test_a_transformer_of_scikit_learn_adds_columns() -> None:
    table = pd.DataFrame([{"a": 1, "b": 2}, {"a": 2, "b": 3}])
    step = ssk.SklearnTransform(input_features=["a"], output_features=["scaled"], transformer=StandardScaler())
    assert column(step.fit(table).transform(table), "scaled") == [-1, 1]


@pytest.mark.parametrize("transformer", [LabelBinarizer(), OneHotEncoder()])
def test_new_columns_are_counted_behind_a_prefix(transformer: Any) -> None:
    table = pd.DataFrame({"a": ["a", "b", "c"], "b": ["x", "x", "x"]})
    inputs = ["a"] if isinstance(transformer, LabelBinarizer) else ["a", "b"]
    step = ssk.Sklearn_transform(input_features=inputs, output_features_prefix="p", transformer=transformer)
    made = step.fit(table).transform(table)
    assert [column(made, f"p_{index}")[0] for index in range(3)] == [1, 0, 0]


def test_new_columns_need_as_many_names() -> None:
    table = pd.DataFrame({"a": [1.0], "b": [2.0]})
    step = ssk.SklearnTransform(input_features=["a", "b"], output_features=["x"], transformer=StandardScaler())
    with pytest.raises(ValueError, match="2 names are needed, got 1"):
        step.fit(table).transform(table)
    with pytest.raises(ValueError, match="output_features: names for the new columns"):
        ssk.SklearnTransform(input_features=["a"], transformer=StandardScaler()).fit(table)


DOCUMENTS = pd.DataFrame({"text": ["cat dog", ["dog", 17], "dog cat cat"], "kind": [0, 1, 0]})


def test_tfidf_weighs_the_words_of_strings_and_lists() -> None:
    step = ptfidf.TfidfTransform(input_feature="text", output_feature="weights", min_df=0)
    weights = column(Pipeline([("step", step)]).fit_transform(DOCUMENTS), "weights")
    assert [set(each) for each in weights] == [{"cat", "dog"}, {"dog", "17"}, {"cat", "dog"}]
    assert weights[1]["17"] > weights[1]["dog"]
    assert sum(weight**2 for weight in weights[0].values()) == pytest.approx(1)


def test_tfidf_keeps_the_words_that_tell_most() -> None:
    step = ptfidf.Tfidf_transform("text", "weights", select_features=True, topn_features=1, target_feature="kind")
    assert column(step.fit(DOCUMENTS).transform(DOCUMENTS), "weights")[1].keys() == {"17"}


def test_k_fold_measures_and_then_learns_from_all(tmp_path: Path) -> None:
    estimator = SKLearnClassifier(LogisticRegression(), target="target")
    folds = cf.SeldonKFold(estimator, 3, save_folds_folder=str(tmp_path)).fit(TWO)
    assert folds.get_scores() == [1, 1, 1]
    assert folds.get_score() == 1
    assert folds.predict(TWO[:2]).tolist() == [0, 1]
    assert folds.get_class_id_map() == {}
    assert len(list(tmp_path.iterdir())) == 9


def test_k_fold_takes_arrays_and_the_area_under_the_curve() -> None:
    features, classes = TWO[["b", "c"]].to_numpy(), TWO["target"].to_numpy()
    folds = cf.Seldon_KFold(SKLearnClassifier(LogisticRegression()), 2, metric="auc").fit(features, classes)
    assert folds.get_score() == 1
    plain = cf.SeldonKFold(LogisticRegression(), 2).fit(features, classes)
    assert plain.get_class_id_map() == {0: "0", 1: "1"}
    assert cf.SeldonKFold().get_score() == 0
    with pytest.raises(ValueError, match="metric: accuracy or auc is needed, got 'f1'"):
        cf.SeldonKFold(metric="f1").fit(features, classes)


class Peak(SKLearnClassifier):
    """Right about a share of the rows that falls with the distance of `x` from 3."""

    def __init__(self, target: str | None = None, x: float = 0.0, whole: int = 0) -> None:
        super().__init__(LogisticRegression(), target)
        self.x = x
        self.whole = whole

    def predict(self, X: Any) -> Any:
        assert isinstance(self.whole, int)
        wrong = int(abs(self.x - 3) / 10 * len(X))
        return [1 - value if row < wrong else value for row, value in enumerate(super().predict(X))]


def test_the_optimizer_finds_better_parameters_than_chance() -> None:
    ranges = {"x": (-7.0, 13.0), "whole": (1.0, 9.0)}
    search = BayesOptimizer(Peak("target"), ranges, ["whole"], cv_folds=2, init_points=3, n_iter=8).fit(TWO)
    assert abs(search.best_params_["x"] - 3) < 1.5
    assert isinstance(search.best_params_["whole"], int)
    assert search.get_best_score() > 0.85
    assert search.predict_proba(TWO).shape == (50, 2)
    assert (search.get_target(), search.get_class_id_map()) == ("target", {})
    with pytest.raises(ValueError, match="param_ranges: at least one"):
        BayesOptimizer(Peak("target")).fit(TWO)


def test_all_steps_can_be_kept(tmp_path: Path) -> None:
    steps = [("auto", pauto.Auto_transform(exclude=["target"])), ("k", bt.Include_features_transform(["b", "target"]))]
    pipeline = Pipeline([*steps, ("model", SKLearnClassifier(LogisticRegression(), target="target"))]).fit(TWO)
    joblib.dump(pipeline, tmp_path / "p")
    again = joblib.load(tmp_path / "p")
    assert again.predict_proba(TWO).tolist() == pipeline.predict_proba(TWO).tolist()


def test_the_old_names_are_the_same_classes() -> None:
    assert ssk.Sklearn_transform is ssk.SklearnTransform
    assert bt.Exclude_features_transform is bt.ExcludeFeaturesTransform
    assert bt.Exist_features_transform is bt.ExistFeaturesTransform
    assert bt.Split_transform is bt.SplitTransform
