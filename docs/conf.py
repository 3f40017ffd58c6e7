"""How the documentation is built: ``make docs``, into ``build/docs``."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent / "_ext")]

from mlpipes_cli import __all__ as PUBLIC  # noqa: E402
from mlpipes_cli import __version__  # noqa: E402

project = "mlpipes"
author = "the authors of mlpipes"
copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "reference_pages"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_ext"]
nitpicky = True
# A signature may name a type of another library, or a result whose class is not a public name: that is text.
# A link to a public name has to resolve.
nitpick_ignore_regex = [("py:.*", rf"(?!(mlpipes_cli\.)?({'|'.join(PUBLIC)})$).*")]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # configuration languages without a lexer here
highlight_language = "text"

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"mlpipes {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
