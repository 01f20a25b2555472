"""The option --plot, the same wherever a verb gives numbers."""

from __future__ import annotations

import argparse


def plot_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument("--plot", metavar="FILE", help="draw it: .svg, .png or .pdf (extra 'plot')")


def check_wanted_plot(options: argparse.Namespace) -> None:
    """Before what takes long: can it be drawn? Raises `VMStateError`."""
    if options.plot is not None:
        from vmstate.qemu.provenance import refuse_place
        from vmstate.report.plots import check_plot

        check_plot(options.plot)
        refuse_place(options.plot)
