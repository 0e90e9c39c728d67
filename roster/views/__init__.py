"""The pages of the roster, one file per page; all of them are found through `roster/urls.py`."""
