"""Print fresh secrets as an environment file: `python -m klikvoor.newkeys > klikvoor.env`.

Needs no settings and no database, so that it can run before either exists. Keep the file apart
from the database and from its backups: who holds both can read everything.
"""

import base64
import secrets


def main() -> None:
    def key() -> str:
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()

    print(f"SECRET_KEY={secrets.token_urlsafe(50)}")
    print(f"HASHING_KEY={key()}")
    print(f"SEALING_KEYS={secrets.token_hex(4)}:{key()}")


if __name__ == "__main__":
    main()
