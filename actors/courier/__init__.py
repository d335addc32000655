"""Couriers: the processes that send what the control tower has cleared (docs/adr/0009)."""

from actors.courier.courier import Courier, Surroundings
from actors.courier.parcels import Links

__all__ = ["Courier", "Links", "Surroundings"]
