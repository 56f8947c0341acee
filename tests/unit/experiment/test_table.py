"""The reproduction's table: rows, corrections, groups and leads, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_fakes import write_shop
from smar.errors import ConfigError
from smar.experiment.reproduce.grid import Grid
from smar.experiment.reproduce.rows import ROWS, SMAR, Row, choose
from smar.experiment.reproduce.table import OVERALL, build_lines, holm

MEASURES = ("R@50", "nDCG@10")
RIVAL = Row("rival", "rivals", is_main=True)


def table(recall: list[float], gain: list[float]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "query_id": ["q1", "q2", "q3", "q4"],
            "department": ["fashion", "fashion", "tools", "garden"],
            "kind": ["colour", "type", "type", None],
            "R@50": recall,
            "nDCG@10": gain,
        }
    )


@pytest.fixture
def tables() -> dict[Row, list[pl.DataFrame]]:
    return {
        RIVAL: [table([0.0, 0.5, 1.0, 1.0], [0.0, 0.0, 1.0, 0.5])],
        SMAR: [
            table([1.0, 0.5, 1.0, 1.0], [0.5, 0.5, 1.0, 0.5]),
            table([0.5, 0.5, 1.0, 1.0], [0.5, 1.0, 1.0, 0.5]),
        ],
    }


COMMANDS = {RIVAL: "smar rival", SMAR: "smar train"}


def test_groups_are_means_over_their_departments_and_over_seeds(
    tables: dict[Row, list[pl.DataFrame]],
) -> None:
    groups = {"Fashion": ["fashion"], "Not-fashion": ["tools", "garden"]}
    rival, ours = build_lines(tables, COMMANDS, groups, MEASURES, SMAR)
    assert list(ours.found) == [OVERALL, "Fashion", "Not-fashion"]
    assert [ours.found[group].queries for group in ours.found] == [4, 2, 2]
    assert ours.found["Fashion"].mean == pytest.approx({"R@50": 0.625, "nDCG@10": 0.625})
    assert ours.found["Fashion"].by_seed["R@50"] == pytest.approx([0.75, 0.5])
    assert ours.kinds["type"]["nDCG@10"] == pytest.approx(0.875)
    assert (rival.seeds, ours.seeds) == (1, 2)
    assert not ours.found[OVERALL].below
    # One seed of the rival is compared with the same seed of ours.
    lead = rival.found["Fashion"].below["R@50"]
    assert (lead.mean_a, lead.mean_b, lead.difference) == pytest.approx((0.25, 0.75, 0.5))


def test_p_is_corrected_over_the_rows_and_the_oracle_is_not_tested(
    tables: dict[Row, list[pl.DataFrame]],
) -> None:
    alone = build_lines(tables, COMMANDS, {}, MEASURES, SMAR)[0].found[OVERALL].below["nDCG@10"].p
    oracle, other = Row("oracle", "gate", ask="oracle"), Row("other", "rivals")
    more = {**tables, oracle: tables[SMAR][:1], other: tables[RIVAL]}
    commands = {**COMMANDS, oracle: "", other: ""}
    lines = {line.row: line for line in build_lines(more, commands, {}, MEASURES, SMAR)}
    assert lines[RIVAL].found[OVERALL].below["nDCG@10"].p == pytest.approx(min(1, 2 * alone))
    assert not lines[oracle].found[OVERALL].below


def test_queries_without_kinds_or_departments_have_an_overall_alone(
    tables: dict[Row, list[pl.DataFrame]],
) -> None:
    nothing = pl.lit(None, dtype=pl.String)
    bare = {
        row: [table.with_columns(department=nothing, kind=nothing) for table in of]
        for row, of in tables.items()
    }
    line = build_lines(bare, COMMANDS, {}, MEASURES, SMAR)[0]
    assert list(line.found) == [OVERALL]
    assert line.kinds == {}


def test_without_groups_each_department_stands_by_itself(tables: dict[Row, list[pl.DataFrame]]) -> None:
    lines = build_lines(tables, COMMANDS, {}, MEASURES, SMAR)
    assert list(lines[0].found) == [OVERALL, "fashion", "garden", "tools"]


def test_a_group_of_an_unknown_department_is_refused(tables: dict[Row, list[pl.DataFrame]]) -> None:
    with pytest.raises(ConfigError, match=r"groups\.Shoes: .* 'shoes'; there are fashion, garden, tools"):
        build_lines(tables, COMMANDS, {"Shoes": ["shoes"]}, MEASURES, SMAR)
    with pytest.raises(ConfigError, match=r"groups\.Overall: is the name of all"):
        build_lines(tables, COMMANDS, {"Overall": ["tools"]}, MEASURES, SMAR)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_lowers_no_p_and_keeps_their_order(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(after >= before for before, after in zip(p_values, corrected, strict=True))
    ranked = sorted(zip(p_values, corrected, strict=True))
    assert [after for _, after in ranked] == sorted(corrected)
    if p_values:
        assert min(corrected) == pytest.approx(min(1, min(p_values) * len(p_values)))


def test_names_choose_rows_or_parts_and_smar_is_always_there() -> None:
    assert choose([]) == ROWS
    assert [row.name for row in choose(["BM25"])] == ["BM25", "SMAR"]
    assert {row.part for row in choose(["fusion"])} == {"fusion", "gate"}
    with pytest.raises(ConfigError, match="is no row; choose of"):
        choose(["BM26"])
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_rows_of_one_model_share_its_run_and_no_two_rows_their_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[groups]\n"Clothes" = ["fashion"]\n', encoding="utf-8")
    shop = write_shop(tmp_path / "shop", copies=1)
    grid = Grid(shop, recipe, "dev", tmp_path / "runs", tmp_path / "values")
    cells = grid.cells(ROWS, seeds=2)
    assert len({cell.values for cell in cells}) == len(cells)
    for seed in (0, 1):
        runs = {cell.row.name: cell.run for cell in cells if cell.seed == seed}
        assert (
            len({run for name, run in runs.items() if name.startswith("SMAR") and "category" not in name})
            == 1
        )
        assert runs["SMAR"] != runs["cross attention"]
    assert {cell.config.model.seed for cell in cells if cell.row == SMAR} == {0, 1}
    assert all(cell.seed == 0 for cell in cells if not cell.row.is_main)
    # Every row sees the pairs as often: in two stages, or longer in one.
    epochs = {cell.row.name: cell.config.pretraining.loop.epochs for cell in cells}
    assert (epochs["SMAR"], epochs["DPSR (text only)"], epochs["cross attention"]) == (3, 4, 4)
    # Which departments are shown together trains nothing anew.
    recipe.write_text("", encoding="utf-8")
    again = grid.cells(ROWS, seeds=2)
    assert [cell.run for cell in again] == [cell.run for cell in cells]
    # What the recipe does not have cannot be taken away.
    names = {cell.row.name for cell in cells}
    off = {"without query terms", "without memory of clicks", "without query terms or memory"}
    assert {row.name for row in ROWS} - names == off | {"without hard negatives"}
    recipe.write_text(
        "[model]\nterms = { dim = 16 }\nmemory = { neighbours = 4 }\ntext_dropout = 0\nimage_dropout = 0\n"
        "[pretraining.loop]\nnegatives = { count = 8 }\n",
        encoding="utf-8",
    )
    names = {cell.row.name for cell in grid.cells(ROWS, seeds=2)}
    assert {row.name for row in ROWS} - names == {"without dropout"}
    said = " ".join(capsys.readouterr().err.split())
    assert "without dropout: by this recipe the same as SMAR, and left out" in said
