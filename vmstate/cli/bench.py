"""`vmstate bench`: how long a migration takes, measured with real programs."""

from __future__ import annotations

import argparse

from vmstate.cli import bench_migrate, bench_vhost_user


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    what = "local migrations of a guest, in one way or several: downtime, the largest gap in its packets, each device"
    bench_migrate.arguments(actions.add_parser("migrate", help=what, description=f"{what[0].upper()}{what[1:]}."))
    what = "a real vhost-user back end, started early and all at the stop: what each message takes, what if it fails"
    bench_vhost_user.arguments(actions.add_parser("vhost-user", help=what, description=f"{what[0].upper()}{what[1:]}."))
    parser.set_defaults(takes_command=("vhost-user",))
