"""The page about the states says what the code does."""

from tests.session.dialects.multimodal_dialog.states_page import PAGE, page


def test_the_page_about_the_states_is_the_codes_own() -> None:
    command = "python -m tests.session.dialects.multimodal_dialog.states_page"
    assert PAGE.read_text() == page(), f"write it anew: {command}"
