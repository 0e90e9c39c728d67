"""How fast is Klikvoor beside the conventional design and a bare relay? `python -m bench`."""
