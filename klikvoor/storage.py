"""Where static files get the names under which browsers may keep them."""

from servestatic.storage import CompressedManifestStaticFilesStorage


class StaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Names files after their content, also where one module imports another.

    Without that a browser would load `./connection.js` beside the hashed one that the page preloads,
    and after a deployment mix old modules with new ones.
    """

    support_js_module_import_aggregation = True
