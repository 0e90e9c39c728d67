"""The screens of coordinators for the questions of their sites, under /staff/questions/."""

from django.urls import path

from triage.editor import draft, files, overview, publishing, trying

urlpatterns = [
    path("", overview.overview, name="questions"),
    path("<int:pk>/", overview.of_site, name="questions_of"),
    path("<int:pk>/versions/<int:number>/", overview.version, name="questions_version"),
    path("<int:pk>/versions/<int:number>/file/", files.export, name="questions_export"),
    path("<int:pk>/start/", overview.start, name="questions_start"),
    path("<int:pk>/discard/", overview.discard, name="questions_discard"),
    path("<int:pk>/import/", files.bring_in, name="questions_import"),
    path("<int:pk>/try/", trying.try_out, name="questions_try"),
    path(
        "<int:pk>/examples/<int:example>/forget/",
        trying.forget_example,
        name="questions_forget_example",
    ),
    path("<int:pk>/draft/", draft.draft, name="questions_draft"),
    path("<int:pk>/draft/file/", files.export, name="questions_export_draft"),
    path("<int:pk>/draft/differences/", publishing.differences, name="questions_differences"),
    path("<int:pk>/draft/publish/", publishing.publish, name="questions_publish"),
    path("<int:pk>/draft/<slug:kind>/new/", draft.part, name="questions_new_part"),
    path("<int:pk>/draft/<slug:kind>/<slug:key>/", draft.part, name="questions_part"),
]
