"""How telling words are: term frequency times inverse document frequency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, chi2

__all__ = ["TfidfTransform", "Tfidf_transform"]


class TfidfTransform(TransformerMixin, BaseEstimator):
    """Puts into `output_feature` a dict of word and weight for each document in `input_feature`.

    A document is a string, or a list of words. `min_df`, `max_df` and `stop_words` are scikit-learn's own; a number of
    documents below 1 means 1. With `select_features` only the `topn_features` are kept that tell most about the column
    `target_feature`, by a chi-squared test.
    """

    def __init__(
        self,
        input_feature: str | None = None,
        output_feature: str | None = None,
        min_df: int | float = 1,
        max_df: int | float = 1.0,
        select_features: bool = False,
        topn_features: int = 50000,
        stop_words: str | Sequence[str] | None = None,
        target_feature: str | None = None,
    ) -> None:
        self.input_feature = input_feature
        self.output_feature = output_feature
        self.min_df = min_df
        self.max_df = max_df
        self.select_features = select_features
        self.topn_features = topn_features
        self.stop_words = stop_words
        self.target_feature = target_feature

    def fit(self, df: pd.DataFrame, y: Any = None) -> TfidfTransform:
        self.vectorizer_ = TfidfVectorizer(min_df=self.min_df or 1, max_df=self.max_df, stop_words=self.stop_words)
        weights = self.vectorizer_.fit_transform(self._documents(df))
        words = self.vectorizer_.get_feature_names_out()
        self.words_ = words.tolist()
        self.selected_ = set(self.words_)
        if self.select_features:
            chosen = SelectKBest(chi2, k=min(self.topn_features, len(words))).fit(weights, df[self.target_feature])
            self.selected_ = set(words[chosen.get_support()].tolist())
        return self

    def transform(self, df: pd.DataFrame) -> pd.DataFrame:
        weights = self.vectorizer_.transform(self._documents(df)).tocsr()
        documents = [self._weights_of(row) for row in weights]
        return df.assign(**{str(self.output_feature): pd.Series(documents, index=df.index, dtype=object)})

    def _documents(self, df: pd.DataFrame) -> list[str]:
        return [
            " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            for value in df[self.input_feature]
        ]

    def _weights_of(self, row: Any) -> dict[str, float]:
        weights = zip((self.words_[index] for index in row.indices), row.data.tolist(), strict=True)
        return {word: weight for word, weight in weights if word in self.selected_}


Tfidf_transform = TfidfTransform
