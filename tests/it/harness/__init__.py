"""What the integration tests share: the program under test (program.py) and models to feed it (models.py)."""
