"""Draws a report of an online test: each figure's difference with its intervals. Knows figures alone."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from smar.experiment.online.report import ArmReport
from smar.files import whole_file


def draw_report(found: ArmReport, path: Path) -> None:
    """Differences as shares of the control's figures: thick at one planned look, thin at every look."""
    shown = [effect for effect in found.goals if effect.control][::-1]
    figure = Figure(figsize=(8, 1.4 + 0.34 * len(shown)), layout="constrained")
    axes = figure.subplots()
    for place, effect in enumerate(shown):
        low, high = effect.low / effect.control, effect.high / effect.control
        surely = low > 0 or high < 0
        colour = "#b03a48" if surely and high < 0 else "#3b6ea5" if surely else "#7a7a7a"
        if effect.always_low is not None and effect.always_high is not None:
            ends = [effect.always_low / effect.control, effect.always_high / effect.control]
            axes.plot(ends, [place, place], color=colour, linewidth=1)
        axes.plot([low, high], [place, place], color=colour, linewidth=5, alpha=0.6)
        axes.plot(effect.difference / effect.control, place, "o", color=colour)
    axes.axvline(0, color="#222222", linewidth=0.8)
    axes.set_yticks(range(len(shown)), [f"{effect.group}: {effect.figure}" for effect in shown])
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:+.0%}")
    axes.set_xlabel(f"{found.treatment} against {found.control}; thick: one planned look, thin: every look")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.25)
    with whole_file(path) as part:
        figure.savefig(
            part,
            format=path.suffix.lstrip(".") or "png",
            dpi=130,
            metadata={"Software": None} if path.suffix == ".png" else None,
        )
