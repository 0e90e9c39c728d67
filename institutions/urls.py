"""Pages of staff about staff, under /staff/."""

from django.urls import path

from institutions.views import invitation, me, people, setup

urlpatterns = [
    path("", me.home, name="staff_home"),
    path("me/", me.me, name="staff_me"),
    path("me/sign-ins/end-others/", me.end_other_sign_ins, name="end_other_sign_ins"),
    path("me/sign-ins/<int:pk>/end/", me.end_sign_in, name="end_sign_in"),
    path("people/", people.people, name="people"),
    path("people/invite/", people.invite, name="invite"),
    path(
        "people/invitations/<int:pk>/<slug:deed>/",
        people.change_invitation,
        name="change_invitation",
    ),
    path("people/<int:pk>/", people.person, name="person"),
    path("people/<int:pk>/<slug:deed>/", people.do_to_person, name="do_to_person"),
    path("institutions/", setup.institutions, name="institutions"),
    path("institutions/new/", setup.institution, name="new_institution"),
    path("institutions/<int:pk>/", setup.institution, name="institution"),
    path("audit/", people.audit, name="audit"),
    path("invitation/", invitation.invitation, name="invitation"),
    path("invitation/<str:token>/", invitation.invitation_link, name="invitation_link"),
]
