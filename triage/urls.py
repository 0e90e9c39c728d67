from django.urls import path

from triage import views

urlpatterns = [
    path("", views.visit, name="visit"),
    path("privacy/", views.privacy, name="privacy"),
    path("brand.css", views.brand_css, name="brand_css"),
]
