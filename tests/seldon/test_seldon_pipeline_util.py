from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from iris_pipelines import VIRGINICA, iris_rows, trained

from seldon.pipeline.util import Pipeline_wrapper, PipelineWrapper

ROWS = [{"a": 1, "b": "x"}, {"a": 3, "b": "y"}]


@pytest.fixture
def wrapper(tmp_path: Path) -> PipelineWrapper:
    return PipelineWrapper(work_folder=str(tmp_path / "work"))


@pytest.mark.parametrize(
    "text", ['{"a": 1, "b": "x"}\n{"a": 3, "b": "y"}\n', '\n[{"a": 1, "b": "x"},\n{"a": 3, "b": "y"}]']
)
def test_json_is_read_by_lines_and_as_an_array(wrapper: PipelineWrapper, tmp_path: Path, text: str) -> None:
    (tmp_path / "rows.json").write_text(text)
    assert wrapper.create_dataframe(str(tmp_path / "rows.json")).to_dict("records") == ROWS


def test_all_files_of_a_folder_are_read_but_for_markers(wrapper: PipelineWrapper, tmp_path: Path) -> None:
    folder = tmp_path / "events"
    folder.mkdir()
    (folder / "part-1").write_text('{"a": 3, "b": "y"}')
    (folder / "part-0").write_text('{"a": 1, "b": "x"}')
    (folder / "_SUCCESS").write_text("")
    (folder / ".part-0.crc").write_bytes(b"\xff")
    assert wrapper.create_dataframe([str(folder)]).to_dict("records") == ROWS


def test_csv_is_read_with_its_dates_and_index(wrapper: PipelineWrapper, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,day\n7,2020-01-02\n")
    table = wrapper.create_dataframe(str(tmp_path / "rows.csv"), "csv", csv_dates=["day"], index_col="id")
    assert table.loc[7, "day"] == pd.Timestamp(2020, 1, 2)


@pytest.mark.parametrize("df_format", ["json", "csv"])
def test_a_saved_table_comes_back(wrapper: PipelineWrapper, tmp_path: Path, df_format: str) -> None:
    table = pd.DataFrame(ROWS)
    wrapper.save_dataframe(table, str(tmp_path / "new" / "saved"), df_format, csv_index=False)  # type: ignore[arg-type]
    assert wrapper.create_dataframe(str(tmp_path / "new" / "saved"), df_format).equals(table)  # type: ignore[arg-type]


def test_a_table_is_made_of_dicts_and_lists(wrapper: PipelineWrapper) -> None:
    table = pd.DataFrame(ROWS)
    assert wrapper.create_dataframe(table) is table
    assert wrapper.create_dataframe(ROWS[0]).to_dict("records") == ROWS[:1]
    assert wrapper.create_dataframe(ROWS).equals(table)
    assert wrapper.create_dataframe([1.5, 2.5]).to_numpy().tolist() == [[1.5, 2.5]]
    with pytest.raises(TypeError, match="a DataFrame, dict, list or location is needed, got int"):
        wrapper.create_dataframe(7)


def test_nothing_to_read_is_an_error(wrapper: PipelineWrapper, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there are no files at"):
        wrapper.create_dataframe([str(tmp_path)])
    with pytest.raises(ValueError, match="json or csv is needed, got 'xml'"):
        wrapper.save_dataframe(pd.DataFrame(), "nowhere", "xml")  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", ["", "memory:/"])
def test_a_pipeline_is_kept_as_a_folder_with_the_pickle_p(tmp_path: Path, scheme: str) -> None:
    """Locally, and at any URL that fsspec reads."""
    wrapper = Pipeline_wrapper(work_folder=str(tmp_path / "work"))
    location = f"{scheme}{tmp_path}/pipeline"
    wrapper.save_pipeline(trained(), location)

    again = wrapper.load_pipeline(location)

    assert (tmp_path / "pipeline" / "p").is_file() == (scheme == "")
    row = pd.DataFrame([VIRGINICA])
    assert again.predict_proba(row).tolist() == trained().predict_proba(row).tolist()
    assert list((tmp_path / "work").iterdir()) == []


def test_tables_are_written_to_urls_and_read_from_them(wrapper: PipelineWrapper) -> None:
    wrapper.save_dataframe(iris_rows()[:2], "memory://tables/iris/rows.json")
    assert wrapper.create_dataframe(["memory://tables/iris"]).equals(iris_rows()[:2])


def test_a_folder_without_a_pipeline_is_an_error_that_names_both(wrapper: PipelineWrapper, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}: there is no file 'p'"):
        wrapper.load_pipeline(str(tmp_path))


def test_a_pickle_that_python_3_cannot_load_is_an_error_that_says_what_to_do(
    wrapper: PipelineWrapper, tmp_path: Path
) -> None:
    (tmp_path / "p").write_bytes(b"csklearn.externals.joblib\nPipeline\n.")
    with pytest.raises(ValueError, match=r"the file 'p' cannot be loaded here, it must be made anew: ModuleNotFound"):
        wrapper.load_pipeline(str(tmp_path))


def test_the_work_folder_is_made_when_asked(wrapper: PipelineWrapper) -> None:
    wrapper.create_work_folder()
    assert Path(wrapper.get_work_folder()).is_dir()
    assert PipelineWrapper().get_work_folder() == "/tmp"


def test_a_url_of_an_unknown_kind_says_what_is_missing(wrapper: PipelineWrapper) -> None:
    with pytest.raises((ImportError, ValueError)):
        wrapper.load_pipeline("nonsense://folder")
