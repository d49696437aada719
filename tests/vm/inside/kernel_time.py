"""What a time service tells the kernel."""

import ctypes

# linux/timex.h
_ADJ_STATUS, _ADJ_MAXERROR, _ADJ_ESTERROR = 0x10, 0x4, 0x8
_STA_UNSYNC = 0x40


class _Timex(ctypes.Structure):
    """The beginning of ``struct timex`` on 64-bit Linux, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def mark(*, synchronized: bool) -> None:
    """Tell the kernel whether its clock is synchronised."""
    timex = _Timex(modes=_ADJ_STATUS | _ADJ_MAXERROR | _ADJ_ESTERROR)
    timex.status = 0 if synchronized else _STA_UNSYNC
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    assert state >= 0, ctypes.get_errno()
