"""The report of a check as one HTML page, made from the document that ``mlpipes monitor --json`` prints."""
