"""The options of series: which columns play which part, and how windows are cut."""

from __future__ import annotations

from pydantic import Field

from trainwell.contract.specs import Spec


class Config(Spec):
    """Options of series; `columns` and `drop_columns` are arguments of their own."""

    columns: tuple[str, ...] | None = Field(default=None, description="Use only these columns as inputs")
    drop_columns: tuple[str, ...] = Field(default=(), description="Leave these columns out")
    series: str | None = Field(
        default=None, description="Column that says which whole series a row of a long table belongs to"
    )
    time: str | None = Field(default=None, description="Column of times, or of step numbers; else the order of rows")
    group: str | None = Field(
        default=None, description="Forecasts: column that tells several series apart; windows: column to split by"
    )
    window: int | None = Field(default=None, ge=1, le=100_000, description="Steps of the past; windows: their length")
    horizon: int | None = Field(default=None, ge=1, le=10_000, description="Steps to forecast")
    stride: int | None = Field(default=None, ge=1, le=100_000, description="Steps from one window to the next")
    known_future: tuple[str, ...] = Field(
        default=(), description="Columns whose values are known for the time to forecast, such as promotions"
    )
    season: int | None = Field(default=None, ge=1, le=100_000, description="Steps of a season; 1 is none")
    length: int | None = Field(default=None, ge=1, le=1_000_000, description="Longest whole series; cut behind it")
