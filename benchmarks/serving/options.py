"""Flags that the programs of this folder share."""

from __future__ import annotations

import argparse
from pathlib import Path

from stack import Data


def add_data(parser: argparse.ArgumentParser) -> None:
    """Flags that name the data."""
    parser.add_argument("--data", type=Path, help="a CSV file (default: the generated example `credit`)")
    parser.add_argument("--target", metavar="NAME", help="its target column")
    parser.add_argument("--id", metavar="NAME", help="its identifier, if it has one")
    parser.add_argument("--drop", default="", metavar="NAMES", help="its columns that are left out")


def data_of(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> Data:
    """The data that was named."""
    if arguments.data is None:
        return Data()
    if arguments.target is None:
        parser.error("--data needs --target")
    if not arguments.data.is_file():
        parser.error(f"there is no file {arguments.data}")
    drop = tuple(filter(None, arguments.drop.split(",")))
    return Data(arguments.data, arguments.target, arguments.id, drop)
