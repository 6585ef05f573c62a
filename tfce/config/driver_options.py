"""The ``Driver_*`` options: what libcloud's driver of the cloud is made with. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Mapping

DriverValue = str | int | float | bool
DriverOptions = Mapping[str, DriverValue]  # by name, without the prefix; may hold a token
