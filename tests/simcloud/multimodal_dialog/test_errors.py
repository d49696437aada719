"""The documented errors."""

from mmid.simcloud.multimodal_dialog.errors import ERRORS, Shape, find_error


def test_an_error_is_found_by_its_name_or_its_code() -> None:
    assert all(find_error(error.name) is error for error in ERRORS)
    by_code = find_error("500")
    assert by_code is not None
    assert (by_code.code, by_code.shape) == ("500", Shape.TURN)
    assert find_error("InternalTeapotError") is None
