"""Pages that hold everything they need: text, pictures, and the document around them."""
