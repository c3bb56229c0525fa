"""The leak table: who shows the user exactly the answer, and how much later than possible."""
