"""The site of docs/: `make docs`."""

from tfce import __version__

project, author, release = "tfce", "The tfce developers", __version__
project_copyright = "the tfce developers, GPL-3.0-only"
extensions = ["myst_parser"]
exclude_patterns = ["site"]
html_theme = "furo"
html_title = f"tfce {release}"
myst_heading_anchors = 3  # links to headings, as GitHub makes them
suppress_warnings = ["toc.not_included"]  # a page of the top folder that only other pages lead to
html_static_path = ["static"]
html_css_files = ["site.css"]  # names of tests break in tables
