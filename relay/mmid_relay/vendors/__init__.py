"""The vendors: what each is asked, and the one way in which all are asked."""
