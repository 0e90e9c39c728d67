from django.urls import include, path

from triage import come_back, sites, views

urlpatterns = [
    path("", views.visit, name="visit"),
    path("terug/", come_back.come_back, name="come_back"),
    path("privacy/", views.privacy, name="privacy"),
    path("staff/sites/", sites.sites, name="sites"),
    path("staff/sites/new/", sites.site, name="new_site"),
    path("staff/sites/<int:pk>/", sites.site, name="site"),
    path("staff/questions/", include("triage.editor_urls")),
    path("places.json", views.places_json, name="places"),
    path("brand.css", views.brand_css, name="brand_css"),
]
