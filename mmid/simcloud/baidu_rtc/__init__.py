"""Baidu's RTC dialog with License activation, simulated."""

from mmid.simcloud.baidu_rtc.server import CLOUD

__all__ = ["CLOUD"]
