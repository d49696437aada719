"""Baidu RTC with License activation: one connection's protocol, and the cloud that speaks it.

Facts: baidu-rtc, by section. The dialect is ``rtc``; start reading at ``stages``.
"""
