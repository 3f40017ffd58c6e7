"""The page of ``mlpipes data profile``: text, pictures, a card for each column."""
