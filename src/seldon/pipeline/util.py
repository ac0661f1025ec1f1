"""`PipelineWrapper`: tables from files and back, and pipelines kept as folders."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Literal

import orjson
import pandas as pd

from seldon.locations import texts, write_text
from seldon.work_folder import WorkFolder, dump, load

__all__ = ["PipelineWrapper", "Pipeline_wrapper"]

PIPELINE_FILE = "p"

Format = Literal["json", "csv"]


class PipelineWrapper(WorkFolder):
    """Reads and writes tables and pipelines at locations: local paths, or URLs that fsspec reads, such as `s3://`."""

    def create_dataframe(
        self,
        data: Any,
        df_format: Format = "json",
        csv_dates: Sequence[str] | None = None,
        index_col: str | None = None,
    ) -> pd.DataFrame:
        """A DataFrame of what there is.

        A DataFrame stays what it is. A dict is one row, a list of dicts a row each, any other list one row without
        names. A string, or a list of strings, says where files are: see `create_dataframe_from_files`.
        """
        match data:
            case pd.DataFrame():
                return data
            case dict():
                return pd.DataFrame([data])
            case str():
                return self.create_dataframe_from_files([data], df_format, csv_dates, index_col)
            case [str(), *_]:
                return self.create_dataframe_from_files(data, df_format, csv_dates, index_col)
            case [dict(), *_]:
                return pd.DataFrame(data)
            case [*values]:
                return pd.DataFrame([values])
        raise TypeError(f"a DataFrame, dict, list or location is needed, got {type(data).__name__}")

    def create_dataframe_from_files(
        self,
        locations: Sequence[str],
        df_format: Format = "json",
        csv_dates: Sequence[str] | None = None,
        index_col: str | None = None,
    ) -> pd.DataFrame:
        """The rows of all files, and of all files in folders whose name begins with neither `.` nor `_`.

        A JSON file is an object a line, or one array of objects. `csv_dates` are columns of a CSV file that hold
        dates, `index_col` is the one that becomes the index.
        """
        found = (text for location in locations for text in texts(location, self.aws_key, self.aws_secret))
        tables = [_table(text, df_format, csv_dates) for text in found]
        if not tables:
            raise FileNotFoundError(f"there are no files at {', '.join(locations)}")
        together = pd.concat(tables, ignore_index=True)
        return together if index_col is None else together.set_index(index_col)

    def save_dataframe(
        self, df: pd.DataFrame, location: str, df_format: Format = "json", csv_index: bool = True
    ) -> None:
        """Writes one file: JSON, an object a line, or CSV, with the index as its first column if `csv_index`."""
        match df_format:
            case "json":
                text = df.to_json(orient="records", lines=True)
            case "csv":
                text = df.to_csv(index=csv_index)
            case _:
                raise _unknown(df_format)
        write_text(text, location, self.aws_key, self.aws_secret)

    def save_pipeline(self, pipeline: Any, location: str) -> None:
        """Keeps a pipeline as a folder with the pickle `p` in it."""
        with self._write(location) as folder:
            dump(pipeline, folder / PIPELINE_FILE)

    def load_pipeline(self, pipeline_folder: str) -> Any:
        """Unpickles, so the folder must be one you trust. Raises FileNotFoundError and ValueError."""
        with self._read(pipeline_folder) as folder:
            return load(folder / PIPELINE_FILE, pipeline_folder)


Pipeline_wrapper = PipelineWrapper


def _table(text: str, df_format: Format, csv_dates: Sequence[str] | None) -> pd.DataFrame:
    match df_format:
        case "json":
            # Not pandas.read_json: what is written as a string stays one, and it is for the steps to say what it is.
            is_array = text.lstrip().startswith("[")
            lines = [line for line in text.splitlines() if line.strip()]
            return pd.DataFrame(orjson.loads(text) if is_array else [orjson.loads(line) for line in lines])
        case "csv":
            return pd.read_csv(io.StringIO(text), parse_dates=list(csv_dates) if csv_dates else False)
    raise _unknown(df_format)


def _unknown(df_format: str) -> ValueError:
    return ValueError(f"df_format: json or csv is needed, got {df_format!r}")
