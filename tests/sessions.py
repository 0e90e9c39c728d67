"""Print a session of every member of staff: `name session_key`, for sites without demo sign-in."""

import django


def main() -> None:
    django.setup()
    from institutions.access import has_second_factor
    from institutions.models import User
    from tests.people import add_second_factor, sign_in

    for user in User.objects.filter(is_active=True):
        if not has_second_factor(user):
            add_second_factor(user)
        key = sign_in(user).session.session_key
        print(user.email.partition("@")[0], key)  # noqa: T201


if __name__ == "__main__":
    main()
