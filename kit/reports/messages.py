"""Translates days into their protos."""

from kit.reports.periods import Days
from protos.common.v1 import days_pb2 as pb


def days_to_proto(days: Days) -> pb.DayRange:
    return pb.DayRange(from_day=days.first.isoformat(), to_day=days.last.isoformat())
