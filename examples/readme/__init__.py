"""The code of README.md: `api.py` and `app.py` are its two files, as they stand there."""
